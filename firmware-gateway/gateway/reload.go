package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"karkhana/firmware-gateway/config"
)

// errStopped is the answer to a reload after Run has returned.
var errStopped = errors.New("the gateway has stopped")

// reload is a request to Run.
type reload struct {
	config *config.Gateway
	answer chan error
}

// Reload reads the configuration's file anew and lets the running gateway live by it: see [Gateway.Apply]. A file that
// is not right changes nothing; what is wrong with it is returned, logged and stands in the status until a reload
// succeeds. It waits for Run to begin.
func (g *Gateway) Reload(ctx context.Context) error {
	next, err := config.Load(g.config().File)
	if err != nil {
		return g.refuse(err)
	}
	return g.Apply(ctx, next)
}

// Apply changes the configuration of the running gateway. Everything that can fail is done before anything stops.
// Machines whose entry is the same go on without a hole, as long as no other machine on their bus or line changes; the others are
// stopped, what they had collected is queued, and they begin anew. The queue, its numbers, receipts and the progress of
// recordings stay; a machine that is no longer there leaves its packs in the queue, which are sent. Who the gateway is
// and where its data lie can't change: the error says that a restart is needed.
//
// When ctx ends first the change may still come to pass.
func (g *Gateway) Apply(ctx context.Context, next *config.Gateway) error {
	r := reload{config: next, answer: make(chan error, 1)}
	select {
	case g.reloads <- r:
	case <-g.over:
		return errStopped
	case <-ctx.Done():
		return fmt.Errorf("reload: %w", ctx.Err())
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("reload: %w", ctx.Err())
	}
}

// refuse notes why a configuration is not taken.
func (g *Gateway) refuse(err error) error {
	g.log.Error("configuration is not taken, the gateway goes on with the one it has", "config", g.config().Hash, "err", err)
	text := err.Error()
	if len(text) > maxConfigError {
		text = strings.ToValidUTF8(text[:maxConfigError], "") + " …"
	}
	g.configError.Store(&text)
	return err
}

// maxConfigError bounds what the status says of a wrong file.
const maxConfigError = 1000

// take changes the running configuration; it belongs to the goroutine of sample. It returns the units that now run.
func (g *Gateway) take(ctx context.Context, running []*unit, next *config.Gateway) ([]*unit, error) {
	was := g.config()
	if err := was.RestartNeeded(next); err != nil {
		return running, g.refuse(err)
	}
	planned, err := g.plan(next)
	if err != nil {
		return running, g.refuse(err)
	}
	link, err := g.newLink(was, next)
	if err != nil {
		return running, g.refuse(err)
	}
	begin := time.Now()
	keep, stop, start := split(running, planned, bytes.Equal(was.CardSalt, next.CardSalt))
	stopAll(stop)
	stopped := g.clock.Now()
	_ = wait(ctx, func() bool { d := g.clock.Now().Sub(stopped); return d > tick || d < 0 }) // else ctx ends, and all with it
	g.cfg.Store(next)
	g.remote.KeyChanged()
	g.start(ctx, start)
	pause := time.Since(begin)
	if link != nil {
		g.link.end()
		g.link = link
		g.link.begin()
	}
	g.configError.Store(nil)
	g.log.Info("configuration taken", "config", next.Hash, "was", was.Hash, "untouched", len(keep), "stopped", len(stop), "started", len(start), "pause", pause.Round(time.Millisecond).String())
	return slices.Concat(keep, start), nil
}

// tick keeps the first samples after a reload apart from the last ones before it: no two have one time.
const tick = 2 * time.Millisecond

// split says which of the running units go on and which of the planned ones take the place of the others.
func split(running, planned []*unit, sameCards bool) (keep, stop, start []*unit) {
	start = slices.Clone(planned)
	for _, u := range running {
		i := -1
		if sameCards {
			i = slices.IndexFunc(start, u.same)
		}
		if i < 0 {
			stop = append(stop, u)
			continue
		}
		keep = append(keep, u)
		start = slices.Delete(start, i, i+1)
	}
	return keep, stop, start
}
