package feature

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// The band of vibration severity, ISO 10816-1 and 20816-1.
const (
	LowHz  = 10.0
	HighHz = 1000.0
	// usable is the part of the sample rate up to which a velocity is believed: above it the filters of the chips fall
	// off and aliases fold in.
	usable = 0.4
	// minSeconds gives spectral lines 1 Hz apart, so that ten lines lie below the band.
	minSeconds = 1.0
)

// Band is a range of frequency, both ends in it.
type Band struct{ LowHz, HighHz float64 }

// Full says whether this is the whole band of the standards. A velocity of a narrower one must not be compared with
// their zones, only with the machine's own past.
func (b Band) Full() bool { return b.LowHz <= LowHz && b.HighHz >= HighHz }

// BandAt returns the band of velocity at a sample rate, with a chip that passes vibration up to chipHz (0: not known,
// no limit). Error: ErrRate when nothing is left of it.
func BandAt(rateHz, chipHz float64) (Band, error) {
	if !(rateHz > 0 && rateHz <= 1e6) || !(chipHz >= 0) {
		return Band{}, fmt.Errorf("%v Hz: %w", rateHz, ErrRate)
	}
	b := Band{LowHz: LowHz, HighHz: min(HighHz, usable*rateHz)}
	if chipHz > 0 {
		b.HighHz = min(b.HighHz, chipHz)
	}
	if b.HighHz <= b.LowHz {
		return Band{}, fmt.Errorf("%v Hz reach to %.1f Hz only, velocity begins at %v Hz: %w", rateHz, b.HighHz, LowHz, ErrRate)
	}
	return b, nil
}

// Velocity returns the RMS of the vibration velocity of one axis in m/s, from acceleration x in m/s² at rateHz, and
// the band that it covers. See Analyser for the recipe. Errors: ErrShort below a second, ErrValue, ErrRate.
func Velocity(x []float64, rateHz float64) (float64, Band, error) {
	band, err := BandAt(rateHz, 0)
	if err != nil {
		return 0, Band{}, err
	}
	if err := check(x); err != nil {
		return 0, Band{}, err
	}
	if err := longEnough(len(x), rateHz); err != nil {
		return 0, Band{}, err
	}
	var a Analyser
	a.prepare(len(x))
	v, err := a.velocity(detrend(a.x, x), rateHz, band)
	return v, band, err
}

func longEnough(n int, rateHz float64) error {
	if float64(n) < minSeconds*rateHz {
		return fmt.Errorf("%d samples at %.0f Hz, a second is needed: %w", n, rateHz, ErrShort)
	}
	return nil
}

// Analyser keeps the tables and buffers of a transform, so that a window costs no memory. Its zero value is ready. It
// is not safe for concurrent use.
//
// Velocity is made in the spectrum: remove mean and slope; weight with a periodic Hann window w; transform; the one-sided
// power of line k is S = 2|X|²/(N·Σw²), half of that at 0 and at half the sample rate; velocity² is the sum of
// S/(2πf)² over the lines of the band. A division by ω per line, unlike a running integral, neither drifts nor rings.
type Analyser struct {
	fft  *fourier.FFT
	hann []float64
	sumW float64 // Σw²
	x    []float64
	spec []complex128
}

// prepare makes room for windows of n samples.
func (a *Analyser) prepare(n int) {
	if len(a.x) == n {
		return
	}
	a.fft = fourier.NewFFT(n)
	a.x, a.hann, a.spec = make([]float64, n), make([]float64, n), make([]complex128, n/2+1)
	a.sumW = 0
	for i := range a.hann {
		a.hann[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n))
		a.sumW += a.hann[i] * a.hann[i]
	}
}

// velocity returns m/s RMS of x, which has no mean and slope any more and is spoilt.
func (a *Analyser) velocity(x []float64, rateHz float64, band Band) (float64, error) {
	energy := 0.0
	for i, w := range a.hann {
		x[i] *= w
		energy += x[i] * x[i]
	}
	a.fft.Coefficients(a.spec, x)
	n := len(x)
	var all, in float64
	for k, c := range a.spec {
		s := real(c)*real(c) + imag(c)*imag(c)
		if k > 0 && 2*k < n {
			s *= 2
		}
		all += s
		if f := float64(k) * rateHz / float64(n); f >= band.LowHz && f <= band.HighHz {
			in += s / (4 * math.Pi * math.Pi * f * f)
		}
	}
	// Parseval: the lines hold N times the energy of the weighted signal.
	if math.Abs(all-energy*float64(n)) > 1e-9*all+1e-18 {
		return 0, ErrCheck
	}
	return math.Sqrt(in / (float64(n) * a.sumW)), nil
}
