package sensor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"karkhana/hardware/meter"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// line is a Modbus line with the meters of all machines on it.
type line struct {
	url    string
	regs   meter.Registers // of the goroutine that reads the line
	bus    *meter.Bus
	period time.Duration // between rounds: that of the machine that is read most often
	shut   func() error
	seats  map[string]*seat // by the name of the device

	timeouts map[byte]time.Duration // of units, 0: the line's
	visits   chan visit             // guests who wait for a gap between two rounds
	held     []visit                // those who came too late for it
	ended    chan struct{}          // closed when the line is no longer read
}

// seat is a meter on a line or at a broker.
type seat struct {
	*item
	reversed map[string]bool
}

// addLines puts the meters on their lines.
func (s *Set) addLines() error {
	byURL := map[string][]*item{}
	var order []string
	for _, m := range s.items {
		if m.Meter == "" {
			continue
		}
		if byURL[m.Line.URL] == nil {
			order = append(order, m.Line.URL)
		}
		byURL[m.Line.URL] = append(byURL[m.Line.URL], m)
	}
	for _, url := range order {
		if err := s.addLine(url, byURL[url]); err != nil {
			return fmt.Errorf("line %s: %w", url, err)
		}
	}
	return nil
}

func (s *Set) addLine(url string, items []*item) error {
	first := items[0].Line
	l := &line{url: url, seats: map[string]*seat{}, timeouts: map[byte]time.Duration{}, visits: make(chan visit), ended: make(chan struct{})}
	regs, err := s.buses.Line(meter.Line{URL: url, Baud: first.Baud, Parity: first.Parity})
	if err != nil {
		return err
	}
	l.regs, l.shut = regs, closing(regs)
	var devices []meter.Device
	for _, m := range items {
		profile, err := meter.LoadProfile(m.Meter)
		if err != nil {
			return err
		}
		d := meter.Device{
			Name:    strconv.Itoa(int(m.Unit)),
			Opts:    meter.Opts{Profile: profile, Words: meter.Words(m.Words), Unit: m.Unit, Names: asked(profile, m.Quantities)},
			Timeout: m.Timeout.Std(),
		}
		devices = append(devices, d)
		l.seats[d.Name], l.timeouts[m.Unit] = &seat{item: m}, d.Timeout
		if every := s.every[m.machine]; l.period == 0 || every < l.period {
			l.period = every
		}
	}
	l.bus, err = meter.NewBus(regs, devices)
	if err != nil {
		return err
	}
	s.lines = append(s.lines, l)
	return nil
}

// asked is what is read of a meter: what is sent, and what shows resets and reversed transformers.
func asked(p *meter.Profile, quantities []string) []string {
	out := slices.Clone(quantities)
	for _, n := range []string{quantity.Power, quantity.Power + "_l1", quantity.Power + "_l2", quantity.Power + "_l3", quantity.Energy, meter.EnergyExport} {
		if _, ok := p.Row(n); ok && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// run reads the line until ctx ends.
func (s *Set) runLine(ctx context.Context, l *line) {
	l.rounds(ctx, func(r meter.Result) {
		m := l.seats[r.Device]
		now := s.now().UnixMilli()
		if r.Err != nil {
			cause := CauseRefused
			if r.Rest > 0 {
				cause = CauseNoAnswer
			}
			m.note(&causedError{r.Err, cause})
			m.inbox.put(now, false, faults(m.Quantities, cause))
			return
		}
		m.note(nil)
		m.inbox.put(now, false, m.samples(r.Values, r.Findings))
	})
	if err := l.shut(); err != nil {
		s.log.Debug("line could not be closed", "err", err)
	}
}

// samples makes samples of a meter's values and tells its findings.
func (m *seat) samples(values []meter.Value, findings []meter.Finding) []wire.Sample {
	if m.reversed == nil {
		m.reversed = map[string]bool{}
	}
	for _, f := range findings {
		m.find(Finding(f))
		if f.Kind == meter.FindingReversed {
			m.reversed[f.Name] = true
		}
	}
	var out []wire.Sample
	for _, v := range values {
		if m.reversed[v.Name] && v.Number >= 0 {
			delete(m.reversed, v.Name)
		}
		if !v.Wire || !slices.Contains(m.Quantities, v.Name) {
			continue
		}
		x := wire.Sample{Quantity: v.Name, Number: v.Number}
		if m.reversed[v.Name] {
			x.Quality = estimated
		}
		out = append(out, x)
	}
	return out
}

// causedError is an error whose cause is known from elsewhere.
type causedError struct {
	error
	cause string
}

// Unwrap returns the error.
func (e *causedError) Unwrap() error { return e.error }
