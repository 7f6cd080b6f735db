package feature

import (
	"errors"
	"fmt"

	"karkhana/hardware/chip/accel"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// Features are the numbers of one window.
type Features struct {
	Velocity     float64 // m/s RMS within Band, of the axis where it is highest
	VelocityAxis int     // 0 X, 1 Y, 2 Z
	Band         Band    // of Velocity
	Shape        Shape   // of the axis with the highest acceleration, m/s²
	ShapeAxis    int
	Overruns     int  // of the window
	Saturated    bool // the window
}

var axisNames = [3]string{"x", "y", "z"}

// Analyse returns the features of a window. Errors: ErrShort (less than a second, or axes of unequal length), ErrValue,
// ErrRate, and ErrFlat when no axis moves at all, which no working sensor does.
func (a *Analyser) Analyse(w accel.Window) (Features, error) {
	band, err := BandAt(w.RateHz, w.BandHz)
	if err != nil {
		return Features{}, err
	}
	n := len(w.X)
	if len(w.Y) != n || len(w.Z) != n {
		return Features{}, fmt.Errorf("axes of %d, %d and %d samples: %w", n, len(w.Y), len(w.Z), ErrShort)
	}
	for i, x := range w.Axes() {
		if err := check(x); err != nil {
			return Features{}, fmt.Errorf("axis %s: %w", axisNames[i], err)
		}
	}
	if err := longEnough(n, w.RateHz); err != nil {
		return Features{}, err
	}
	a.prepare(n)
	f := Features{Band: band, Overruns: w.Overruns, Saturated: w.Saturated}
	for i, axis := range w.Axes() {
		x := detrend(a.x, axis)
		shape, err := shapeOf(x)
		if errors.Is(err, ErrFlat) {
			continue // a quiet axis of a coarse chip; the others may move
		}
		if shape.RMS > f.Shape.RMS {
			f.Shape, f.ShapeAxis = shape, i
		}
		v, err := a.velocity(x, w.RateHz, band)
		if err != nil {
			return Features{}, fmt.Errorf("axis %s: %w", axisNames[i], err)
		}
		if v > f.Velocity {
			f.Velocity, f.VelocityAxis = v, i
		}
	}
	if f.Shape.RMS == 0 {
		return Features{}, ErrFlat
	}
	return f, nil
}

// Qualities of the wire contract that features can have.
const (
	saturated = "saturated"
	estimated = "estimated"
)

// Samples appends the features to out as they are sent, without a time. All are `saturated` when the window was, since
// the true values may be greater; all are `estimated` when samples were lost in it; velocity alone is `estimated` when
// its band is narrower than that of the standards.
func (f Features) Samples(out []wire.Sample) []wire.Sample {
	quality, velocity := "", ""
	switch {
	case f.Saturated:
		quality, velocity = saturated, saturated
	case f.Overruns > 0:
		quality, velocity = estimated, estimated
	case !f.Band.Full():
		velocity = estimated
	}
	return append(out,
		wire.Sample{Quantity: quantity.Vibration, Number: single(f.Velocity), Quality: velocity},
		wire.Sample{Quantity: quantity.Accel, Number: single(f.Shape.RMS), Quality: quality},
		wire.Sample{Quantity: quantity.Crest, Number: single(f.Shape.Crest), Quality: quality},
		wire.Sample{Quantity: quantity.Kurtosis, Number: single(f.Shape.Kurtosis), Quality: quality},
	)
}

// single keeps the seven digits of a short float: no accelerometer gives more, and eight bytes cost twice as much to send.
func single(v float64) float64 { return float64(float32(v)) }
