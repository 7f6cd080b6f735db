package ctclamp_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"karkhana/hardware/chip/ads1115"
	"karkhana/hardware/chip/ads1115/ads1115test"
	"karkhana/hardware/chip/ctclamp"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
)

// wave is a current in A, as the clamp with a ratio of 2000 and 22 Ω shows it around a bias in V.
func wave(bias float64, current func(t float64) float64) func(ads1115.Input, time.Time) float64 {
	start := time.Now()
	return func(_ ads1115.Input, at time.Time) float64 {
		return bias + current(at.Sub(start).Seconds())*22/2000
	}
}

func sine(rms, hertz, phase float64) func(float64) float64 {
	return func(t float64) float64 { return rms * math.Sqrt2 * math.Sin(2*math.Pi*hertz*t+phase) }
}

// sense runs a clamp on a simulated chip under fake time.
func sense(t *testing.T, chip *ads1115test.Chip, opts *ctclamp.Opts) (ctclamp.Reading, error) {
	t.Helper()
	adc, err := ads1115.New(chip, nil)
	require.NoError(t, err)
	dev, err := ctclamp.New(adc, opts)
	require.NoError(t, err)
	r, err := dev.Sense(t.Context())
	require.NoError(t, dev.Halt())
	return r, err
}

func ampere(i physic.ElectricCurrent) float64 { return float64(i) / float64(physic.Ampere) }

// The current comes out right however fast the chip's clock and the bus are, at any phase and bias.
func TestRMS(t *testing.T) {
	for _, bus := range []time.Duration{60 * time.Microsecond, 120 * time.Microsecond, 500 * time.Microsecond} { // 400 and 100 kHz
		for _, clock := range []float64{0.9, 1, 1.1} {
			for _, rms := range []float64{0.05, 1, 16, 70} {
				t.Run(fmt.Sprintf("%s/%v/%vA", bus, clock, rms), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						chip := &ads1115test.Chip{BusTime: bus, Clock: clock}
						chip.Signal = wave(0.02, sine(rms, 50, rms))
						r, err := sense(t, chip, nil)
						require.NoError(t, err)
						require.InDelta(t, rms, ampere(r.Current), max(0.001, 0.005*rms)) // a step is 6 mA
						require.InDelta(t, 0.02, float64(r.Bias)/float64(physic.Volt), 0.002)
						require.False(t, r.Saturated)
						require.InDelta(t, float64(r.Samples-1)/0.2, float64(r.Rate)/float64(physic.Hertz), 10)
					})
				})
			}
		}
	}
}

// A computer that pauses now and then, a grid off its frequency, a wave of a rectifier.
func TestRoughConditions(t *testing.T) {
	for _, c := range []struct {
		name    string
		current func(float64) float64
		want    float64
		within  float64
	}{
		{"49.5 Hz", sine(10, 49.5, 1), 10, 0.01},
		{"50.5 Hz", sine(10, 50.5, 2), 10, 0.01},
		{"third and fifth harmonic", func(t float64) float64 {
			return sine(10, 50, 0)(t) + sine(4, 150, 1)(t) + sine(2, 250, 2)(t)
		}, math.Sqrt(100 + 16 + 4), 0.02}, // the chip's average dims the harmonics: 4 % of the third, 13 % of the fifth
		{"chopped by a phase control", func(t float64) float64 {
			if math.Mod(t, 0.01) < 0.005 {
				return 0
			}
			return sine(10, 50, 0)(t)
		}, 10 / math.Sqrt2, 0.05}, // the chip's average rounds the edges
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				chip := &ads1115test.Chip{BusTime: 100 * time.Microsecond}
				chip.Fail = func() error { // one in ten transactions waits for the computer
					if rng.IntN(10) == 0 {
						time.Sleep(time.Duration(rng.IntN(1000)) * time.Microsecond)
					}
					return nil
				}
				chip.Signal = wave(0, c.current)
				opts := ctclamp.DefaultOpts
				opts.Cycles = 25
				r, err := sense(t, chip, &opts)
				require.NoError(t, err)
				require.InEpsilon(t, c.want, ampere(r.Current), c.within)
			})
		})
	}
}

