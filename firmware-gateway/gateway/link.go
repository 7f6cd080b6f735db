package gateway

import (
	"context"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/uplink"
)

// link is the connection to a broker as one configuration wants it. begin and end belong to the goroutine of Run.
type link struct {
	g      *Gateway
	uplink *uplink.Uplink
	ctx    context.Context //nolint:containedctx // of the goroutine that begin starts
	stop   context.CancelFunc
	done   chan struct{}
}

// newLink makes the connection that next wants; nil when it is the one of was (nil: there is none yet).
func (g *Gateway) newLink(was, next *config.Gateway) (*link, error) {
	if was != nil && was.Broker == next.Broker && was.Key == next.Key && was.HistoryPacksPerS == next.HistoryPacksPerS {
		return nil, nil //nolint:nilnil // said above
	}
	o := uplink.Options{
		URL: next.Broker, Site: next.Site, Gateway: next.Gateway, Key: next.Key, HistoryPerS: next.HistoryPacksPerS,
		Queue: queue{g}, Status: g.Status, Command: g.remote.Take, Logger: g.log, Date: g.clock.UTC,
	}
	if g.o.TuneUplink != nil {
		g.o.TuneUplink(&o)
	}
	u, err := uplink.New(o)
	if err != nil {
		return nil, err
	}
	l := &link{g: g, uplink: u, done: make(chan struct{})}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l, nil
}

// begin connects and sends until end. What is durable from now on is offered to this link; what is older it finds.
func (l *link) begin() {
	l.g.uplink.Store(l.uplink)
	go func() {
		defer close(l.done)
		_ = l.uplink.Run(l.ctx) // only ever the context's end
	}()
}

// end says goodbye to the broker and waits.
func (l *link) end() {
	l.stop()
	<-l.done
}
