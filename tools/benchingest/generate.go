package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// load says what the generator sends.
type load struct {
	Broker   string        // host:port
	Gateways int           // each a site with an MQTT connection of its own
	Machines int           // of each gateway
	Window   int           // packs of a gateway without a receipt, when PerSecond is 0
	PerS     int           // packs/s of all together; 0: as fast as receipts come
	For      time.Duration // how long new packs are sent
	QoS      int           // of the subscription to receipts
	Fresh    bool          // packs of the live lane end with a sample of the moment in which they are made
	History  int           // of the gateways, the first so many send on the backlog lane, as fast as they can
}

// loaded is what came of it.
type loaded struct {
	Packs, Resent, Refused       int64
	Reconnected                  int64   // connections that broke and were made again
	Seconds                      float64 // from the first pack to the last receipt
	Rates                        float64
	P50Ms, P99Ms, LiveP99Ms, Max float64
}

const (
	lastReceipt = 2 * time.Minute
)

// generate plays many gateways: packs with QoS 1, the broker's PUBACK, and the receipts that count.
func generate(ctx context.Context, l load) (loaded, error) {
	sh, err := shapes()
	if err != nil {
		return loaded{}, err
	}
	gws := make([]*gateway, l.Gateways)
	var connecting errgroup.Group
	var broken sync.Once
	connecting.SetLimit(32)
	for i := range gws {
		gws[i] = newGateway(l, i, sh, &broken)
		connecting.Go(func() (err error) {
			for range 5 { // a broker that a thousand gateways join at once may need a second
				if err = gws[i].connect(ctx); err == nil {
					return nil
				}
				time.Sleep(time.Second)
			}
			return err
		})
	}
	if err := connecting.Wait(); err != nil {
		return loaded{}, err
	}
	start := time.Now()
	runCtx, end := context.WithCancel(ctx)
	defer end()
	sendCtx, stop := context.WithTimeout(ctx, l.For)
	defer stop()
	var running, sending sync.WaitGroup
	for _, gw := range gws {
		running.Go(func() { gw.run(runCtx) })
	}
	running.Go(func() { repeat(runCtx, gws) })
	for i, gw := range gws {
		if l.PerS == 0 || i < l.History {
			sending.Go(func() { gw.flood(sendCtx, l.Window) })
		}
	}
	if l.PerS > 0 {
		sending.Go(func() { pace(sendCtx, gws[l.History:], l.PerS) })
	}
	sending.Wait()
	for deadline := time.Now().Add(lastReceipt); ctx.Err() == nil && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !slices.ContainsFunc(gws, (*gateway).waits) {
			break
		}
	}
	end()
	running.Wait()
	var r loaded
	var last time.Time
	var delays, live []float64
	for _, gw := range gws {
		r.Packs += int64(gw.next)
		r.Resent += gw.resent
		r.Refused += gw.refused
		r.Reconnected += gw.reconnected
		if gw.last.After(last) {
			last = gw.last
		}
		delays = append(delays, gw.delays...)
		if !gw.history {
			live = append(live, gw.delays...)
		}
	}
	slices.Sort(delays)
	slices.Sort(live)
	r.Seconds = last.Sub(start).Seconds()
	r.Rates = float64(len(delays)*packValues) / r.Seconds
	r.P50Ms, r.P99Ms, r.LiveP99Ms, r.Max = quantile(delays, .5), quantile(delays, .99), quantile(live, .99), quantile(delays, 1)
	return r, nil
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// pace makes perS packs each second, each machine in turn, as machines do that have a pack each ten seconds.
func pace(ctx context.Context, gws []*gateway, perS int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(start).Seconds() * float64(perS)); sent < due; sent++ {
			gws[sent%len(gws)].sendNext()
		}
	}
}

// generateCommand is the generator's own process: the load as JSON in the argument, the outcome as JSON on standard
// output.
func generateCommand(ctx context.Context, argument string) error {
	var l load
	if err := json.Unmarshal([]byte(argument), &l); err != nil {
		return err
	}
	l.Broker = strings.TrimPrefix(l.Broker, "mqtt://")
	r, err := generate(ctx, l)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
