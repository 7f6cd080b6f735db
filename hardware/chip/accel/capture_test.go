package accel_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"karkhana/hardware/chip/accel"
	"karkhana/hardware/chip/accel/acceltest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// chip is a source without a bus.
type chip struct {
	acceltest.FIFO
	level    func() (int, bool, error) // nil: the FIFO's
	readErr  error
	readTime func(n int) time.Duration // how long a burst takes
	checkErr error
	startErr error
}

func (c *chip) Start() error {
	c.Reset(true)
	return c.startErr
}

func (c *chip) Level() (int, bool, error) {
	if c.level != nil {
		return c.level()
	}
	c.Clock.Pass(40 * time.Microsecond)
	n := c.FIFO.Level()
	return n, c.Overrun(), nil
}

func (c *chip) Read(dst []accel.Raw) error {
	if c.readTime != nil {
		c.Clock.Pass(c.readTime(len(dst)))
	}
	for i := range dst {
		dst[i] = c.Pop()
	}
	c.ClearOverrun()
	return c.readErr
}

func (c *chip) Check() error { return c.checkErr }

var spec = accel.Spec{NominalHz: 3200, Depth: 32, Watermark: 16, Settle: 8, Scale: 0.5, Limit: 30000, BandRatio: 0.25}

// numbered makes samples that carry their number.
func numbered(i int) accel.Raw { return accel.Raw{X: int16(i % 20000), Y: int16(-i % 20000), Z: 7} }

func newChip(rate float64) *chip {
	return &chip{FIFO: acceltest.FIFO{Clock: &acceltest.Clock{}, RateHz: rate, Depth: 32, Signal: numbered}}
}

func TestWindow(t *testing.T) {
	c := newChip(3277.3)
	w, err := accel.Capture(t.Context(), c, spec, c.Clock, 4096)
	require.NoError(t, err)
	require.Len(t, w.X, 4096)
	require.Len(t, w.Y, 4096)
	require.Len(t, w.Z, 4096)
	for i := range w.X {
		n := float64(i + spec.Settle)
		require.InDelta(t, 0.5*n, w.X[i], 0)
		require.InDelta(t, -0.5*n, w.Y[i], 0)
		require.InDelta(t, 3.5, w.Z[i], 0)
	}
	require.InEpsilon(t, 3277.3, w.RateHz, 2e-4, "the measured rate, not the nominal 3200")
	require.InEpsilon(t, w.RateHz/4, w.BandHz, 1e-9)
	require.Zero(t, w.Overruns)
	require.False(t, w.Saturated)
}

// Whatever the true rate and however late the processor comes, the rate is right and no loss goes unseen.
func TestRateAndLosses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(2700, 3700).Draw(t, "rate")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		often := rapid.Float64Range(0, 0.1).Draw(t, "how often late")
		c := newChip(rate)
		c.Clock.Late = func() time.Duration {
			d := time.Duration(rng.ExpFloat64() * float64(200*time.Microsecond))
			if rng.Float64() < often {
				d += time.Duration(rng.Float64() * float64(30*time.Millisecond))
			}
			return d
		}
		c.readTime = func(n int) time.Duration {
			d := time.Duration(n) * 30 * time.Microsecond
			if rng.Float64() < often/4 {
				d += 12 * time.Millisecond
			}
			return d
		}
		w, err := accel.Capture(context.Background(), c, spec, c.Clock, 4096)
		if err != nil {
			t.Fatal(err)
		}
		if d := w.RateHz/rate - 1; d > 2e-3 || d < -2e-3 {
			t.Fatalf("%v Hz measured, %v Hz true, %d overruns", w.RateHz, rate, w.Overruns)
		}
		gaps := 0
		for i := 1; i < len(w.X); i++ {
			if w.X[i]-w.X[i-1] != 0.5 && w.X[i] > w.X[i-1] {
				gaps++
			}
		}
		if gaps > w.Overruns {
			t.Fatalf("%d gaps, only %d noticed", gaps, w.Overruns)
		}
	})
}

