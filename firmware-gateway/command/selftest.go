package command

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/source"
)

// Selftest tests what is connected.
type Selftest struct {
	file
	running
	For time.Duration `help:"How long to watch the sensors." default:"8s"`
}

// Run prints a line for each sensor, what to do below it, and fails when one has a fault. A running gateway tests its
// sensors itself.
func (s *Selftest) Run(e *Env) error {
	c, err := config.Load(s.Path)
	if err != nil {
		return err
	}
	n := 0
	for _, m := range c.Machines {
		n += len(m.Sensors)
	}
	if n == 0 {
		_, err := fmt.Fprintln(e.Stdout, "no machine has source: sensors, there is nothing to test")
		return err
	}
	gateway, err := s.find(e.Context, c.Data)
	if err != nil {
		return err
	}
	e.progress("testing %d sensors for %v", n, s.For)
	var verdicts []sensor.Verdict
	if gateway != nil {
		verdicts, err = gateway.Selftest(e.Context, s.For)
	} else {
		verdicts, err = sensor.Test(e.Context, sensor.Options{Machines: c.Machines, Buses: e.Buses, Card: source.HashCards(c.CardSalt)}, s.For)
	}
	if err != nil {
		return err
	}
	return printVerdicts(e, verdicts)
}

func printVerdicts(e *Env, verdicts []sensor.Verdict) error {
	bad := 0
	for _, v := range verdicts {
		word := "ok"
		if !v.OK {
			word = "FAULT"
			bad++
		}
		fmt.Fprintf(e.Stdout, "%-6s %s: %s", word, v.Machine, v.Sensor)
		if v.Seen != "" {
			fmt.Fprintf(e.Stdout, ": %s", v.Seen)
		}
		fmt.Fprintln(e.Stdout)
		for _, d := range v.Do {
			fmt.Fprintln(e.Stdout, "       →", d)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d sensors: %w", bad, len(verdicts), sensor.ErrFaults)
	}
	_, err := fmt.Fprintf(e.Stdout, "all %d sensors are well\n", len(verdicts))
	return err
}

// progress says on the error output what takes long, so that the answer stays clean.
func (e *Env) progress(format string, args ...any) {
	w := e.Stderr
	if w == nil {
		w = os.Stderr
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// table is an aligned table; the caller flushes it.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// quiet is a log for commands that show what is wrong themselves.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
