package accel

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Raw is one sample in counts of the chip.
type Raw struct{ X, Y, Z int16 }

// Source is the FIFO of a chip.
type Source interface {
	// Start sets the chip up, whatever it did before, and begins with an empty FIFO.
	Start() error
	// Level returns how many samples wait and whether some were lost since the last call.
	Level() (n int, overrun bool, err error)
	// Read takes the oldest len(dst) samples out of the FIFO. Level has promised that many.
	Read(dst []Raw) error
	// Check asks whether the chip still is the chip that Start set up.
	Check() error
}

// Spec says what a capture must know of the chip as it is set up.
type Spec struct {
	NominalHz float64 // to pace the bursts, and to refuse a measured rate that is far off
	Depth     int     // samples that the FIFO holds
	Watermark int     // samples to wait for between bursts, at most half the depth
	Settle    int     // samples to drop after Start while the chip's filters settle
	Scale     float64 // m/s² per count
	Limit     int16   // counts from which on, to either side, a sample counts as saturated
	BandRatio float64 // the chip's −3 dB frequency as a part of the sample rate
}

const (
	// MaxSamples bounds a window: 1.5 MB of numbers, all that a small gateway should give to one sensor.
	MaxSamples = 1 << 16
	// rateTolerance: chips stray by up to 10 %, their copies by more; a lost or doubled burst shows as more than this.
	rateTolerance = 0.25
	// minBursts are needed for a rate that is good to about one percent.
	minBursts = 8
	// stall is how long a chip may stay silent, besides the time that four watermarks take.
	stall = 200 * time.Millisecond
)

// MinSamples is the smallest window in which the rate can be measured well enough.
func (s Spec) MinSamples() int { return minBursts * s.Watermark }

func (s Spec) duration(samples int) time.Duration {
	return time.Duration(float64(samples) / s.NominalHz * float64(time.Second))
}

// Capture starts the source and reads n samples. It blocks for about n/rate and returns earlier only with an error:
// that of ctx, of the bus, or one of this package. The window is zero then.
func Capture(ctx context.Context, src Source, spec Spec, clock Clock, n int) (Window, error) {
	if n < spec.MinSamples() || n > MaxSamples {
		return Window{}, fmt.Errorf("window of %d samples: give %d to %d", n, spec.MinSamples(), MaxSamples)
	}
	if err := ctx.Err(); err != nil {
		return Window{}, err
	}
	if err := src.Start(); err != nil {
		return Window{}, fmt.Errorf("start: %w", err)
	}
	c := newCapturer(src, spec, clock, n)
	for c.read < c.total {
		if err := c.burst(); err != nil {
			return Window{}, err
		}
		if err := c.pause(ctx); err != nil {
			return Window{}, err
		}
	}
	if err := src.Check(); err != nil {
		return Window{}, fmt.Errorf("after the window: %w", err)
	}
	rate, ok := c.meter.rate()
	if !ok {
		return Window{}, ErrSlow
	}
	if math.Abs(rate/spec.NominalHz-1) > rateTolerance {
		return Window{}, fmt.Errorf("%.0f Hz measured, %.0f Hz set: %w", rate, spec.NominalHz, ErrRate)
	}
	c.w.RateHz, c.w.BandHz = rate, rate*spec.BandRatio
	return c.w, nil
}

// capturer is a capture under way.
type capturer struct {
	src         Source
	spec        Spec
	clock       Clock
	w           Window
	meter       rateMeter
	buf         []Raw
	read, total int       // samples, those that are dropped included
	polled      time.Time // when the level was read
	heard       time.Time // when there last was a sample
}

func newCapturer(src Source, spec Spec, clock Clock, n int) *capturer {
	all := make([]float64, 3*n)
	now := clock.Now()
	return &capturer{
		src: src, spec: spec, clock: clock, total: spec.Settle + n, polled: now, heard: now,
		buf: make([]Raw, spec.Depth),
		w:   Window{X: all[0:0:n], Y: all[n : n : 2*n], Z: all[2*n : 2*n : 3*n]},
	}
}

// burst reads what is in the FIFO.
func (c *capturer) burst() error {
	before := c.clock.Now()
	level, overrun, err := c.src.Level()
	after := c.clock.Now()
	c.polled = before.Add(after.Sub(before) / 2)
	switch {
	case err != nil:
		return fmt.Errorf("FIFO level: %w", err)
	case level < 0 || level > c.spec.Depth:
		return fmt.Errorf("FIFO level %d of %d: %w", level, c.spec.Depth, ErrNoChip)
	case overrun:
		c.lost()
	default:
		c.meter.add(c.polled, c.read+level)
	}
	if level == 0 {
		if c.polled.Sub(c.heard) > stall+c.spec.duration(4*c.spec.Watermark) {
			return ErrStall
		}
		return nil
	}
	c.heard = c.polled
	got := c.buf[:min(level, c.total-c.read)]
	if err := c.src.Read(got); err != nil {
		return fmt.Errorf("FIFO of %d samples: %w", level, err)
	}
	c.take(got)
	// While it is being emptied a FIFO may overflow, and the reading then clears the sign of it.
	room := float64(c.spec.duration(c.spec.Depth-level)) / (1 + rateTolerance)
	if !overrun && float64(c.clock.Now().Sub(after)) >= room {
		c.lost()
	}
	return nil
}

// lost notes that samples may be missing before the next one that is taken, or in the burst just taken.
func (c *capturer) lost() {
	c.meter.cut()
	if c.read > c.spec.Settle {
		c.w.Overruns++
	}
}

func (c *capturer) take(got []Raw) {
	for _, r := range got {
		c.read++
		if c.read <= c.spec.Settle {
			continue
		}
		c.w.X = append(c.w.X, float64(r.X)*c.spec.Scale)
		c.w.Y = append(c.w.Y, float64(r.Y)*c.spec.Scale)
		c.w.Z = append(c.w.Z, float64(r.Z)*c.spec.Scale)
		c.w.Saturated = c.w.Saturated || beyond(r.X, c.spec.Limit) || beyond(r.Y, c.spec.Limit) || beyond(r.Z, c.spec.Limit)
	}
}

func beyond(v, limit int16) bool { return v >= limit || v <= -limit }

// pause waits until about a watermark of samples has come since the last poll.
func (c *capturer) pause(ctx context.Context) error {
	if err := ctx.Err(); err != nil || c.read >= c.total {
		return err
	}
	want := c.spec.duration(min(c.spec.Watermark, c.total-c.read) + 1)
	if d := want - c.clock.Now().Sub(c.polled); d > 0 {
		return c.clock.Wait(ctx, d)
	}
	return nil
}
