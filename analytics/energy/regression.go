package energy

import (
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// regression is ordinary least squares with a constant. Coefficient 0 is the constant.
type regression struct {
	b, se     []float64 // coefficients and their standard errors
	t, p      []float64 // b ÷ se, and how often chance alone gives as much (two-sided, Student)
	vif       []float64 // variance inflation of the variables; index 0 is that of the first variable
	condition float64   // of the centred variables scaled to length 1: 1 when none goes with another
	freedom   int       // n − coefficients
	residual  float64   // residual standard deviation
	r2        float64
	adjusted  float64 // R² for the degrees of freedom
}

// leastSquares fits y = b0 + Σ b·x by a QR decomposition of the centred variables, each scaled to length 1; that keeps the
// digits that normal equations lose. xs[i] is row i. ok is false when a variable does not vary, one is an exact sum of the
// others, or there are no degrees of freedom left.
func leastSquares(xs [][]float64, y []float64) (r regression, ok bool) {
	n := len(y)
	if n == 0 || len(xs[0]) == 0 || n <= len(xs[0])+1 {
		return r, false
	}
	k := len(xs[0])
	means, scales := make([]float64, k), make([]float64, k)
	q := mat.NewDense(n, k, nil)
	for j := range k {
		var sum, largest float64
		for i := range n {
			sum += xs[i][j]
			largest = max(largest, math.Abs(xs[i][j]))
		}
		means[j] = sum / float64(n)
		for i := range n {
			scales[j] = math.Hypot(scales[j], xs[i][j]-means[j])
		}
		if scales[j] <= 1e-12*largest || scales[j] == 0 {
			return r, false
		}
		for i := range n {
			q.Set(i, j, (xs[i][j]-means[j])/scales[j])
		}
	}
	var sumY float64
	for _, v := range y {
		sumY += v
	}
	meanY := sumY / float64(n)
	centred := mat.NewVecDense(n, nil)
	var sst float64
	for i, v := range y {
		centred.SetVec(i, v-meanY)
		sst += (v - meanY) * (v - meanY)
	}
	var qr mat.QR
	qr.Factorize(q) //nolint:misspell // a name of gonum
	var singular mat.SVD
	if !singular.Factorize(q, mat.SVDNone) { //nolint:misspell // a name of gonum
		return r, false
	}
	s := singular.Values(nil)
	if s[k-1] <= 1e-10*s[0] {
		return r, false
	}
	r.condition = s[0] / s[k-1]
	var scaled mat.VecDense
	if err := qr.SolveVecTo(&scaled, false, centred); err != nil {
		return r, false
	}
	var upper mat.Dense
	qr.RTo(&upper)
	var inverse mat.Dense
	if err := inverse.Inverse(upper.Slice(0, k, 0, k)); err != nil {
		return r, false
	}
	r.freedom = n - k - 1
	r.b, r.se = make([]float64, k+1), make([]float64, k+1)
	r.b[0] = meanY
	for j := range k {
		r.b[j+1] = scaled.AtVec(j) / scales[j]
		r.b[0] -= r.b[j+1] * means[j]
	}
	var sse float64
	for i := range n {
		d := centred.AtVec(i)
		for j := range k {
			d -= q.At(i, j) * scaled.AtVec(j)
		}
		sse += d * d
	}
	r.residual = math.Sqrt(sse / float64(r.freedom))
	if sst > 0 {
		r.r2 = max(0, 1-sse/sst)
		r.adjusted = 1 - (sse/float64(r.freedom))/(sst/float64(n-1))
	}
	// (XᵀX)⁻¹ of the scaled variables is R⁻¹R⁻ᵀ; its diagonal is the variance inflation. The constant's variance is
	// 1/n + m·(XᵀX)⁻¹·m with m the means.
	constant := 1 / float64(n)
	r.vif = make([]float64, k)
	for c := range k {
		var along float64
		for j := range k {
			v := inverse.At(j, c)
			r.vif[j] += v * v
			along += means[j] / scales[j] * v
		}
		constant += along * along
	}
	r.se[0] = r.residual * math.Sqrt(constant)
	for j := range k {
		r.se[j+1] = r.residual * math.Sqrt(r.vif[j]) / scales[j]
	}
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(r.freedom)}
	r.t, r.p = make([]float64, k+1), make([]float64, k+1)
	for j := range r.b {
		if r.se[j] > 0 {
			r.t[j] = r.b[j] / r.se[j]
			r.p[j] = 2 * student.Survival(math.Abs(r.t[j]))
		} else {
			r.t[j] = math.Copysign(math.Inf(1), r.b[j])
		}
	}
	return r, true
}