func TestNoise(t *testing.T) {
	for _, c := range []struct{ rms, noise, want float64 }{{0.5, 0.3, 0.4}, {0.3, 0.3, 0}, {0.1, 0.3, 0}, {10, 0.3, 9.9955}} {
		synctest.Test(t, func(t *testing.T) {
			opts := ctclamp.DefaultOpts
			opts.Noise = physic.ElectricCurrent(c.noise * float64(physic.Ampere))
			r, err := sense(t, &ads1115test.Chip{Signal: wave(0, sine(c.rms, 50, 0)), BusTime: 50 * time.Microsecond}, &opts)
			require.NoError(t, err)
			require.InDelta(t, c.want, ampere(r.Current), 0.03)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r, err := sense(t, &ads1115test.Chip{}, nil)
		require.NoError(t, err)
		require.Zero(t, r.Current)
	})
}

func TestSaturation(t *testing.T) {
	single := ctclamp.DefaultOpts
	single.Channel = ads1115.Channel{Input: ads1115.Input2, Range: ads1115.Range4096mV}
	small := ctclamp.DefaultOpts
	small.Channel.Range = ads1115.Range512mV
	for _, c := range []struct {
		name      string
		bias, rms float64
		opts      *ctclamp.Opts
		want      bool
	}{
		{"100 A of 22 Ω", 0, 100, nil, false},
		{"half the supply reached", 0, 105, nil, true},
		{"single input", 1.65, 90, &single, false},
		{"single input at ground", 1.65, 108, &single, true},
		{"range too small", 0, 50, &small, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := sense(t, &ads1115test.Chip{Signal: wave(c.bias, sine(c.rms, 50, 0)), BusTime: 50 * time.Microsecond}, c.opts)
				require.NoError(t, err)
				require.Equal(t, c.want, r.Saturated)
				require.Greater(t, ampere(r.Current), 30.0, "a value all the same")
			})
		})
	}
}

func TestRefused(t *testing.T) {
	single := ctclamp.DefaultOpts
	single.Channel = ads1115.Channel{Input: ads1115.Input0, Range: ads1115.Range4096mV}
	for _, c := range []struct {
		name string
		bus  time.Duration
		bias float64
		opts *ctclamp.Opts
		want error
		text string
	}{
		{"no bias", 0, 0, &single, ctclamp.ErrBias, "mean of 0.00 V, not 1.65 V"},
		{"pair pulled up", 0, 1.65, nil, ctclamp.ErrBias, "mean of 1.65 V, not 0.00 V"},
		{"bus too slow", 2 * time.Millisecond, 0, nil, ctclamp.ErrSlow, "samples a second"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := sense(t, &ads1115test.Chip{BusTime: c.bus, Signal: wave(c.bias, sine(1, 50, 0))}, c.opts)
				require.ErrorIs(t, err, c.want)
				require.ErrorContains(t, err, c.text)
				require.ErrorContains(t, err, "ctclamp{ads1115{I2Csim(72)} A0")
				require.Zero(t, r)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		chip, n := &ads1115test.Chip{}, 0
		chip.Fail = func() error {
			if n++; n == 50 {
				time.Sleep(15 * time.Millisecond)
			}
			return nil
		}
		_, err := sense(t, chip, nil)
		require.ErrorIs(t, err, ctclamp.ErrSlow)
		require.ErrorContains(t, err, "longest pause 16")
	})
}

