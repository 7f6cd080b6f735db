package sensor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/feedback"
	"karkhana/firmware-gateway/sampler"
	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/ctclamp"
	"karkhana/internal/wire"

	"periph.io/x/conn/v3/i2c"
)

// Options of a set.
type Options struct {
	Machines []config.Machine             // those with another source than sensors are passed over
	Buses    Buses                        // nil: the computer's
	Card     func(string) (string, error) // hashes the number of a card
	// Answer says at once what a card reader answers to a card's hash; nil: that it is recorded.
	Answer func(hash string) feedback.Answer
	Logger *slog.Logger
	Now    func() time.Time // the gateway's clock
	Counts *Counts          // of S0 inputs; nil: they begin at 0
	Clock  accel.Clock      // of accelerometers; nil: the computer's monotonic one
}

// Set are the sensors of a gateway. Make it with [New], run it, read the machines.
type Set struct {
	buses   Buses
	card    func(string) (string, error)
	answer  func(hash string) feedback.Answer
	log     *slog.Logger
	now     func() time.Time
	clock   accel.Clock
	counts  *Counts
	openADC func(b i2c.Bus, addr uint16) (ctclamp.ADC, error) // tests give one that keeps its own time
	every   map[string]time.Duration                          // machine → between readings
	items   []*item
	lines   []*line
	brokers []*mqttBroker

	mu   sync.Mutex
	i2cs map[string]i2c.Bus
	adcs map[string]*adc
}

// New plans the sensors; it opens nothing. The configuration must have been checked.
func New(o Options) (*Set, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Buses == nil {
		o.Buses = &Host{}
	}
	if o.Counts == nil {
		o.Counts = NewCounts(nil)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Answer == nil {
		o.Answer = func(string) feedback.Answer { return feedback.Recorded }
	}
	s := &Set{
		buses: o.Buses, card: o.Card, answer: o.Answer, log: o.Logger, now: o.Now, clock: o.Clock, counts: o.Counts, openADC: openADS1115, every: map[string]time.Duration{},
		i2cs: map[string]i2c.Bus{}, adcs: map[string]*adc{},
	}
	for _, m := range o.Machines {
		if m.Source != config.SourceSensors {
			continue
		}
		s.every[m.ID] = m.Every.Std()
		for _, c := range m.Sensors {
			it := &item{Sensor: c, machine: m.ID, log: o.Logger.With("machine", m.ID, "sensor", c.Name())}
			switch {
			case c.Chip != "":
				it.open = s.chip(c)
			case c.CardReader != "":
				it.open = s.reader(c)
			case c.Supply != "":
				it.open = func() (device, error) { return s.mains(c) }
			case c.S0 != "":
				it.open = func() (device, error) { return s.pulses(m.ID, c) }
			}
			s.items = append(s.items, it)
		}
	}
	if err := s.addLines(); err != nil {
		return nil, fmt.Errorf("sensors: %w", err)
	}
	if err := s.addBrokers(); err != nil {
		return nil, fmt.Errorf("sensors: %w", err)
	}
	return s, nil
}

// Run reads what takes its own time until ctx ends, then closes everything. Sense must not be called after that.
func (s *Set) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, l := range s.lines {
		all.Go(func() { s.runLine(ctx, l) })
	}
	for _, b := range s.brokers {
		all.Go(func() { s.runBroker(ctx, b) })
	}
	for _, m := range s.items {
		switch {
		case m.CardReader != "":
			all.Go(func() { s.watchCards(ctx, m) })
		case m.isSlow():
			all.Go(func() { s.watchSlow(ctx, m) })
		case m.isVibration():
			all.Go(func() { s.watchVibration(ctx, m) })
		}
	}
	<-ctx.Done()
	all.Wait()
}

