package feature_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"karkhana/firmware-gateway/feature"
	"karkhana/hardware/chip/accel"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	rate = 3200.0
	size = 8192
)

// tones makes n samples at rateHz of sines given as pairs of frequency and peak.
func tones(n int, rateHz float64, pairs ...float64) []float64 {
	x := make([]float64, n)
	for p := 0; p < len(pairs); p += 2 {
		for i := range x {
			x[i] += pairs[p+1] * math.Sin(2*math.Pi*pairs[p]*float64(i)/rateHz)
		}
	}
	return x
}

func noise(n int, sigma float64, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	x := make([]float64, n)
	for i := range x {
		x[i] = sigma * r.NormFloat64()
	}
	return x
}

// The reference values of the recipe, mm/s: what is true and what the recipe gives.
func TestVelocityVectors(t *testing.T) {
	for _, c := range []struct {
		name      string
		x         []float64
		exact     float64 // analytic, 0.1 %
		recipe    float64 // as computed with the same recipe elsewhere
		precision float64 // of the recipe's value
	}{
		{"50 Hz, 1 m/s² peak", tones(size, rate, 50, 1), 2.2508, 2.2509, 1e-4},
		{"25 Hz 0.5 and 100 Hz 2 m/s² peak", tones(size, rate, 25, 0.5, 100, 2), 3.1831, 3.1833, 1e-4},
		{"12 Hz, 1 m/s² peak", tones(size, rate, 12, 1), 9.378, 9.383, 1e-3},
		// Hann leakage below 10 Hz is cut: 11.03 is true, 10.32 is expected.
		{"10.2 Hz, 1 m/s² peak", tones(size, rate, 10.2, 1), 0, 10.32, 1e-2},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, band, err := feature.Velocity(c.x, rate)
			require.NoError(t, err)
			require.InDelta(t, c.recipe, v*1000, c.precision)
			if c.exact != 0 {
				require.InEpsilon(t, c.exact, v*1000, 1e-3)
			}
			require.Equal(t, feature.Band{LowHz: 10, HighHz: 1000}, band)
			require.True(t, band.Full())
		})
	}
	drift := make([]float64, size)
	for i := range drift {
		drift[i] = 9.81 + 0.5*float64(i)/size
	}
	v, _, err := feature.Velocity(drift, rate)
	require.NoError(t, err)
	require.Less(t, v*1000, 0.001)
	for i := range drift {
		drift[i] = 9.81 + 0.05*math.Sin(2*math.Pi*0.02*float64(i)/rate) // a slow swing that is no straight line
	}
	v, _, err = feature.Velocity(drift, rate)
	require.NoError(t, err)
	require.Less(t, v*1000, 0.001)
}

// Lines outside the band do not count.
func TestBandLimits(t *testing.T) {
	for _, hz := range []float64{2, 5, 1010, 1500} {
		v, _, err := feature.Velocity(tones(size, rate, hz, 1), rate)
		require.NoError(t, err)
		require.Less(t, v, 0.002/(2*math.Pi*hz), "%v Hz", hz)
	}
}

// Noise of density n in m/s²/√Hz reads as n/2π·√(1/10 − 1/1000): the floor of each sensor.
func TestNoiseFloor(t *testing.T) {
	const ug = 9.80665e-6
	for _, c := range []struct{ density, mmS float64 }{{290 * ug, 0.14}, {430 * ug, 0.21}, {220 * ug, 0.11}, {75 * ug, 0.037}} {
		var sum float64
		for seed := range uint64(20) {
			v, _, err := feature.Velocity(noise(size, c.density*math.Sqrt(rate/2), seed), rate)
			require.NoError(t, err)
			sum += v * v
		}
		require.InEpsilon(t, c.mmS, math.Sqrt(sum/20)*1000, 0.06)
	}
}

