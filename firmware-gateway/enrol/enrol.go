// Package enrol lets a gateway join a server with a one-time code: it makes the gateway's own key, which never leaves
// the computer but to sign in at the broker, and writes a configuration that works.
//
// Whatever stops it in between, the same command goes on from there: the key is on disk before the code is used, and
// the server gives the same answer to the same code and key. A configuration that works is replaced only by one that was
// read and found right.
package enrol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/spool"
	"karkhana/internal/enrol"
	"karkhana/internal/secret"
)

// Options of joining.
type Options struct {
	Server  string // https://host[:port], or http:// within the building
	Code    string // "": it is asked for
	Config  string // file of the configuration, made when there is none
	CAFile  string // certificates that vouch for the server besides the computer's own; "": none
	Yes     bool   // an existing configuration is changed without asking
	Version string // of this program
	// Ask puts a question to the person at the terminal and returns the answer, or io.EOF when nobody is there.
	Ask func(ctx context.Context, question string) (string, error)
	Out io.Writer        // what is told to that person
	Now func() time.Time // nil: the computer's clock
	// TryBroker connects to the broker with the new key; nil: over the network.
	TryBroker func(ctx context.Context, broker, site, gateway, key string) error
}

// tries is how often a code is asked for.
const tries = 5

// ErrBroker is returned when the gateway has joined and is configured, but the broker was not reached or refused it.
var ErrBroker = errors.New("joined, but the broker does not work yet")

// Run joins. Its errors say what to do.
func Run(ctx context.Context, o Options) error {
	err := run(ctx, o)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return errors.New("stopped before the end; the same command goes on from here, with the same code")
	}
	return err
}

func run(ctx context.Context, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TryBroker == nil {
		o.TryBroker = tryBroker
	}
	c, err := newClient(o)
	if err != nil {
		return err
	}
	p, err := openPlace(o.Config)
	if err != nil {
		return err
	}
	defer p.tidy()
	if err := o.consent(ctx, p); err != nil {
		return err
	}
	key, err := p.keepKey()
	if err != nil {
		return err
	}
	// What is there must be right before the code is used, or it would be used up for nothing.
	if err := p.check(placeholder()); err != nil {
		return fmt.Errorf("%s is not right; mend it first, nothing was sent and the code is still good:\n%w", p.config, err)
	}
	if warning := c.warning(); warning != "" {
		fmt.Fprintln(o.Out, warning)
	}
	answer, key, err := o.join(ctx, c, key, p.formerKey())
	if err != nil {
		return err
	}
	if note := c.clockNote(o.Now()); note != "" {
		fmt.Fprintln(o.Out, note)
	}
	if err := p.mayMove(answer.Site); err != nil {
		return err
	}
	if err := p.install(answer, key); err != nil {
		return fmt.Errorf("the server has accepted this gateway, but its files can't be written: %w (mend that and run the same command with the same code again)", err)
	}
	o.tell(p, answer)
	return o.try(ctx, p, answer, key)
}

// consent asks before an existing configuration is changed. One that the package brought and nobody touched is none.
func (o Options) consent(ctx context.Context, p *place) error {
	if p.fresh || o.Yes {
		return nil
	}
	is := "is there already"
	if p.was["site"] != "" && p.was["gateway"] != "" {
		is = fmt.Sprintf("is there already, for gateway %s of site %s", p.was["gateway"], p.was["site"])
	}
	answer, err := o.Ask(ctx, fmt.Sprintf("%s %s.\nIts site, gateway, broker and the files of key and card salt will be what the server says; machines and all else stay.\nChange it? [y/N] ", p.config, is))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "haan", "हाँ":
		return nil
	}
	return fmt.Errorf("nothing was changed: %s is there already; answer y or give --yes to have it changed", p.config)
}

