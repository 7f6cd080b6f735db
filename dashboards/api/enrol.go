package api

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"karkhana/internal/enrol"
	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// Broker says how gateways that join find the broker.
type Broker struct {
	Announce string // URL that is told as it is; "": the host of the call with the port of Listen
	Listen   string // host:port where the broker listens; "": it runs elsewhere, port 1883 is taken
}

// Joining is bounded, so that codes (55 random bits) can't be guessed in their life: per address, and for all addresses
// together against somebody who has many.
const (
	wrongCodesPerAddress = 10  // per minute
	wrongCodesTogether   = 300 // per minute
)

// codeLife is how long a code is valid unless the caller says otherwise.
const codeLife = 24 * time.Hour

// joining guards POST /enrol.
type joining struct {
	address, together *limiter
	turn              chan struct{} // one call at a time, so that calls side by side can't pass the limit
}

func newJoining() *joining {
	return &joining{
		address: newLimiter(wrongCodesPerAddress, time.Minute), together: newLimiter(wrongCodesTogether, time.Minute),
		turn: make(chan struct{}, 1),
	}
}

type newCodeInput struct {
	SiteInput
	Gateway string `path:"gateway" maxLength:"40" doc:"Id of the gateway; it is added when the site has none of that id" example:"gw-1"`
	Body    struct {
		ValidS int `json:"valid_s,omitempty" minimum:"60" maximum:"604800" doc:"How long the code is valid, s; a day when left out"`
	}
}

// GatewayCode is a one-time code for a gateway.
type GatewayCode struct {
	Site    string    `json:"site"`
	Gateway string    `json:"gateway"`
	Code    string    `json:"code" doc:"To be typed on the gateway; it is shown only now" example:"K7QM-4T2X-9RDW"`
	Expires time.Time `json:"expires"`
}

type newCodeOutput struct{ Body GatewayCode }

// Caller is where a gateway calls from.
type Caller struct {
	ip   string // the address that is counted: of an IPv6 network its first 64 bits
	host string // by which it reached the server, without the port
}

// Resolve reads the caller from the request (huma calls it).
func (c *Caller) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	c.ip = remoteIP(r)
	if ip := net.ParseIP(c.ip); ip != nil && ip.To4() == nil {
		c.ip = ip.Mask(net.CIDRMask(64, 128)).String() + "/64"
	}
	c.host = hostOf(r.Host)
	return nil
}

func hostOf(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	if n := len(hostPort); n > 1 && hostPort[0] == '[' && hostPort[n-1] == ']' {
		return hostPort[1 : n-1]
	}
	return hostPort
}

type enrolInput struct {
	Caller
	Body enrol.JoinRequest
}

type enrolOutput struct{ Body enrol.JoinAnswer }

func (a *API) routeEnrol() {
	huma.Register(a.huma, operation("make-gateway-code", http.MethodPost, "/sites/{site}/gateways/{gateway}/code", "Make a one-time code by which a gateway joins",
		"The installer types it on the gateway (`karkhana-gateway enrol`). A former code becomes useless; the gateway's present key works until the code is used."), a.newGatewayCode)

	join := operation("enrol", http.MethodPost, "/enrol", "Join as a gateway with a one-time code",
		"The gateway makes its key and sends its SHA-256 only. The same code with the same key may be sent again until it expires. "+
			"After ten wrong codes in a minute the address must wait.")
	join.Errors = append(join.Errors, http.StatusConflict, http.StatusGone, http.StatusTooManyRequests)
	huma.Register(a.huma, join, a.enrol)
}

func (a *API) newGatewayCode(ctx context.Context, in *newCodeInput) (*newCodeOutput, error) {
	if _, err := a.site(ctx, in.Site); err != nil {
		return nil, err
	}
	if err := wire.CheckID("gateway", in.Gateway); err != nil {
		return nil, problem(http.StatusBadRequest, "%v", err)
	}
	life := codeLife
	if in.Body.ValidS > 0 {
		life = time.Duration(in.Body.ValidS) * time.Second
	}
	code := enrol.NewCode()
	expires, err := a.reg.NewGatewayCode(ctx, in.Site, in.Gateway, code.Hash(), life, caller(ctx).name)
	if err != nil {
		return nil, a.fail(ctx, "make a code", err)
	}
	return &newCodeOutput{Body: GatewayCode{Site: in.Site, Gateway: in.Gateway, Code: code.String(), Expires: at(expires)}}, nil
}