func TestReducedBand(t *testing.T) {
	for _, c := range []struct{ rate, chip, high float64 }{
		{3200, 1600, 1000}, {26667, 6300, 1000}, {2500, 0, 1000}, {2000, 0, 800}, {1344, 672, 537.6}, {1344, 149.3, 149.3}, {50, 0, 20},
	} {
		b, err := feature.BandAt(c.rate, c.chip)
		require.NoError(t, err)
		require.InDelta(t, 10, b.LowHz, 0)
		require.InDelta(t, c.high, b.HighHz, 1e-9)
		require.Equal(t, c.high == 1000, b.Full())
	}
	for _, r := range []float64{25, 1, 0, -5, math.NaN(), math.Inf(1), 1e9} {
		_, err := feature.BandAt(r, 0)
		require.ErrorIs(t, err, feature.ErrRate, r)
	}
	_, err := feature.BandAt(1000, math.NaN())
	require.ErrorIs(t, err, feature.ErrRate)
	_, err = feature.BandAt(1000, 8)
	require.ErrorIs(t, err, feature.ErrRate)
}

func TestShape(t *testing.T) {
	s, err := feature.ShapeOf(tones(size, rate, 50, 3))
	require.NoError(t, err)
	require.InEpsilon(t, 3/math.Sqrt2, s.RMS, 1e-4)
	require.InEpsilon(t, math.Sqrt2, s.Crest, 1e-2, "the line through a sine is not quite flat")
	require.InEpsilon(t, 1.5, s.Kurtosis, 1e-3, "a sine has 1.5, so this is not the excess")

	s, err = feature.ShapeOf(noise(1<<17, 2, 1))
	require.NoError(t, err)
	require.InEpsilon(t, 2, s.RMS, 0.01)
	require.InDelta(t, 3, s.Kurtosis, 0.05, "Gaussian noise has 3")

	x := noise(size, 1, 3)
	for i := 0; i < size; i += 100 {
		x[i] += 10
	}
	s, err = feature.ShapeOf(x)
	require.NoError(t, err)
	require.Greater(t, s.Kurtosis, 6.0, "impacts")
	require.Greater(t, s.Crest, 6.0)
}

func window(x, y, z []float64) accel.Window {
	return accel.Window{RateHz: rate, X: x, Y: y, Z: z, BandHz: 1600}
}

func gravity(x []float64) []float64 {
	for i := range x {
		x[i] += accel.Gravity
	}
	return x
}

// The highest axis of each is reported: velocity by the low frequency of Y, acceleration by the high one of Z.
func TestHighestAxis(t *testing.T) {
	w := window(tones(size, rate, 50, 0.1), tones(size, rate, 20, 1), gravity(tones(size, rate, 810, 5)))
	f, err := new(feature.Analyser).Analyse(w)
	require.NoError(t, err)
	require.Equal(t, 1, f.VelocityAxis)
	require.InEpsilon(t, 1/math.Sqrt2/(2*math.Pi*20), f.Velocity, 1e-3)
	require.Equal(t, 2, f.ShapeAxis)
	require.InEpsilon(t, 5/math.Sqrt2, f.Shape.RMS, 1e-3)
	require.InEpsilon(t, 1.5, f.Shape.Kurtosis, 1e-3)
}

func TestSamples(t *testing.T) {
	good := func() accel.Window {
		return window(noise(size, 1, 1), noise(size, 2, 2), gravity(noise(size, 1, 3)))
	}
	for _, c := range []struct {
		name            string
		change          func(*accel.Window)
		velocity, other string
	}{
		{"good", func(*accel.Window) {}, "", ""},
		{"saturated", func(w *accel.Window) { w.Saturated = true }, "saturated", "saturated"},
		{"overrun", func(w *accel.Window) { w.Overruns = 1 }, "estimated", "estimated"},
		{"both", func(w *accel.Window) { w.Saturated, w.Overruns = true, 3 }, "saturated", "saturated"},
		{"narrow band of the chip", func(w *accel.Window) { w.BandHz = 149 }, "estimated", ""},
		{"narrow band by the rate", func(w *accel.Window) { w.RateHz, w.BandHz = 1344, 0 }, "estimated", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := good()
			c.change(&w)
			got, err := feature.Vibration(w)
			require.NoError(t, err)
			require.Len(t, got, 4)
			for i, name := range []string{quantity.Vibration, quantity.Accel, quantity.Crest, quantity.Kurtosis} {
				s, q := got[i], c.other
				if i == 0 {
					q = c.velocity
				}
				require.Equal(t, name, s.Quantity)
				require.Equal(t, q, s.Quality)
				require.True(t, wire.ValidQuality(s.Quality))
				require.Zero(t, s.TimeMs)
				known, ok := quantity.Get(name)
				require.True(t, ok)
				require.NoError(t, known.Check(s.Number))
			}
			require.InEpsilon(t, 2, got[1].Number, 0.05)
		})
	}
}

