package ctclamp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"karkhana/hardware/chip/ads1115"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
)

// ADC converts one channel. *ads1115.Dev is one; several clamps may share it.
type ADC interface {
	Sense(ctx context.Context, ch ads1115.Channel) (ads1115.Reading, error)
	String() string
}

// Opts are the settings of a clamp.
type Opts struct {
	// Channel is where the burden is connected. A pair measures against the bias; a single input wants a range of the
	// whole supply.
	Channel ads1115.Channel
	// Ratio of the primary to the secondary current. 100 A : 50 mA is 2000.
	Ratio float64
	// Burden is the resistor across the secondary.
	Burden physic.ElectricResistance
	// Supply is of ADC and bias. 0 stands for 3.3 V. The burden's voltage can swing by half of it.
	Supply physic.ElectricPotential
	// Noise is the reading without a current, subtracted in quadrature.
	Noise physic.ElectricCurrent
	// Cycles of 20 ms, 10 to 500. 0 stands for 10.
	Cycles int
}

// DefaultOpts are of an SCT-013-000 with 22 Ω between A0 and the bias at A1.
var DefaultOpts = Opts{
	Channel: ads1115.Channel{Input: ads1115.Input0Minus1, Range: ads1115.Range2048mV},
	Ratio:   2000,
	Burden:  22 * physic.Ohm,
	Supply:  defaultSupply,
	Cycles:  minCycles,
}

const (
	defaultSupply = 3300 * physic.MilliVolt
	cycle         = 20 * time.Millisecond // of 50 Hz
	minCycles     = 10
	maxCycles     = 500

	slowest    = 250                   // samples a second: five for each cycle
	longestGap = 10 * time.Millisecond // between two samples: half a cycle
	railMargin = 0.05                  // V from the end of the swing where the divider and the chip's diodes bend the wave
	biasError  = 0.15                  // of the supply: resistors of 5 % and the leakage of the inputs stay below
)

// sinc is how much of a 50 Hz wave is left after averaging over a conversion.
var sinc = math.Sin(math.Pi*50/860) / (math.Pi * 50 / 860)

// Errors of Sense. Use errors.Is.
var (
	ErrBias = errors.New("the bias is not at half the supply: check the divider and the clamp's plug")
	ErrSlow = errors.New("too few samples in a cycle: set the bus to 400 kHz, or give the clamp less company on it")
)

// Reading is the current over some cycles.
type Reading struct {
	Current   physic.ElectricCurrent   // RMS, without noise
	Bias      physic.ElectricPotential // mean of the channel
	Rate      physic.Frequency         // samples a second, measured
	Samples   int
	Saturated bool // samples hit the rails: the true current is higher
}

// Dev is a clamp. It is not safe for concurrent use, but its ADC may be shared.
type Dev struct {
	adc  ADC
	opts Opts
	name string
	buf  []sample
}

// sample is one conversion.
type sample struct {
	at      time.Duration // since the first
	v       float64       // V
	clipped bool
}

// New checks the settings. It measures nothing. opts nil stands for DefaultOpts. The caller owns the ADC.
func New(adc ADC, opts *Opts) (*Dev, error) {
	if opts == nil {
		opts = &DefaultOpts
	}
	o := *opts
	if o.Supply == 0 {
		o.Supply = defaultSupply
	}
	if o.Cycles == 0 {
		o.Cycles = minCycles
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("ctclamp: %w", err)
	}
	return &Dev{adc: adc, opts: o, name: fmt.Sprintf("ctclamp{%s %s}", adc, o.Channel.Input)}, nil
}

func (o *Opts) validate() error {
	var errs []error
	bad := func(wrong bool, format string, a ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, a...))
		}
	}
	errs = append(errs, o.Channel.Validate())
	bad(!(o.Ratio > 0) || math.IsInf(o.Ratio, 0), "ratio of %v: give primary by secondary current, 2000 for 100 A : 50 mA", o.Ratio)
	bad(o.Burden <= 0, "burden of %s: give the resistor across the secondary, 1 Ω when it is inside a 1 V clamp", o.Burden)
	bad(o.Supply < 2*physic.Volt || o.Supply > 5500*physic.MilliVolt, "supply of %s: the chip wants 2 to 5.5 V", o.Supply)
	bad(o.Noise < 0, "noise of %s: give 0 or what the clamp shows without a current", o.Noise)
	bad(o.Cycles < minCycles || o.Cycles > maxCycles, "%d cycles: give %d to %d", o.Cycles, minCycles, maxCycles)
	bad(o.Channel.Input.Single() && o.Channel.Range.FullScale() < o.Supply,
		"input %s swings over the supply of %s: give a range above it, or measure against the bias", o.Channel.Input, o.Supply)
	return errors.Join(errs...)
}