func (a *API) enrol(ctx context.Context, in *enrolInput) (*enrolOutput, error) {
	select {
	case a.joining.turn <- struct{}{}:
		defer func() { <-a.joining.turn }()
	case <-ctx.Done():
		return nil, a.fail(ctx, "enrol", ctx.Err())
	}
	now := a.now()
	if wait := max(a.joining.address.wait(in.ip, now), a.joining.together.wait("", now)); wait > 0 {
		s := strconv.Itoa(int(wait/time.Second) + 1)
		return nil, huma.ErrorWithHeaders(problem(http.StatusTooManyRequests, "too many wrong codes: wait %s seconds", s), http.Header{"Retry-After": {s}})
	}
	code, err := enrol.ParseCode(in.Body.Code)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "%v: look at it again", err) // no guess: says nothing of real codes
	}
	g, err := a.reg.RedeemGatewayCode(ctx, registry.Redeeming{
		CodeHash: code.Hash(), KeyHash: in.Body.KeySHA256, Host: in.Body.Host, Version: in.Body.Version, Address: in.ip,
	})
	if err != nil {
		return nil, a.notEnrolled(ctx, in.ip, now, err)
	}
	answer, err := a.joinAnswer(ctx, g, in.host)
	if err != nil {
		return nil, a.fail(ctx, "enrol", err)
	}
	a.log.Info("gateway enrolled", "site", g.Site, "gateway", g.ID, "address", in.ip)
	return &enrolOutput{Body: *answer}, nil
}

// notEnrolled counts a code that was refused and words why.
func (a *API) notEnrolled(ctx context.Context, ip string, now time.Time, err error) error {
	var answer error
	switch {
	case errors.Is(err, registry.ErrCodeWrong):
		answer = problem(http.StatusNotFound, "the code is wrong: it was never made, or a newer one was made for this gateway")
	case errors.Is(err, registry.ErrCodeExpired):
		answer = problem(http.StatusGone, "the code has expired: ask the manager for a new one")
	case errors.Is(err, registry.ErrCodeUsed):
		answer = problem(http.StatusConflict, "the code was used already, by another gateway or before this one lost its key: ask the manager for a new one; "+
			"if nobody of you used it, tell the manager, because somebody else has joined with it")
	default:
		return a.fail(ctx, "enrol", err)
	}
	a.joining.address.failed(ip, now)
	a.joining.together.failed("", now)
	a.metrics.enrolFailures.Inc()
	a.log.Warn("gateway not enrolled", "address", ip, "err", err)
	return answer
}

// joinAnswer gathers what a gateway that joined needs. host is how it reached the server.
func (a *API) joinAnswer(ctx context.Context, g registry.Gateway, host string) (*enrol.JoinAnswer, error) {
	site, err := a.reg.Site(ctx, g.Site)
	if err != nil {
		return nil, err
	}
	salt, err := a.reg.CardSalt(ctx, g.Site)
	if err != nil {
		return nil, err
	}
	machines, err := a.reg.Machines(ctx, g.Site)
	if err != nil {
		return nil, err
	}
	out := &enrol.JoinAnswer{Site: site.ID, Gateway: g.ID, Zone: site.Zone, CardSalt: salt, Machines: make([]enrol.JoinMachine, len(machines))}
	for i, m := range machines {
		out.Machines[i] = enrol.JoinMachine{ID: m.ID, Class: m.Class, NameHi: m.Name.Hi, NameEn: m.Name.En}
	}
	out.Broker, out.BrokerNote = a.broker.url(host)
	key, err := a.reg.SigningKey(ctx, g.Site)
	if err != nil {
		return nil, err
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the signing key of site %s has no ed25519 public key", g.Site)
	}
	out.CommandKey = base64.StdEncoding.EncodeToString(public)
	return out, nil
}

// url is where gateways that reached the server by host find the broker, with a note when they can't.
func (b Broker) url(host string) (url, note string) {
	if b.Announce != "" {
		return b.Announce, ""
	}
	listenHost, port, err := net.SplitHostPort(b.Listen)
	if err != nil {
		listenHost, port = "", "1883"
	}
	if ip := net.ParseIP(listenHost); (ip != nil && ip.IsLoopback() || listenHost == "localhost") && !isLoopback(host) {
		note = "the broker of the server listens on " + b.Listen + ", which only the server's own computer reaches: " +
			"start the server with --mqtt-listen 0.0.0.0:" + port + ", or tell it by --announce-broker where the proxy before it is"
	}
	return "mqtt://" + net.JoinHostPort(host, port), note
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