func TestRefusals(t *testing.T) {
	x := func() []float64 { return noise(size, 1, 1) }
	with := func(v float64) []float64 {
		b := x()
		b[17] = v
		return b
	}
	still := make([]float64, size)
	for i := range still {
		still[i] = 9.81
	}
	for _, c := range []struct {
		name string
		w    accel.Window
		want error
		text string
	}{
		{"NaN", window(x(), with(math.NaN()), x()), feature.ErrValue, "axis y: sample 17 is NaN"},
		{"Inf", window(x(), x(), with(math.Inf(-1))), feature.ErrValue, "axis z"},
		{"absurd", window(with(1e9), x(), x()), feature.ErrValue, "sample 17 is 1e+09"},
		{"empty", accel.Window{RateHz: rate}, feature.ErrShort, "0 samples"},
		{"unequal", window(x(), x()[1:], x()), feature.ErrShort, "8192, 8191 and 8192"},
		{"below a second", window(x()[:3199], x()[:3199], x()[:3199]), feature.ErrShort, "a second is needed"},
		{"no rate", accel.Window{X: x(), Y: x(), Z: x()}, feature.ErrRate, "0 Hz"},
		{"stuck", window(still, still, still), feature.ErrFlat, "stuck"},
		{"all zero", window(make([]float64, size), make([]float64, size), make([]float64, size)), feature.ErrFlat, "stuck"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := feature.Vibration(c.w)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			require.Nil(t, s)
		})
	}
	// One quiet axis is no fault.
	_, err := feature.Vibration(window(still, x(), x()))
	require.NoError(t, err)
	_, err = feature.ShapeOf(still)
	require.ErrorIs(t, err, feature.ErrFlat)
	_, err = feature.ShapeOf(nil)
	require.ErrorIs(t, err, feature.ErrShort)
	_, _, err = feature.Velocity(x(), 10000)
	require.ErrorIs(t, err, feature.ErrShort)
	_, _, err = feature.Velocity(with(math.NaN()), rate)
	require.ErrorIs(t, err, feature.ErrValue)
	_, _, err = feature.Velocity(x(), 0)
	require.ErrorIs(t, err, feature.ErrRate)
}

// drawn is a window of random tones and noise, of any length, at any rate.
func drawn(t *rapid.T) ([]float64, float64) {
	n := rapid.IntRange(600, 3000).Draw(t, "n")
	hz := rapid.Float64Range(100, 500).Draw(t, "rate")
	x := noise(n, rapid.Float64Range(0.01, 3).Draw(t, "noise"), rapid.Uint64().Draw(t, "seed"))
	for range rapid.IntRange(0, 4).Draw(t, "tones") {
		f, a := rapid.Float64Range(1, hz/2).Draw(t, "f"), rapid.Float64Range(0.1, 20).Draw(t, "a")
		for i, v := range tones(n, hz, f, a) {
			x[i] += v
		}
	}
	return x, hz
}

