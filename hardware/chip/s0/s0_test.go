package s0_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"karkhana/hardware/chip/s0"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/physic"
)

// meter is an S0 output under fake time.
type meter struct {
	t    *testing.T
	pin  *gpiotest.Pin
	dev  *s0.Dev
	high bool
}

// The clock passed in runs with the fake time, from another day.
const shift = 1000 * time.Hour

func now() time.Time { return time.Now().Add(shift) }

// run counts pulses on a fake pin while f plays the meter.
func run(t *testing.T, opts s0.Opts, f func(m *meter)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pin := &gpiotest.Pin{N: "GPIO17", Num: 17, EdgesChan: make(chan gpio.Level)}
		opts.Now = now
		dev, err := s0.New(pin, &opts)
		require.NoError(t, err)
		m := &meter{t: t, pin: pin, dev: dev, high: opts.ClosedHigh}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- dev.Run(ctx) }()
		synctest.Wait()
		f(m)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		_, err = dev.Sense(t.Context())
		require.ErrorIs(t, err, s0.ErrNotRunning)
		require.NoError(t, dev.Halt())
	})
}

// contact closes or opens it now, and the counter sees it.
func (m *meter) contact(closed bool) {
	m.pin.EdgesChan <- gpio.Level(closed == m.high)
	synctest.Wait()
}

func (m *meter) pulse(closed, open time.Duration) {
	m.contact(true)
	time.Sleep(closed)
	m.contact(false)
	time.Sleep(open)
	synctest.Wait()
}

func (m *meter) sense() s0.Reading {
	m.t.Helper()
	r, err := m.dev.Sense(m.t.Context())
	require.NoError(m.t, err)
	return r
}

func watt(p physic.Power) float64 { return float64(p) / float64(physic.Watt) }

func TestCount(t *testing.T) {
	for _, high := range []bool{false, true} {
		run(t, s0.Opts{PulsesPerKWh: 1000, ClosedHigh: high}, func(m *meter) {
			require.Equal(t, s0.Reading{}, m.sense())
			begin := now()
			m.pulse(50*time.Millisecond, time.Minute-50*time.Millisecond)
			r := m.sense()
			require.Equal(t, s0.Reading{Pulses: 1, Energy: 1000, At: begin}, r, "no power of one pulse")
			m.pulse(50*time.Millisecond, 100*time.Millisecond)
			r = m.sense()
			require.Equal(t, int64(2), r.Pulses)
			require.Equal(t, int64(2000), r.Energy)
			require.Equal(t, time.Minute, r.Interval)
			require.InDelta(t, 60, watt(r.Power), 1e-6, "1000 pulses for a kWh, 60 s: 60 W")
			require.Equal(t, begin.Add(time.Minute), r.At)
		})
	}
}

// The power falls when the next pulse is late, and comes back with it.
func TestPowerWithoutPulses(t *testing.T) {
	run(t, s0.Opts{PulsesPerKWh: 1000}, func(m *meter) {
		m.pulse(40*time.Millisecond, 3560*time.Millisecond)
		m.pulse(40*time.Millisecond, 1960*time.Millisecond)
		require.InDelta(t, 1000, watt(m.sense().Power), 1e-6)
		time.Sleep(34 * time.Second)
		require.InDelta(t, 100, watt(m.sense().Power), 1e-6, "36 s without a pulse: 100 W at most")
		time.Sleep(time.Hour - 36*time.Second)
		require.InDelta(t, 1, watt(m.sense().Power), 1e-6)
		m.pulse(40*time.Millisecond, 60*time.Millisecond)
		require.InDelta(t, 1, watt(m.sense().Power), 1e-6)
		m.pulse(40*time.Millisecond, 60*time.Millisecond)
		require.InDelta(t, 36000, watt(m.sense().Power), 1e-3)
	})
}

