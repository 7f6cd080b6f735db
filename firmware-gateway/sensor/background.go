package sensor

import (
	"context"
	"errors"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/hardware/chip/s0"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"

	"periph.io/x/conn/v3/physic"
)

// watchVibration takes a window each WindowEvery until ctx ends.
func (s *Set) watchVibration(ctx context.Context, m *item) {
	defer m.shut()
	tick := time.NewTicker(m.WindowEvery.Std())
	defer tick.Stop()
	for {
		window, cancel := context.WithTimeout(ctx, max(m.WindowEvery.Std(), 10*time.Second))
		samples := m.read(window)
		cancel()
		if ctx.Err() != nil && (len(samples) == 0 || samples[0].IsFault()) {
			return
		}
		m.inbox.put(s.now().UnixMilli(), false, samples)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watchSlow reads a sensor as often as its machine until ctx ends, or as often as its bus can.
func (s *Set) watchSlow(ctx context.Context, m *item) {
	defer m.shut()
	tick := time.NewTicker(s.every[m.machine])
	defer tick.Stop()
	for {
		samples := m.read(ctx)
		if ctx.Err() != nil {
			return
		}
		m.inbox.put(s.now().UnixMilli(), false, samples)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pulses opens an S0 input. Its sense is quick; its counting runs until close. The register goes on where it was.
func (s *Set) pulses(machine string, c config.Sensor) (device, error) {
	p, err := s.buses.Pin(c.S0)
	if err != nil {
		return device{}, err
	}
	d, err := s0.New(p, &s0.Opts{PulsesPerKWh: c.ImpPerKWh, ClosedHigh: c.ClosedHigh})
	if err != nil {
		return device{}, err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	for i := 0; i < 100; i++ { // until it counts: the first reading is no fault
		if _, err := d.Sense(ctx); !errors.Is(err, s0.ErrNotRunning) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	key := countKey(machine, c)
	s.counts.open(key, func() int64 {
		r, err := d.Sense(context.Background())
		if err != nil { // stuck, or not counting yet: as it was
			return 0
		}
		return r.Pulses
	})
	return device{
		close: func() error {
			s.counts.shut(key)
			stop()
			err := <-done
			if errors.Is(err, context.Canceled) {
				err = nil
			}
			return errors.Join(err, d.Halt())
		},
		sense: func(ctx context.Context) ([]wire.Sample, error) {
			r, err := d.Sense(ctx)
			if err != nil {
				return nil, err
			}
			// Pulses are lost while the gateway is down: a register made of them is an estimate.
			total := s.counts.get(key)
			out := []wire.Sample{
				{Quantity: quantity.Pulses, Number: float64(total)},
				{Quantity: quantity.Energy, Number: float64(total*1e6/int64(c.ImpPerKWh)) / 1000, Quality: estimated},
			}
			if r.Interval > 0 {
				out = append(out, wire.Sample{Quantity: quantity.Power, Number: round(float64(r.Power)/float64(physic.Watt), 10)})
			}
			return out, nil
		},
	}, nil
}