func near(t *rapid.T, what string, want, got, tolerance float64) {
	if math.Abs(want-got) > tolerance*math.Abs(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// k times the signal, plus any offset and slope: k times velocity and RMS, the same crest and kurtosis.
func TestScaleAndOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, hz := drawn(t)
		k := rapid.Float64Range(0.01, 50).Draw(t, "k")
		offset := rapid.Float64Range(-50, 50).Draw(t, "offset")
		slope := rapid.Float64Range(-50, 50).Draw(t, "slope")
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = k*v + offset + slope*float64(i)/float64(len(x))
		}
		a, _, errA := feature.Velocity(x, hz)
		b, _, errB := feature.Velocity(y, hz)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		near(t, "velocity", k*a, b, 1e-6)
		s, errA := feature.ShapeOf(x)
		r, errB := feature.ShapeOf(y)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		near(t, "RMS", k*s.RMS, r.RMS, 1e-6)
		near(t, "crest", s.Crest, r.Crest, 1e-6)
		near(t, "kurtosis", s.Kurtosis, r.Kurtosis, 1e-6)
	})
}

// Whatever the signal: a crest factor and a kurtosis are at least 1, a velocity is at most RMS/(2π·10 Hz) with the
// gain of the Hann window, and swapping axes changes nothing.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, hz := drawn(t)
		y := make([]float64, len(x))
		for i := range y {
			y[i] = x[len(x)-1-i] / 2
		}
		var a feature.Analyser
		f, err := a.Analyse(accel.Window{RateHz: hz, X: x, Y: y, Z: y})
		if err != nil {
			t.Fatal(err)
		}
		g, err := a.Analyse(accel.Window{RateHz: hz, X: y, Y: y, Z: x})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "velocity", f.Velocity, g.Velocity, 1e-9)
		near(t, "RMS", f.Shape.RMS, g.Shape.RMS, 1e-9)
		if f.ShapeAxis != 0 || g.ShapeAxis != 2 || f.Shape.Crest < 1 || f.Shape.Kurtosis < 1-1e-9 {
			t.Fatalf("%+v, %+v", f, g)
		}
		if f.Velocity > f.Shape.RMS*math.Sqrt(8.0/3)/(2*math.Pi*10) {
			t.Fatalf("%+v", f)
		}
	})
}

// FuzzVibration reads three axes, a rate and a band from bytes: an error or four finite numbers that can be stored.
func FuzzVibration(f *testing.F) {
	raw := func(rateHz float64, x []float64) []byte {
		b := binary.LittleEndian.AppendUint64(nil, math.Float64bits(rateHz))
		for _, v := range x {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		return b
	}
	f.Add(raw(60, noise(200, 1, 1)), uint8(0))
	f.Add(raw(60, noise(200, 1e-3, 1)), uint8(1))
	f.Add(raw(math.NaN(), noise(60, 1, 1)), uint8(2))
	f.Add(raw(30, []float64{math.Inf(1), 0, math.NaN()}), uint8(0))
	f.Add(raw(30, tones(120, 40, 12, 1e5)), uint8(3))
	f.Add(raw(1e-300, tones(120, 40, 12, 1e-300)), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		if len(b) < 8 {
			return
		}
		rateHz := math.Float64frombits(binary.LittleEndian.Uint64(b))
		var x []float64
		for b = b[8:]; len(b) >= 8; b = b[8:] {
			x = append(x, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
		n := len(x) / 3
		w := accel.Window{RateHz: rateHz, X: x[:n], Y: x[n : 2*n], Z: x[2*n : 3*n], Saturated: how&1 != 0, Overruns: int(how >> 1)}
		got, err := feature.Vibration(w)
		if err != nil {
			require.Nil(t, got)
			return
		}
		require.Len(t, got, 4)
		for _, s := range got {
			require.False(t, math.IsNaN(s.Number) || math.IsInf(s.Number, 0) || s.Number < 0, "%+v", s)
		}
	})
}

func BenchmarkWindow(b *testing.B) {
	w := window(noise(size, 1, 1), noise(size, 2, 2), gravity(noise(size, 1, 3)))
	var a feature.Analyser
	var out []wire.Sample
	b.ReportAllocs()
	for b.Loop() {
		f, err := a.Analyse(w)
		if err != nil {
			b.Fatal(err)
		}
		out = f.Samples(out[:0])
	}
}

func BenchmarkVibration(b *testing.B) {
	w := window(noise(size, 1, 1), noise(size, 2, 2), gravity(noise(size, 1, 3)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := feature.Vibration(w); err != nil {
			b.Fatal(err)
		}
	}
}