// join gets the answer of the server, asking for the code as often as it is refused, and the key that the server has
// accepted: a code that this gateway used before, as far as the end, was used with its former key.
func (o Options) join(ctx context.Context, c *client, key, former string) (*enrol.JoinAnswer, string, error) {
	host, _ := os.Hostname()
	if len(host) > 100 {
		host = host[:100]
	}
	for try := 1; ; try++ {
		typed, asked := o.Code, false
		if typed == "" {
			var err error
			if typed, err = o.Ask(ctx, "One-time code (from the manager, for example K7QM-4T2X-9RDW): "); err != nil {
				if errors.Is(err, io.EOF) {
					err = errors.New("no code was given: run this at a terminal, or give --code")
				}
				return nil, "", err
			}
			asked = true
		}
		request := enrol.JoinRequest{Code: typed, KeySHA256: hashKey(key), Host: host, Version: o.Version}
		answer, err := c.join(ctx, request)
		if err == nil {
			return answer, key, nil
		}
		if r := (*refusal)(nil); former != "" && errors.As(err, &r) && r.status == http.StatusConflict {
			request.KeySHA256 = hashKey(former)
			if answer, err := c.join(ctx, request); err == nil {
				return answer, former, nil
			}
		}
		if !asked || try == tries || !badCode(err) {
			return nil, "", err
		}
		fmt.Fprintf(o.Out, "%v\n", err)
	}
}

// badCode reports whether another code may help.
func badCode(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		switch r.status {
		case http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
			return true
		}
	}
	return errors.Is(err, enrol.ErrMistyped)
}

// tell says what was done.
func (o Options) tell(p *place, a *enrol.JoinAnswer) {
	fmt.Fprintf(o.Out, "Joined: this is gateway %s of site %s (%s).\n  key            %s\n  configuration  %s", a.Gateway, a.Site, a.Zone, p.key.path, p.config)
	if p.kept != "" {
		fmt.Fprintf(o.Out, " (the former one is %s)", filepath.Base(p.kept))
	}
	fmt.Fprintln(o.Out)
}

// try connects to the broker and says what is left to do.
func (o Options) try(ctx context.Context, p *place, a *enrol.JoinAnswer, key string) error {
	err := o.TryBroker(ctx, a.Broker, a.Site, a.Gateway, key)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if a.BrokerNote != "" {
			err = fmt.Errorf("%w: %s", err, a.BrokerNote)
		}
		return fmt.Errorf("%w: %s: %w\nThe gateway may be started: samples wait on disk until the broker lets it in. If the address is wrong, change broker in %s", ErrBroker, a.Broker, err, p.config)
	}
	fmt.Fprintf(o.Out, "  broker         %s: connected with the new key\n", a.Broker)
	if p.machines == 0 {
		fmt.Fprintf(o.Out, "Next: karkhana-gateway scan shows what is connected; list the machines in %s, then: karkhana-gateway check -c %s\n", p.config, p.config)
	}
	if filepath.Dir(p.config) == packagedDir {
		fmt.Fprintln(o.Out, "Start it anew with: systemctl restart karkhana-gateway")
	} else {
		fmt.Fprintf(o.Out, "Start it with: karkhana-gateway run -c %s\n", p.config)
	}
	return nil
}

// mayMove refuses to take a gateway to another site while packs of the former one wait: the new site would refuse them.
func (p *place) mayMove(site string) error {
	if p.fresh || p.was["site"] == "" || p.was["site"] == site || p.data == "" {
		return nil
	}
	in, err := spool.Inspect(filepath.Join(p.data, "spool"))
	if err != nil {
		return nil //nolint:nilerr // there is no queue, or it holds nothing that can be read
	}
	packs := in.Journal.Packs
	for _, f := range in.Files {
		packs += f.Packs
	}
	if packs == 0 {
		return nil
	}
	return fmt.Errorf("this gateway was of site %s, and %d packs of that site wait in %s, which site %s would refuse: "+
		"let the gateway send them first (it still can), or move that folder away; then run the same command with the same code again", p.was["site"], packs, p.data, site)
}

// placeholder is an answer by which a configuration is checked before there is one.
func placeholder() *enrol.JoinAnswer {
	return &enrol.JoinAnswer{Site: "site", Gateway: "gateway", Broker: "mqtt://127.0.0.1:1883", CardSalt: secret.New(), CommandKey: emptyCommandKey}
}

// loaded reads a candidate and makes sure that it says what the server said.
func loaded(path string, a *enrol.JoinAnswer) (*config.Gateway, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	for _, v := range []struct{ key, is, want string }{
		{"site", c.Site, a.Site}, {"gateway", c.Gateway, a.Gateway}, {"broker", c.Broker, a.Broker}, {"card salt", string(c.CardSalt), a.CardSalt},
	} {
		if v.is != v.want {
			return nil, fmt.Errorf("%s can't be set in it: write site, gateway, broker, key_file and card_salt_file each on a line of its own", v.key)
		}
	}
	return c, nil
}
