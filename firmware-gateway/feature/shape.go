package feature

import (
	"errors"
	"fmt"
	"math"
)

// Errors of this package. Use errors.Is.
var (
	ErrShort = errors.New("the window is too short")
	ErrValue = errors.New("not an acceleration")
	ErrRate  = errors.New("the sample rate does not do for vibration")
	ErrFlat  = errors.New("the signal does not move at all: the sensor is stuck, or its range is far too coarse")
	ErrCheck = errors.New("the spectrum does not hold the energy of the signal")
)

const (
	// minSamples is what any statistic here wants at least.
	minSamples = 16
	// maxAcceleration in m/s² is the plausible limit of quantity acceleration; no chip of ours comes near.
	maxAcceleration = 1e5
	// flat is an RMS in m/s² that only rounding makes: one step of the finest chip, once in a window, gives 2e-5.
	flat = 1e-6
)

// Shape describes how a signal is spread about its mean and slope.
type Shape struct {
	RMS      float64 // unit of the signal
	Peak     float64 // greatest distance from the line, unit of the signal
	Crest    float64 // Peak ÷ RMS
	Kurtosis float64 // m4 ÷ m2², 3 for Gaussian noise: not the excess
}

// ShapeOf returns the shape of x, m/s². Errors: ErrShort, ErrValue, ErrFlat.
func ShapeOf(x []float64) (Shape, error) {
	if err := check(x); err != nil {
		return Shape{}, err
	}
	return shapeOf(detrend(make([]float64, len(x)), x))
}

// shapeOf is ShapeOf of a signal without mean and slope.
func shapeOf(x []float64) (Shape, error) {
	var m2, m4, peak float64
	for _, v := range x {
		s := v * v
		m2 += s
		m4 += s * s
		peak = max(peak, math.Abs(v))
	}
	n := float64(len(x))
	m2, m4 = m2/n, m4/n
	rms := math.Sqrt(m2)
	if rms < flat {
		return Shape{}, ErrFlat
	}
	return Shape{RMS: rms, Peak: peak, Crest: peak / rms, Kurtosis: m4 / (m2 * m2)}, nil
}

// check refuses what no sensor gives.
func check(x []float64) error {
	if len(x) < minSamples {
		return fmt.Errorf("%d samples, at least %d are needed: %w", len(x), minSamples, ErrShort)
	}
	for i, v := range x {
		if !(math.Abs(v) <= maxAcceleration) { // NaN is not
			return fmt.Errorf("sample %d is %v m/s²: %w", i, v, ErrValue)
		}
	}
	return nil
}

// detrend writes x without its mean and its least-squares line to dst, which it returns. They have the same length.
func detrend(dst, x []float64) []float64 {
	n := float64(len(x))
	mean := 0.0
	for _, v := range x {
		mean += v
	}
	mean /= n
	middle, slope := (n-1)/2, 0.0
	for i, v := range x {
		slope += (float64(i) - middle) * (v - mean)
	}
	slope /= n * (n*n - 1) / 12 // Σ(i − middle)²
	for i, v := range x {
		dst[i] = v - mean - slope*(float64(i)-middle)
	}
	return dst
}