func TestDebounce(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name             string
		play             func(m *meter)
		pulses, rejected int64
	}{
		{"30 ms", func(m *meter) { m.pulse(30*ms, 30*ms) }, 1, 0},
		{"28 ms, by the computer's clock", func(m *meter) { m.pulse(28*ms, 30*ms) }, 1, 0},
		{"27 ms", func(m *meter) { m.pulse(27*ms, 30*ms) }, 0, 1},
		{"a spike", func(m *meter) { m.pulse(0, 30*ms) }, 0, 1},
		{"open for 19 ms: not over yet", func(m *meter) { m.pulse(50*ms, 19*ms) }, 0, 0},
		{"open for 20 ms", func(m *meter) { m.pulse(50*ms, 20*ms) }, 1, 0},
		{"bounces at both ends", func(m *meter) {
			for _, d := range []time.Duration{1 * ms, 2 * ms, 1 * ms, 3 * ms, 40 * ms, 1 * ms, 2 * ms} {
				m.pulse(d, 2*ms)
			}
			time.Sleep(30 * ms)
		}, 1, 0},
		{"bounces only", func(m *meter) {
			for range 5 {
				m.pulse(ms, 2*ms)
			}
			time.Sleep(30 * ms)
		}, 0, 1},
		{"an opening of 19 ms within", func(m *meter) { m.pulse(20*ms, 19*ms); m.pulse(20*ms, 30*ms) }, 1, 0},
		{"two pulses as close as can be", func(m *meter) { m.pulse(30*ms, 20*ms); m.pulse(30*ms, 20*ms) }, 2, 0},
		{"an edge that shows nothing", func(m *meter) { m.contact(false); m.pulse(30*ms, 30*ms); m.contact(false) }, 1, 0},
		{"the closing edge twice", func(m *meter) { m.contact(true); time.Sleep(10 * ms); m.pulse(25*ms, 30*ms) }, 1, 0},
		{"the opening edge twice", func(m *meter) {
			m.contact(true)
			time.Sleep(30 * ms)
			m.contact(false)
			time.Sleep(15 * ms)
			m.contact(false)
			time.Sleep(10 * ms)
		}, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, s0.DefaultOpts, func(m *meter) {
				c.play(m)
				synctest.Wait()
				r := m.sense()
				require.Equal(m.t, c.pulses, r.Pulses)
				require.Equal(m.t, c.rejected, r.Rejected)
			})
		})
	}
}

// 10,000 pulses, each once.
func TestLongRun(t *testing.T) {
	run(t, s0.Opts{PulsesPerKWh: 3200}, func(m *meter) {
		for range 10000 {
			m.pulse(32*time.Millisecond, 43*time.Millisecond)
		}
		r := m.sense()
		require.Equal(t, int64(10000), r.Pulses)
		require.Equal(t, int64(3125000), r.Energy)
		require.InDelta(t, 15000, watt(r.Power), 1e-3)
	})
}

func TestStuckAndPulseUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &gpiotest.Pin{N: "GPIO17", Num: 17, EdgesChan: make(chan gpio.Level)}
		dev, err := s0.New(pin, &s0.Opts{PulsesPerKWh: 1000})
		require.NoError(t, err)
		require.Equal(t, "s0{GPIO17(17)}", dev.String())
		require.NoError(t, pin.Out(gpio.Low)) // closed before Run begins
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- dev.Run(ctx) }()
		synctest.Wait()
		require.ErrorIs(t, dev.Run(ctx), s0.ErrRunning)
		time.Sleep(5 * time.Second)
		_, err = dev.Sense(ctx)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = dev.Sense(ctx)
		require.ErrorIs(t, err, s0.ErrStuck)
		require.ErrorContains(t, err, "for 6s")
		pin.EdgesChan <- gpio.High
		time.Sleep(time.Second)
		r, err := dev.Sense(ctx)
		require.NoError(t, err)
		require.Equal(t, s0.Reading{}, r, "it began before the count")
		cancel()
		_, err = dev.Sense(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// broken is a pin that can't be an input.
type broken struct{ gpiotest.Pin }

func (*broken) In(gpio.Pull, gpio.Edge) error { return errors.New("in use") }
func (*broken) Halt() error                   { return errors.New("in use") }

// stubborn is a pin that can't be freed.
type stubborn struct{ gpiotest.Pin }

func (*stubborn) Halt() error { return errors.New("in use") }

func TestRefused(t *testing.T) {
	for text, opts := range map[string]s0.Opts{
		"0 pulses for a kWh":   {},
		"printed on the meter": {PulsesPerKWh: 100001},
		"debounce -1ns":        {PulsesPerKWh: 1, Debounce: -1},
		"shortest pulse 2s":    {PulsesPerKWh: 1, MinPulse: 2 * time.Second},
	} {
		_, err := s0.New(&gpiotest.Pin{}, &opts)
		require.ErrorContains(t, err, text)
	}
	_, err := s0.New(&gpiotest.Pin{N: "GPIO4"}, nil) // no channel for edges
	require.ErrorContains(t, err, "s0{GPIO4(0)}: make it an input with edges")
	_, err = s0.New(&broken{}, nil)
	require.ErrorContains(t, err, "in use")
	dev, err := s0.New(&stubborn{gpiotest.Pin{EdgesChan: make(chan gpio.Level)}}, nil)
	require.NoError(t, err)
	require.ErrorContains(t, dev.Halt(), "halt: in use")
	require.Zero(t, s0.Power(0, time.Second))
	require.Zero(t, s0.Power(1000, 0))
}
