package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"karkhana/internal/registry"
)

// Me says who is signed in.
type Me struct {
	SignedIn bool   `json:"signed_in" doc:"False for people without sign-in"`
	Name     string `json:"name"`
	Role     string `json:"role" enum:",admin,manager,accountant,technician,group,viewer" doc:"Empty: may see nothing without sign-in"`
	Group    string `json:"group,omitempty" doc:"Role group only"`
	Version  string `json:"version"`
}

type meOutput struct{ Body Me }

type loginInput struct {
	Peer
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"200" doc:"A bearer token made by the administrator"`
	}
}

type cookieOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Me
}

// Peer is what sign-in needs to know of the connection.
type Peer struct {
	ip     string
	secure bool
}

// Resolve reads the peer from the request (huma calls it).
func (p *Peer) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	p.ip = remoteIP(r)
	p.secure = r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
	return nil
}

// remoteIP is the address the connection comes from. Forwarding headers are not believed: anybody can write them.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (a *API) routeSignIn() {
	login := operation("login", http.MethodPost, "/login", "Sign in with a token",
		"Sets a session cookie (HttpOnly, SameSite=Strict, 12 hours). After five wrong tokens in a minute the address must wait.")
	login.Errors = append(login.Errors, http.StatusTooManyRequests)
	huma.Register(a.huma, login, func(ctx context.Context, in *loginInput) (*cookieOutput, error) {
		now := a.now()
		if wait := a.failures.wait(in.ip, now); wait > 0 {
			s := strconv.Itoa(int(wait/time.Second) + 1)
			return nil, huma.ErrorWithHeaders(problem(http.StatusTooManyRequests, "too many wrong tokens from this address: wait %s seconds", s),
				http.Header{"Retry-After": {s}})
		}
		hash := registry.HashSecret(in.Body.Token)
		id, err := a.byHash(ctx, hash)
		if errors.Is(err, errBadToken) {
			a.failures.failed(in.ip, now)
			a.metrics.loginFailures.Inc()
			return nil, problem(http.StatusUnauthorized, "%v", err)
		}
		if err != nil {
			return nil, err
		}
		if err := a.reg.Audit(ctx, id.name, "sign-in", "role "+string(id.role)); err != nil {
			return nil, a.fail(ctx, "write the audit log", err)
		}
		return &cookieOutput{
			SetCookie: cookie(a.sealSession(hash, now.Add(sessionLife)), int(sessionLife/time.Second), in.secure),
			Body:      a.me(id),
		}, nil
	})

	logout := operation("logout", http.MethodPost, "/logout", "Sign out", "Removes the session cookie.")
	huma.Register(a.huma, logout, func(_ context.Context, in *struct{ Peer }) (*cookieOutput, error) {
		return &cookieOutput{SetCookie: cookie("", -1, in.secure), Body: a.me(identity{name: "anonymous", role: a.anonymous})}, nil
	})

	huma.Register(a.huma, operation("me", http.MethodGet, "/me", "Who is signed in", "Also says what people without sign-in may do here."),
		func(ctx context.Context, _ *struct{}) (*meOutput, error) {
			return &meOutput{Body: a.me(caller(ctx))}, nil
		})
}

func (a *API) me(id identity) Me {
	return Me{SignedIn: id.signedIn, Name: id.name, Role: string(id.role), Group: id.group, Version: a.version}
}

func cookie(value string, maxAge int, secure bool) http.Cookie {
	return http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
}