// Close closes the buses, after Run has returned and the last Sense has.
func (s *Set) Close() error {
	for _, m := range s.items {
		m.shut()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, b := range s.i2cs {
		errs = append(errs, closing(b)())
	}
	s.i2cs, s.adcs = map[string]i2c.Bus{}, map[string]*adc{}
	return errors.Join(errs...)
}

// States returns how each sensor does, in the order of the configuration.
func (s *Set) States() []State {
	out := make([]State, len(s.items))
	for i, m := range s.items {
		out[i] = m.State()
	}
	return out
}

// isVibration tells whether windows are taken of the sensor.
func (m *item) isVibration() bool { return m.Samples > 0 }

// atOnce tells whether the sensor is read in Sense.
func (m *item) atOnce() bool {
	return m.open != nil && m.CardReader == "" && !m.isVibration() && !m.isSlow()
}

// isSlow tells whether a reading takes so long that Sense does not wait for it: the bus is shared and the kernel asks one
// device after the other.
func (m *item) isSlow() bool { return m.ID != "" }

// Source reads one machine. It is a sampler.Source.
type Source struct {
	items  []*item
	lastMs int64 // time of the last Sense
}

var (
	_ sampler.Source = &Source{}
	_ sampler.Rester = &Source{}
)

// Source returns the source of a machine; it is used by one goroutine.
func (s *Set) Source(machine string) *Source {
	src := &Source{}
	for _, m := range s.items {
		if m.machine == machine {
			src.items = append(src.items, m)
		}
	}
	return src
}

// Sense reads the chips at once and takes what the others have found.
func (s *Source) Sense(ctx context.Context, at time.Time) ([]wire.Sample, error) {
	atMs := at.UnixMilli()
	read := make([][]wire.Sample, len(s.items))
	var all sync.WaitGroup
	for i, m := range s.items {
		if m.atOnce() {
			all.Go(func() { read[i] = m.read(ctx) })
		}
	}
	all.Wait()
	var out []wire.Sample
	for i, m := range s.items {
		for _, x := range read[i] {
			x.TimeMs = atMs
			out = append(out, x)
		}
		out = m.inbox.take(atMs, out)
	}
	return s.inOrder(atMs, out), nil
}

// Rest takes what the others have found since the last Sense (sampler.Rester).
func (s *Source) Rest(at time.Time) []wire.Sample {
	var out []wire.Sample
	for _, m := range s.items {
		out = m.inbox.take(at.UnixMilli(), out)
	}
	return s.inOrder(at.UnixMilli(), out)
}

// inOrder makes the times of a reading follow those of the last.
func (s *Source) inOrder(atMs int64, out []wire.Sample) []wire.Sample {
	if s.lastMs < atMs { // else the clock was set back
		for i := range out {
			out[i].TimeMs = max(out[i].TimeMs, s.lastMs+1) // one found while the last Sense ended is not told behind it
		}
	}
	s.lastMs = atMs
	slices.SortStableFunc(out, func(a, b wire.Sample) int { return int(a.TimeMs - b.TimeMs) })
	return out
}

// Close does nothing: sensors belong to their set.
func (s *Source) Close() error { return nil }

// i2c returns a bus, opened once and shared.
func (s *Set) i2c(name string) (i2c.Bus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.i2cs[name]; ok {
		return b, nil
	}
	b, err := s.buses.I2C(name)
	if err != nil {
		return nil, err
	}
	s.i2cs[name] = b
	return b, nil
}

// adc is an ADS1115 that several clamps share.
type adc struct {
	ctclamp.ADC
	turn chan struct{} // holds the token: clamps take turns, as two at a time get too few samples each
}

// adc returns the chip at an address, opened once.
func (s *Set) adc(bus string, addr uint16) (*adc, error) {
	b, err := s.i2c(bus)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%s %#x", bus, addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.adcs[key]; ok {
		return d, nil
	}
	d, err := s.openADC(b, addr)
	if err != nil {
		return nil, err
	}
	a := &adc{ADC: d, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	s.adcs[key] = a
	return a, nil
}

func openADS1115(b i2c.Bus, addr uint16) (ctclamp.ADC, error) {
	d, err := ads1115.New(b, &ads1115.Opts{Addr: addr})
	if err != nil {
		return nil, err
	}
	return d, nil
}
