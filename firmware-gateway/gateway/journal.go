package gateway

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"karkhana/firmware-gateway/clock"
	"karkhana/firmware-gateway/pack"
	"karkhana/firmware-gateway/sampler"
	"karkhana/internal/wire"
)

// windowKey is the spool's key of the readings of a machine's open window; no machine id has a slash.
func windowKey(machine string) string { return machine + "/window" }

var _ sampler.Journal = (*Gateway)(nil)

// Note adds samples to a machine's open pack (sampler.Journal).
func (g *Gateway) Note(machine string, samples []wire.Sample, windowDone bool) error {
	var drop []string
	if windowDone {
		drop = append(drop, windowKey(machine))
	}
	err := g.spool.Note(machine, rows(nil, samples), drop...)
	g.poke()
	return err
}

// Window adds readings to a machine's open window (sampler.Journal).
func (g *Gateway) Window(machine string, readings []wire.Sample) error {
	err := g.spool.Note(windowKey(machine), rows(nil, readings))
	g.poke()
	return err
}

// Finish closes a machine's open pack (sampler.Journal).
func (g *Gateway) Finish(machine string, oldestMs, newestMs int64, precious bool) error {
	tail := g.clock.Stamp(machine, oldestMs, newestMs)
	_, err := g.spool.Finish(machine, date(tail, newestMs), precious, pack.AppendTail(nil, tail))
	g.poke()
	return err
}

// date is the UTC of a sample, 0 as long as that is not known.
func date(t pack.Tail, ms int64) int64 {
	if !t.Known {
		return 0
	}
	return ms + t.OffsetMs
}

// rows appends samples, those of an instant together.
func rows(b []byte, samples []wire.Sample) []byte {
	for len(samples) > 0 {
		n := 1
		for n < len(samples) && samples[n].TimeMs == samples[0].TimeMs {
			n++
		}
		b = pack.AppendRow(b, samples[:n])
		samples = samples[n:]
	}
	return b
}

// recoverOpen queues what a crash or a stop left open: packs, and windows as far as they had come.
func (g *Gateway) recoverOpen() error {
	left := g.spool.Open()
	if len(left) == 0 {
		return nil
	}
	_, _, tail, err := clock.ParseMark(g.spool.LastMark())
	if err != nil { // notes never get to the disk without a mark
		tail = pack.Tail{Boot: "unknown"}
	}
	byMachine := map[string][]wire.Sample{}
	var bad error
	for _, key := range slices.Sorted(maps.Keys(left)) {
		s, err := pack.Parse(left[key])
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("open pack of %s: %w", key, err))
			continue
		}
		machine, isWindow := strings.CutSuffix(key, "/window")
		if isWindow {
			s.Samples = sampler.Recover(g.window(machine), s.Samples)
		}
		byMachine[machine] = append(byMachine[machine], s.Samples...)
	}
	if bad != nil {
		g.log.Error("what was open at the last stop can't all be read", "err", bad)
	}
	n := 0
	for _, machine := range slices.Sorted(maps.Keys(byMachine)) {
		for chunk := range slices.Chunk(byMachine[machine], sampler.MaxSamples) {
			if err := g.queue(machine, newest(chunk), chunk, g.clock.Follow(machine, oldest(chunk), newest(chunk), tail)); err != nil {
				return err
			}
			n += len(chunk)
		}
	}
	for key := range left {
		if err := g.spool.Note(key, nil, key); err != nil {
			return err
		}
	}
	g.log.Info("samples of packs that were open at the last stop are queued", "samples", n)
	return nil
}

// window is how long the machine's windows are.
func (g *Gateway) window(machine string) time.Duration {
	for _, m := range g.config().Machines {
		if m.ID == machine && m.Report > 0 {
			return m.Report.Std()
		}
	}
	return time.Minute
}

func oldest(samples []wire.Sample) int64 {
	ms := samples[0].TimeMs
	for i := range samples {
		ms = min(ms, samples[i].TimeMs)
	}
	return ms
}

func newest(samples []wire.Sample) int64 {
	ms := samples[0].TimeMs
	for i := range samples {
		ms = max(ms, samples[i].TimeMs)
	}
	return ms
}

// queue appends a whole pack.
func (g *Gateway) queue(machine string, newestMs int64, samples []wire.Sample, tail pack.Tail) error {
	_, err := g.spool.AppendWith(machine, date(tail, newestMs), pack.Precious(samples), func(uint64) ([]byte, error) {
		return pack.AppendTail(rows(nil, samples), tail), nil
	})
	return err
}
