package energy

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// near holds got to want within digits significant digits.
func near(t *testing.T, want, got float64, digits int) {
	t.Helper()
	require.InDelta(t, want, got, math.Abs(want)*math.Pow10(-digits))
}

// Norris of NIST's statistical reference datasets (StRD, linear regression, lower difficulty): data and certified values.
func TestNorris(t *testing.T) {
	y := []float64{0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3, 448.9, 10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9, 668.4, 449.2, 0.2}
	x := []float64{0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0, 447.5, 11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2, 669.1, 448.9, 0.5}
	xs := make([][]float64, len(x))
	for i, v := range x {
		xs[i] = []float64{v}
	}
	r, ok := leastSquares(xs, y)
	require.True(t, ok)
	near(t, -0.262323073774029, r.b[0], 11)
	near(t, 1.00211681802045, r.b[1], 13)
	near(t, 0.232818234301152, r.se[0], 11)
	near(t, 0.429796848199937e-03, r.se[1], 11)
	near(t, 0.884796396144373, r.residual, 11)
	near(t, 0.999993745883712, r.r2, 13)
	require.Equal(t, 34, r.freedom)
	require.InDelta(t, 1, r.condition, 1e-12)
	require.InDelta(t, 1, r.vif[0], 1e-12)
}

// Longley of NIST's statistical reference datasets (higher difficulty): six variables that go with one another.
func TestLongley(t *testing.T) {
	rows := [][]float64{
		{60323, 83.0, 234289, 2356, 1590, 107608, 1947}, {61122, 88.5, 259426, 2325, 1456, 108632, 1948}, {60171, 88.2, 258054, 3682, 1616, 109773, 1949},
		{61187, 89.5, 284599, 3351, 1650, 110929, 1950}, {63221, 96.2, 328975, 2099, 3099, 112075, 1951}, {63639, 98.1, 346999, 1932, 3594, 113270, 1952},
		{64989, 99.0, 365385, 1870, 3547, 115094, 1953}, {63761, 100.0, 363112, 3578, 3350, 116219, 1954}, {66019, 101.2, 397469, 2904, 3048, 117388, 1955},
		{67857, 104.6, 419180, 2822, 2857, 118734, 1956}, {68169, 108.4, 442769, 2936, 2798, 120445, 1957}, {66513, 110.8, 444546, 4681, 2637, 121950, 1958},
		{68655, 112.6, 482704, 3813, 2552, 123366, 1959}, {69564, 114.2, 502601, 3931, 2514, 125368, 1960}, {69331, 115.7, 518173, 4806, 2572, 127852, 1961},
		{70551, 116.9, 554894, 4007, 2827, 130081, 1962},
	}
	y, xs := make([]float64, len(rows)), make([][]float64, len(rows))
	for i, row := range rows {
		y[i], xs[i] = row[0], row[1:]
	}
	r, ok := leastSquares(xs, y)
	require.True(t, ok)
	b := []float64{-3482258.63459582, 15.0618722713733, -0.358191792925910e-01, -2.02022980381683, -1.03322686717359, -0.511041056535807e-01, 1829.15146461355}
	se := []float64{890420.383607373, 84.9149257747669, 0.334910077722432e-01, 0.488399681651699, 0.214274163161675, 0.226073200069370, 455.478499142212}
	for i := range b {
		near(t, b[i], r.b[i], 9)
		near(t, se[i], r.se[i], 9)
	}
	near(t, 304.854073561965, r.residual, 11)
	near(t, 0.995479004577296, r.r2, 12)
	require.Greater(t, r.vif[1], 1000.0, "the gross national product goes with all the others")
	// t and p as the textbooks print them for these data.
	require.InDelta(t, 0.177, r.t[1], 0.001)
	require.InDelta(t, 0.863, r.p[1], 0.001)
	require.InDelta(t, -4.136, r.t[3], 0.001)
	require.InDelta(t, 0.00254, r.p[3], 0.00001)
}

// Worked by hand: with x1 = −1, −1, 1, 1 and x2 = −1, 1, −1, 1 the variables are apart; b0 is the mean, b1 = Σ x1·y ÷ 4.
func TestLeastSquaresByHand(t *testing.T) {
	r, ok := leastSquares([][]float64{{-1, -1}, {-1, 1}, {1, -1}, {1, 1}}, []float64{1, 5, 4, 6})
	require.True(t, ok)
	require.InDeltaSlice(t, []float64{4, 1, 1.5}, r.b, 1e-12)
	require.InDelta(t, 1, r.residual, 1e-12, "residuals ∓0.5: SSE 1, one degree of freedom")
	require.InDelta(t, 13.0/14, r.r2, 1e-12)
	require.InDeltaSlice(t, []float64{0.5, 0.5, 0.5}, r.se, 1e-12)
	require.InDelta(t, 2*(0.5-math.Atan(2)/math.Pi), r.p[1], 1e-12, "one degree of freedom is Cauchy's distribution")
	require.InDelta(t, 1, r.condition, 1e-12)
}

func TestLeastSquaresRefuses(t *testing.T) {
	for name, xs := range map[string][][]float64{
		"one does not vary":   {{1, 3}, {2, 3}, {3, 3}, {4, 3}, {5, 3}},
		"one is twice other":  {{1, 2}, {2, 4}, {3, 6}, {4, 8}, {5, 10}},
		"nothing left over":   {{1, 2}, {2, 5}, {3, 1}},
		"no variable":         {{}, {}, {}},
		"too large and level": {{1e15}, {1e15}, {1e15}, {1e15}},
	} {
		_, ok := leastSquares(xs, make([]float64, len(xs)))
		require.False(t, ok, name)
	}
	_, ok := leastSquares(nil, nil)
	require.False(t, ok)
}

// What is left over is at right angles to every variable and to the constant: that is what least squares means.
func TestResidualsAreAtRightAngles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(8, 40).Draw(t, "n"), rapid.IntRange(1, 3).Draw(t, "k")
		number := rapid.Float64Range(0, 1000)
		xs, y := make([][]float64, n), make([]float64, n)
		for i := range xs {
			y[i] = number.Draw(t, "y")
			for range k {
				xs[i] = append(xs[i], number.Draw(t, "x"))
			}
		}
		r, ok := leastSquares(xs, y)
		if !ok || r.condition > 1e4 {
			return
		}
		for j := -1; j < k; j++ {
			var dot, size float64
			for i := range xs {
				left := y[i] - r.b[0]
				for v := range k {
					left -= r.b[v+1] * xs[i][v]
				}
				x := 1.0
				if j >= 0 {
					x = xs[i][j]
				}
				dot, size = dot+left*x, size+math.Abs(x)*1000
			}
			if math.Abs(dot) > 1e-6*(1+size) {
				t.Fatalf("variable %d: residuals lean by %g", j, dot)
			}
		}
	})
}
