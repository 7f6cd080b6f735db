package gateway

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"karkhana/firmware-gateway/remote"
	"karkhana/firmware-gateway/sampler"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// linkWait is how long a replay waits for a connection.
const linkWait = 20 * time.Second

// selfTestLasts is how long sensors are watched: most are read each second.
const selfTestLasts = 10 * time.Second

// openRemote reads what is kept of commands and of the list of cards.
func (g *Gateway) openRemote() {
	g.remote = remote.Open(remote.Options{
		Site: g.config().Site, Gateway: g.config().Gateway, Dir: filepath.Join(g.config().Data, "remote"),
		Key: func() ed25519.PublicKey { return g.config().CommandKey },
		Do: map[string]func(context.Context, []byte) (string, error){
			wire.CommandReload:   g.doReload,
			wire.CommandReplay:   g.doReplay,
			wire.CommandSelfTest: g.doSelfTest,
		},
		Date: g.clock.UTC, Changed: g.sayStatus, Logger: g.log,
	})
}

// sayStatus lets the status be said now.
func (g *Gateway) sayStatus() {
	if u := g.uplink.Load(); u != nil {
		u.SayStatus()
	}
}

// doReload reads the configuration anew.
func (g *Gateway) doReload(ctx context.Context, _ []byte) (string, error) {
	was := g.config().Hash
	if err := g.Reload(ctx); err != nil {
		return "the configuration is not taken, the gateway goes on with " + was, err
	}
	if now := g.config().Hash; now != was {
		return fmt.Sprintf("configuration %s taken, before it was %s", now, was), nil
	}
	return "the configuration is unchanged: " + was, nil
}

// doReplay sends again at once what has no receipt. There is nothing else to send again: a pack leaves the gateway with
// its receipt, and those that were refused are kept by the server.
func (g *Gateway) doReplay(ctx context.Context, body []byte) (string, error) {
	r, err := wire.DecodeReplay(body)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, linkWait)
	defer cancel()
	n, err := g.uplink.Load().SendAgain(ctx, r.FromMs, r.ToMs)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d packs that were sent and have no receipt are sent again now; %d packs in all wait for a receipt. Packs with a receipt are no longer on the gateway", n, g.spool.Len()), nil
}

// doSelfTest tells how everything does that can be told while sampling goes on, the bad first.
func (g *Gateway) doSelfTest(ctx context.Context, _ []byte) (string, error) {
	var bad, good []string
	note := func(ok bool, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if ok {
			good = append(good, "ok: "+text)
		} else {
			bad = append(bad, "FAULT: "+text)
		}
	}
	hanging := g.board.Hanging()
	for _, m := range g.board.Machines() {
		age := "no value yet"
		if m.SampleAgeMs != nil {
			age = fmt.Sprintf("last value %v ago", (time.Duration(*m.SampleAgeMs) * time.Millisecond).Round(100*time.Millisecond))
		}
		note(!slices.Contains(hanging, m.ID), "%s: %s", m.ID, age)
	}
	if len(g.running()) > 0 {
		verdicts, err := g.Selftest(ctx, selfTestLasts)
		if err != nil {
			note(false, "sensors: %v", err)
		}
		for _, v := range verdicts {
			note(v.OK, "%s, %s: %s", v.Machine, v.Sensor, strings.Join(append([]string{v.Seen}, v.Do...), "; "))
		}
	}
	_, dated := g.clock.UTC()
	note(dated, "clock: %s", g.clock.Trust())
	sp := g.board.Spool()
	note(sp.Failing == "", "queue: %d packs wait%s", g.spool.Len(), strings.TrimSuffix("; the disk does not take them: "+sp.Failing, "; the disk does not take them: "))
	s := g.Status()
	if s.Disk != nil {
		note(!s.Disk.ReadOnly, "disk: %d MB free", s.Disk.FreeBytes>>20)
	}
	if s.Undervolted != nil {
		note(!*s.Undervolted, "supply of the computer: %s", map[bool]string{true: "below 4.63 V: another supply or a shorter cable", false: "right"}[*s.Undervolted])
	}
	if s.AllowList.Problem != "" {
		note(false, "list of cards: %s", s.AllowList.Problem)
	}
	lines := strings.Join(append(bad, good...), "\n")
	if len(bad) > 0 {
		return lines, errSelfTest
	}
	return lines, nil
}

var errSelfTest = errors.New("something needs attention")

// answered lets the taps of a simulated machine be answered as those at a reader.
type answered struct {
	sampler.Source
	g *Gateway
}

// Sense reads the source.
func (a answered) Sense(ctx context.Context, at time.Time) ([]wire.Sample, error) {
	samples, err := a.Source.Sense(ctx, at)
	for _, s := range samples {
		if s.Quantity == quantity.Card && !s.IsFault() {
			a.g.remote.Answer(s.Text)
		}
	}
	return samples, err
}
