package command

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/source"
	"karkhana/internal/wire"
)

// Watch shows live values.
type Watch struct {
	file
	Once   bool   `help:"Print one table once every sensor was read, then exit."`
	Report string `hidden:"" default:"/run/karkhana/health.json" type:"path"`
}

// onceWithin is how long a single table waits for sensors that have not given anything.
const onceWithin = 5 * time.Second

// Run reads all machines and prints a table each second until the context ends.
func (w *Watch) Run(e *Env) error {
	c, err := config.Load(w.Path)
	if err != nil {
		return err
	}
	if err := free(w.Report); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(e.Context)
	defer stop()
	set, err := sensor.New(sensor.Options{Machines: c.Machines, Buses: e.Buses, Card: source.HashCards(c.CardSalt), Logger: quiet()})
	if err != nil {
		return err
	}
	b := &board{values: map[[2]string]wire.Sample{}}
	var all sync.WaitGroup
	all.Go(func() { set.Run(ctx) })
	for _, m := range c.Machines {
		var src sampler.Source
		switch m.Source {
		case config.SourceSensors:
			src = set.Source(m.ID)
		case config.SourceSim:
			o := source.SimOptions{Seed: m.Sim.Seed, Epoch: m.Sim.Epoch, Kind: m.Sim.Kind, Card: source.HashCards(c.CardSalt)}
			if src, err = source.OpenSim(o, time.Now()); err != nil {
				stop()
				all.Wait()
				return err
			}
		default:
			continue // a recording has no present
		}
		for _, s := range m.Sensors {
			for _, q := range s.Quantities {
				b.expect(m.ID, q)
			}
		}
		all.Go(func() { b.read(ctx, m, src) })
	}
	err = w.show(ctx, e.Stdout, b)
	stop()
	all.Wait()
	if e := set.Close(); err == nil {
		err = e
	}
	return err
}

// show prints tables until ctx ends, or one.
func (w *Watch) show(ctx context.Context, out io.Writer, b *board) error {
	begin, screen := time.Now(), !w.Once && isTerminal(out)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if w.Once && !b.complete() && time.Since(begin) < onceWithin {
			continue
		}
		var buf bytes.Buffer
		if screen {
			buf.WriteString("\x1b[H\x1b[2J") // to the corner, and clear
		}
		b.print(&buf, time.Now())
		if !w.Once && !screen {
			buf.WriteByte('\n')
		}
		if _, err := out.Write(buf.Bytes()); err != nil || w.Once {
			return err
		}
	}
}

// board holds the newest sample of each quantity.
type board struct {
	mu     sync.Mutex
	order  [][2]string
	values map[[2]string]wire.Sample
}

func (b *board) expect(machine, quantity string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.order = append(b.order, [2]string{machine, quantity})
}

// complete tells whether everything that is read by itself was read. A card may never come.
func (b *board) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.order {
		if _, ok := b.values[k]; !ok && k[1] != "card" {
			return false
		}
	}
	return true
}

func (b *board) read(ctx context.Context, m config.Machine, src sampler.Source) {
	tick := time.NewTicker(m.Every.Std())
	defer tick.Stop()
	for {
		samples, err := src.Sense(ctx, time.Now())
		if err == nil {
			b.mu.Lock()
			for _, s := range samples {
				k := [2]string{m.ID, s.Quantity}
				if _, ok := b.values[k]; !ok && !slices.Contains(b.order, k) {
					b.order = append(b.order, k)
				}
				b.values[k] = s
			}
			b.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *board) print(w io.Writer, now time.Time) {
	t := table(w)
	fmt.Fprintln(t, "MACHINE\tQUANTITY\tVALUE\tQUALITY\tAGE")
	b.mu.Lock()
	for _, k := range b.order {
		s, ok := b.values[k]
		if !ok {
			fmt.Fprintf(t, "%s\t%s\t-\tnothing yet\t-\n", k[0], k[1])
			continue
		}
		age := max(0, now.Sub(time.UnixMilli(s.TimeMs))).Round(100 * time.Millisecond)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v\n", k[0], k[1], sensor.Format(s), cmp.Or(s.Quality, "good"), age)
	}
	b.mu.Unlock()
	_ = t.Flush() // into memory
}

// isTerminal tells whether somebody looks at the output.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