func TestOverrunIsCounted(t *testing.T) {
	c := newChip(3200)
	waits := 0
	c.Clock.Late = func() time.Duration {
		if waits++; waits == 20 || waits == 30 {
			return 50 * time.Millisecond
		}
		return 0
	}
	w, err := accel.Capture(t.Context(), c, spec, c.Clock, 2048)
	require.NoError(t, err)
	require.Equal(t, 2, w.Overruns)
	require.Len(t, w.X, 2048)
	require.InEpsilon(t, 3200, w.RateHz, 1e-3, "the rate is measured around the losses")
}

// What is lost while the filters settle is not within the window.
func TestOverrunBeforeTheWindow(t *testing.T) {
	c := newChip(3200)
	c.Clock.Late = func() time.Duration {
		c.Clock.Late = nil
		return time.Second
	}
	w, err := accel.Capture(t.Context(), c, spec, c.Clock, 512)
	require.NoError(t, err)
	require.Zero(t, w.Overruns)
}

func TestSaturation(t *testing.T) {
	for _, v := range []accel.Raw{{X: 30000}, {Y: -30000}, {Z: 32767}, {Z: -32768}} {
		c := newChip(3200)
		c.Signal = func(i int) accel.Raw {
			if i == 100 {
				return v
			}
			return accel.Raw{X: 29999, Y: -29999}
		}
		w, err := accel.Capture(t.Context(), c, spec, c.Clock, 512)
		require.NoError(t, err)
		require.True(t, w.Saturated, v)
		c.Signal = func(int) accel.Raw { return accel.Raw{X: 29999, Y: -29999} }
		w, err = accel.Capture(t.Context(), c, spec, c.Clock, 512)
		require.NoError(t, err)
		require.False(t, w.Saturated)
	}
}

func TestRefusals(t *testing.T) {
	broken := errors.New("wire off")
	for _, c := range []struct {
		name  string
		spoil func(c *chip)
		n     int
		want  error
		text  string
	}{
		{"window too short", func(*chip) {}, 127, nil, "window of 127 samples: give 128 to 65536"},
		{"window too long", func(*chip) {}, 65537, nil, "give 128 to 65536"},
		{"start", func(c *chip) { c.startErr = broken }, 512, broken, "start"},
		{"level", func(c *chip) { c.level = func() (int, bool, error) { return 0, false, broken } }, 512, broken, "FIFO level"},
		{"level beyond the FIFO", func(c *chip) { c.level = func() (int, bool, error) { return 63, false, nil } }, 512, accel.ErrNoChip, "63 of 32"},
		{"read", func(c *chip) { c.readErr = broken }, 512, broken, "FIFO of"},
		{"dead", func(c *chip) { c.Dead = true }, 512, accel.ErrStall, "stopped sampling"},
		{"another chip at the end", func(c *chip) { c.checkErr = accel.ErrNoChip }, 512, accel.ErrNoChip, "after the window"},
		{"half the rate", func(c *chip) { c.RateHz = 1600 }, 512, accel.ErrRate, "1600 Hz measured, 3200 Hz set"},
		{"always late", func(c *chip) { c.Clock.Late = func() time.Duration { return time.Second } }, 512, accel.ErrSlow, "lower the rate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newChip(3200)
			c.spoil(src)
			w, err := accel.Capture(t.Context(), src, spec, src.Clock, c.n)
			require.ErrorContains(t, err, c.text)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			require.Zero(t, w)
		})
	}
}

func TestStallInTheMiddle(t *testing.T) {
	src := newChip(3200)
	waits := 0
	src.Clock.Late = func() time.Duration {
		if waits++; waits == 10 {
			src.Dead = true
		}
		return 0
	}
	_, err := accel.Capture(t.Context(), src, spec, src.Clock, 512)
	require.ErrorIs(t, err, accel.ErrStall)
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	src := newChip(3200)
	waits := 0
	src.Clock.Late = func() time.Duration {
		if waits++; waits == 5 {
			cancel()
		}
		return 0
	}
	_, err := accel.Capture(ctx, src, spec, src.Clock, 512)
	require.ErrorIs(t, err, context.Canceled)
	_, err = accel.Capture(ctx, src, spec, src.Clock, 512)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSystemClock(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	clock := accel.SystemClock{}
	begin := clock.Now()
	require.NoError(t, clock.Wait(ctx, time.Millisecond))
	require.GreaterOrEqual(t, clock.Now().Sub(begin), time.Millisecond)
	cancel()
	require.ErrorIs(t, clock.Wait(ctx, time.Hour), context.Canceled)
}
