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
	"karkhana/firmware-gateway/live"
	"karkhana/firmware-gateway/local"
	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/source"
)

// Watch shows live values.
type Watch struct {
	file
	running
	Once bool `help:"Print one table once every sensor was read, then exit."`
}

// onceWithin is how long a single table waits for sensors that have not given anything.
const onceWithin = 5 * time.Second

// Run reads all machines and prints a table each second until the context ends.
func (w *Watch) Run(e *Env) error {
	c, err := config.Load(w.Path)
	if err != nil {
		return err
	}
	gateway, err := w.find(e.Context, c.Data)
	if err != nil {
		return err
	}
	if gateway != nil {
		return w.show(e.Context, e.Stdout, remote{gateway})
	}
	ctx, stop := context.WithCancel(e.Context)
	defer stop()
	set, err := sensor.New(sensor.Options{Machines: c.Machines, Buses: e.Buses, Card: source.HashCards(c.CardSalt), Logger: quiet()})
	if err != nil {
		return err
	}
	b := &board{}
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
		var expected []string
		for _, s := range m.Sensors {
			expected = append(expected, s.Quantities...)
		}
		b.ids = append(b.ids, m.ID)
		noted := b.Watch(m.ID, expected).Source(src)
		all.Go(func() { read(ctx, m, noted) })
	}
	err = w.show(ctx, e.Stdout, b)
	stop()
	all.Wait()
	if e := set.Close(); err == nil {
		err = e
	}
	return err
}

// values is where the newest values come from.
type values interface {
	machines(ctx context.Context) ([]local.Machine, error)
}

// remote are the values of the running gateway.
type remote struct{ gateway *local.Client }

func (r remote) machines(ctx context.Context) ([]local.Machine, error) {
	v, err := r.gateway.View(ctx)
	if err != nil {
		return nil, err
	}
	return v.Machines, nil
}

// show prints tables until ctx ends, or one.
func (w *Watch) show(ctx context.Context, out io.Writer, from values) error {
	begin, screen := time.Now(), !w.Once && isTerminal(out)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		machines, err := from.machines(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped
		}
		if err != nil {
			return err
		}
		if w.Once && time.Since(begin) < onceWithin && slices.ContainsFunc(machines, func(m local.Machine) bool { return !m.Expected() }) {
			continue
		}
		var buf bytes.Buffer
		if screen {
			buf.WriteString("\x1b[H\x1b[2J") // to the corner, and clear
		}
		printTable(&buf, machines)
		if !w.Once && !screen {
			buf.WriteByte('\n')
		}
		if _, err := out.Write(buf.Bytes()); err != nil || w.Once {
			return err
		}
	}
}

// board are the values that this command reads itself.
type board struct {
	live.Board
	ids []string
}

func (b *board) machines(context.Context) ([]local.Machine, error) {
	var out []local.Machine
	for _, id := range b.ids {
		out = append(out, local.Machine{ID: id, Values: b.Values(id)})
	}
	return out, nil
}

// read reads a machine until ctx ends; where it is noted knows what came.
func read(ctx context.Context, m config.Machine, src sampler.Source) {
	tick := time.NewTicker(m.Every.Std())
	defer tick.Stop()
	for {
		_, _ = src.Sense(ctx, time.Now()) // without a value nothing is shown
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func printTable(w io.Writer, machines []local.Machine) {
	t := table(w)
	fmt.Fprintln(t, "MACHINE\tQUANTITY\tVALUE\tQUALITY\tAGE")
	for _, m := range machines {
		for _, v := range m.Values {
			if !v.Seen {
				fmt.Fprintf(t, "%s\t%s\t-\tnothing yet\t-\n", m.ID, v.Quantity)
				continue
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v\n", m.ID, v.Quantity, sensor.Format(v.Sample), cmp.Or(v.Sample.Quality, "good"), v.Age.Round(100*time.Millisecond))
		}
	}
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
