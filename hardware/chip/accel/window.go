package accel

import "errors"

// Gravity is standard gravity, m/s² per g.
const Gravity = 9.80665

// Window is a stretch of acceleration on three axes.
type Window struct {
	// RateHz is the measured sample rate. Sample i lies i/RateHz after the first one, if Overruns is 0.
	RateHz float64
	// X, Y, Z are m/s², oldest first, gravity included. They have the same length.
	X, Y, Z []float64
	// Overruns counts the places within the window at which samples may have been lost.
	Overruns int
	// Saturated says that at least one sample lies at the end of the chip's range: the true value may be greater.
	Saturated bool
	// BandHz is the frequency up to which the chip passes vibration (−3 dB). 0: not known, as of a recording.
	BandHz float64
}

// Axes returns X, Y and Z in this order.
func (w Window) Axes() [3][]float64 { return [3][]float64{w.X, w.Y, w.Z} }

// Errors of a capture. Use errors.Is; the text says what to look at.
var (
	ErrNoChip = errors.New("no such chip answers: check power, chip select or address, and the data lines")
	ErrStall  = errors.New("the chip has stopped sampling: check its supply; it may have been reset")
	ErrRate   = errors.New("the measured sample rate can't be true: samples are lost or doubled on the bus, or the chip has been reset")
	ErrSlow   = errors.New("every burst came too late, so that the rate can't be measured: lower the rate or the load of the processor")
	ErrConfig = errors.New("the chip does not keep what is written to it: check the data lines and the supply")
)
