// Command load is the program that is shipped with made-up sensors: what benchgateway starts and measures.
package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"time"

	"karkhana/firmware-gateway/command"
	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/feature"
	"karkhana/firmware-gateway/sampler"
	"karkhana/hardware/chip/accel"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

func main() {
	began, _ := strconv.ParseInt(os.Getenv("BENCH_BEGAN"), 10, 64)
	first := sync.OnceFunc(func() {
		fmt.Printf("first_sample_ms %d\n", time.Now().UnixMilli()-began)
	})
	v := &vibration{}
	os.Exit(command.Main(os.Args[1:], "bench", func(m config.Machine) (sampler.Source, error) {
		return &machine{seed: uint64(len(m.ID)) + uint64(m.ID[len(m.ID)-1]), first: first, vibration: v}, nil
	}))
}

// machine gives what an energy meter gives, with its decimals and its noise, and each 10 s the features of a window of
// vibration.
type machine struct {
	seed      uint64
	n         int
	energy    float64
	first     func()
	vibration *vibration
}

func (m *machine) noise() float64 {
	m.seed = m.seed*6364136223846793005 + 1442695040888963407
	return float64(int32(m.seed>>32)) / (1 << 31)
}

func round(v float64, digits float64) float64 { return math.Round(v*digits) / digits }

// Sense reads five channels.
func (m *machine) Sense(_ context.Context, at time.Time) ([]wire.Sample, error) {
	defer m.first()
	ms := at.UnixMilli()
	amps := 6 + 2*math.Sin(float64(m.n)/40) + .3*m.noise()
	volts := 231 + 2*m.noise()
	watts := amps * volts * .86
	m.energy += watts / 3600
	out := []wire.Sample{
		{TimeMs: ms, Quantity: quantity.Power, Number: round(watts, 10)},
		{TimeMs: ms, Quantity: quantity.Energy, Number: round(m.energy, 1)},
		{TimeMs: ms, Quantity: quantity.Current, Number: float64(float32(amps))}, // a clamp: all bits of a float are noise
		{TimeMs: ms, Quantity: quantity.Voltage, Number: round(volts, 10)},
		{TimeMs: ms, Quantity: quantity.PowerFactor, Number: round(.86+.02*m.noise(), 100)},
	}
	m.n++
	if m.n%10 != 0 {
		return out, nil
	}
	more, err := m.vibration.window(m.noise())
	for _, s := range more {
		s.TimeMs = ms
		out = append(out, s)
	}
	return out, err
}

// Close does nothing.
func (m *machine) Close() error { return nil }

// vibration analyses windows of an ADXL345 at its full rate, one after the other, as the gateway does.
type vibration struct {
	mu       sync.Mutex
	analyser feature.Analyser
	w        accel.Window
}

const (
	rateHz  = 3200
	samples = 4096
)

func (v *vibration) window(phase float64) ([]wire.Sample, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.w.X == nil {
		v.w = accel.Window{RateHz: rateHz, X: make([]float64, samples), Y: make([]float64, samples), Z: make([]float64, samples), BandHz: 1600}
	}
	for i := range v.w.X {
		t := float64(i)/rateHz + phase
		v.w.X[i], v.w.Y[i], v.w.Z[i] = 3*math.Sin(2*math.Pi*24.5*t), math.Sin(2*math.Pi*180*t), 9.81+.4*math.Sin(2*math.Pi*870*t)
	}
	f, err := v.analyser.Analyse(v.w)
	if err != nil {
		return nil, err
	}
	return f.Samples(nil), nil
}