// Sense samples whole cycles and returns their RMS current. It takes 20 ms for each cycle. On an error the reading is
// zero.
func (d *Dev) Sense(ctx context.Context) (Reading, error) {
	if err := d.sample(ctx); err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	r, err := d.opts.compute(d.buf)
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d.name, err)
	}
	return r, nil
}

// sample fills d.buf with conversions until the cycles are over.
func (d *Dev) sample(ctx context.Context) error {
	d.buf = d.buf[:0]
	var first time.Time
	for {
		r, err := d.adc.Sense(ctx, d.opts.Channel)
		if err != nil {
			return err
		}
		if first.IsZero() {
			first = r.At
		}
		at := r.At.Sub(first)
		d.buf = append(d.buf, sample{at: at, v: float64(r.Voltage) / float64(physic.Volt), clipped: r.Clipped})
		if at >= time.Duration(d.opts.Cycles)*cycle {
			return nil
		}
	}
}

// compute turns samples over at least the whole cycles into a reading. Samples are oldest first, the first at 0.
func (o *Opts) compute(s []sample) (Reading, error) {
	last := len(s) - 1
	rate := float64(last) / s[last].at.Seconds()
	var gap time.Duration
	for i := 1; i <= last; i++ {
		gap = max(gap, s[i].at-s[i-1].at)
	}
	if rate < slowest || gap > longestGap {
		return Reading{}, fmt.Errorf("%.0f samples a second, longest pause %s: %w", rate, gap, ErrSlow)
	}
	whole := time.Duration(o.Cycles) * cycle
	mean := average(s, whole, func(v float64) float64 { return v })
	square := average(s, whole, func(v float64) float64 { return (v - mean) * (v - mean) })

	supply, bias := float64(o.Supply)/float64(physic.Volt), 0.0
	if o.Channel.Input.Single() {
		bias = supply / 2
	}
	if math.Abs(mean-bias) > biasError*supply {
		return Reading{}, fmt.Errorf("mean of %.2f V, not %.2f V: %w", mean, bias, ErrBias)
	}
	r := Reading{Bias: physic.ElectricPotential(mean * float64(physic.Volt)), Rate: physic.Frequency(rate * float64(physic.Hertz)), Samples: len(s)}
	for _, x := range s {
		r.Saturated = r.Saturated || x.clipped || math.Abs(x.v-bias) > supply/2-railMargin
	}
	ampere := o.Ratio / (float64(o.Burden) / float64(physic.Ohm)) * math.Sqrt(square) / sinc
	noise := float64(o.Noise) / float64(physic.Ampere)
	ampere = math.Sqrt(max(0, ampere*ampere-noise*noise))
	if ampere > float64(math.MaxInt64)/float64(physic.Ampere) {
		return Reading{}, fmt.Errorf("%.3g A: ratio and burden can't be right", ampere)
	}
	r.Current = physic.ElectricCurrent(ampere * float64(physic.Ampere))
	return r, nil
}

// average is the mean of f over the time from 0 to whole by the trapezoidal rule, the last piece cut at whole.
func average(s []sample, whole time.Duration, f func(float64) float64) float64 {
	var sum float64
	for i := 1; i < len(s) && s[i-1].at < whole; i++ {
		a, b := s[i-1], s[i]
		dt, end := b.at-a.at, b.v
		if b.at > whole {
			dt = whole - a.at
			end = a.v + (b.v-a.v)*float64(dt)/float64(b.at-a.at)
		}
		sum += (f(a.v) + f(end)) / 2 * dt.Seconds()
	}
	return sum / whole.Seconds()
}

// Halt does nothing: the ADC rests between conversions. It satisfies conn.Resource.
func (d *Dev) Halt() error { return nil }

// String names the clamp's channel and ADC.
func (d *Dev) String() string { return d.name }

var _ conn.Resource = &Dev{}