func TestOpts(t *testing.T) {
	adc, err := ads1115.New(&ads1115test.Chip{}, nil)
	require.NoError(t, err)
	for text, change := range map[string]func(*ctclamp.Opts){
		"ratio of 0":              func(o *ctclamp.Opts) { o.Ratio = 0 },
		"ratio of NaN":            func(o *ctclamp.Opts) { o.Ratio = math.NaN() },
		"ratio of +Inf":           func(o *ctclamp.Opts) { o.Ratio = math.Inf(1) },
		"burden of 0":             func(o *ctclamp.Opts) { o.Burden = 0 },
		"supply of 12V":           func(o *ctclamp.Opts) { o.Supply = 12 * physic.Volt },
		"noise of -1A":            func(o *ctclamp.Opts) { o.Noise = -physic.Ampere },
		"9 cycles: give 10":       func(o *ctclamp.Opts) { o.Cycles = 9 },
		"swings over the supply":  func(o *ctclamp.Opts) { o.Channel.Input = ads1115.Input0 },
		"give Input0Minus1":       func(o *ctclamp.Opts) { o.Channel.Input = 9 },
		"ctclamp: ratio of -2000": func(o *ctclamp.Opts) { o.Ratio = -2000 },
	} {
		opts := ctclamp.DefaultOpts
		change(&opts)
		_, err := ctclamp.New(adc, &opts)
		require.ErrorContains(t, err, text)
	}
	dev, err := ctclamp.New(adc, &ctclamp.Opts{Ratio: 30, Burden: physic.Ohm})
	require.NoError(t, err)
	require.Equal(t, "ctclamp{ads1115{I2Csim(72)} A0-A1}", dev.String())
	synctest.Test(t, func(t *testing.T) {
		opts := ctclamp.DefaultOpts
		opts.Ratio = 1e15
		_, err := sense(t, &ads1115test.Chip{Signal: wave(0, sine(1, 50, 0))}, &opts)
		require.ErrorContains(t, err, "can't be right")
	})
}

// The bus fails at the n-th transaction, or the context ends: no value.
func TestBusErrorsAndContext(t *testing.T) {
	gone := errors.New("gone")
	for n := range 30 {
		synctest.Test(t, func(t *testing.T) {
			chip := &ads1115test.Chip{}
			adc, err := ads1115.New(chip, nil)
			require.NoError(t, err)
			dev, err := ctclamp.New(adc, nil)
			require.NoError(t, err)
			left := n
			chip.Fail = func() error {
				if left--; left < 0 {
					return gone
				}
				return nil
			}
			r, err := dev.Sense(t.Context())
			require.ErrorIs(t, err, gone)
			require.Zero(t, r)
			chip.Fail = nil
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err = dev.Sense(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

// Two clamps share a chip.
func TestSharedChip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		adc, err := ads1115.New(&ads1115test.Chip{BusTime: 60 * time.Microsecond, Signal: func(in ads1115.Input, at time.Time) float64 {
			rms := map[ads1115.Input]float64{ads1115.Input0Minus1: 5, ads1115.Input2Minus3: 20}[in]
			return sine(rms, 50, 0)(at.Sub(start).Seconds()) * 22 / 2000
		}}, nil)
		require.NoError(t, err)
		done := make(chan error, 2)
		for in, want := range map[ads1115.Input]float64{ads1115.Input0Minus1: 5, ads1115.Input2Minus3: 20} {
			opts := ctclamp.DefaultOpts
			opts.Channel.Input = in
			dev, err := ctclamp.New(adc, &opts)
			require.NoError(t, err)
			go func() {
				r, err := dev.Sense(t.Context())
				if err == nil && math.Abs(ampere(r.Current)-want) > 0.02*want {
					err = fmt.Errorf("%s: %v A at %s", in, ampere(r.Current), r.Rate)
				}
				done <- err
			}()
		}
		require.NoError(t, <-done)
		require.NoError(t, <-done)
	})
}

// Bytes on the bus: a square wave of ±0.5 V, sample by sample.
func TestPlayback(t *testing.T) {
	bus := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{
		{Addr: 0x48, W: []byte{1, 0x01, 0xE3}}, {Addr: 0x48, W: []byte{1}, R: []byte{0x81, 0xE3}},
	}}
	for i := range 400 {
		code := []byte{0x1F, 0x40} // 8000 steps of 62.5 µV
		if i%2 == 1 {
			code = []byte{0xE0, 0xC0}
		}
		bus.Ops = append(bus.Ops,
			i2ctest.IO{Addr: 0x48, W: []byte{1, 0x85, 0xE3}},
			i2ctest.IO{Addr: 0x48, W: []byte{1}, R: []byte{0x85, 0xE3}},
			i2ctest.IO{Addr: 0x48, W: []byte{0}, R: code})
	}
	synctest.Test(t, func(t *testing.T) {
		adc, err := ads1115.New(bus, nil)
		require.NoError(t, err)
		dev, err := ctclamp.New(adc, nil)
		require.NoError(t, err)
		r, err := dev.Sense(t.Context())
		require.NoError(t, err)
		require.InEpsilon(t, 0.5*2000/22/0.99445, ampere(r.Current), 0.001)
	})
}
