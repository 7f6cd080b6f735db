package sensor

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/internal/wire"
)

// Times of opening anew. A reading that fails so often in a row may need the bus opened again, as after a cable was
// pulled; most drivers heal by themselves.
const (
	reopenAfter = 10 // failures
	restOpening = 5 * time.Second
)

// device is an open sensor.
type device struct {
	sense func(ctx context.Context) ([]wire.Sample, error) // samples without a time
	close func() error
}

// item is one sensor of one machine: opened when it is needed, its failures told once.
type item struct {
	config.Sensor
	machine string
	log     *slog.Logger
	open    func() (device, error) // nil: the sensor is read by its line or broker
	inbox   inbox

	mu       sync.Mutex
	dev      device
	isOpen   bool
	failures int
	rest     time.Time // no opening before
	state    State
}

// State is how a sensor does.
type State struct {
	Machine  string
	Sensor   config.Sensor
	Err      error     // of the last try; nil: it gave values, or was not tried yet
	Tried    bool      // at least once
	Good     int       // readings with values
	Findings []Finding // so far, newest last, at most 20
}

// Finding is something about a meter that a person should know.
type Finding struct {
	Kind, Name, Detail string
}

// read opens the sensor if need be and reads it: values, or faults. It is called by one goroutine at a time.
func (m *item) read(ctx context.Context) []wire.Sample {
	if !m.isOpen {
		if time.Now().Before(m.rest) {
			return faults(m.Quantities, causeOf(m.last()))
		}
		dev, err := m.open()
		if err != nil {
			m.rest = time.Now().Add(restOpening)
			return m.failed(err)
		}
		m.dev, m.isOpen, m.failures = dev, true, 0
	}
	samples, err := m.dev.sense(ctx)
	if err == nil {
		m.failures = 0
		m.note(nil)
		return m.only(samples)
	}
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil // the gateway stops
	}
	if m.failures++; m.failures >= reopenAfter {
		m.shut()
	}
	return m.failed(err)
}

// only takes the quantities that are wanted.
func (m *item) only(samples []wire.Sample) []wire.Sample {
	return slices.DeleteFunc(samples, func(s wire.Sample) bool { return !slices.Contains(m.Quantities, s.Quantity) })
}

func (m *item) failed(err error) []wire.Sample {
	m.note(err)
	return faults(m.Quantities, causeOf(err))
}

// note keeps how a try went and logs a change.
func (m *item) note(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.state.Err
	m.state.Tried, m.state.Err = true, err
	switch {
	case err == nil:
		if m.state.Good++; before != nil {
			m.log.Info("sensor gives values again")
		}
	case before == nil || causeOf(before) != causeOf(err):
		m.log.Warn("sensor gives no value", "err", err)
	}
}

func (m *item) last() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Err
}

// find notes and logs a finding.
func (m *item) find(f Finding) {
	m.log.Warn("finding about the meter", "kind", f.Kind, "quantity", f.Name, "detail", f.Detail)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.state.Findings) == 20 {
		m.state.Findings = m.state.Findings[1:]
	}
	m.state.Findings = append(m.state.Findings, f)
}

// State returns how the sensor does.
func (m *item) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state
	s.Machine, s.Sensor, s.Findings = m.machine, m.Sensor, slices.Clone(s.Findings)
	return s
}

// shut closes the sensor; the next reading opens it again.
func (m *item) shut() {
	if !m.isOpen {
		return
	}
	m.isOpen = false
	if m.dev.close == nil {
		return
	}
	if err := m.dev.close(); err != nil {
		m.log.Debug("sensor could not be closed", "err", err)
	}
}

// closing closes what can be closed.
func closing(xs ...any) func() error {
	return func() error {
		var errs []error
		for _, x := range xs {
			if c, ok := x.(io.Closer); ok {
				errs = append(errs, c.Close())
			}
		}
		return errors.Join(errs...)
	}
}
