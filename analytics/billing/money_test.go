package billing

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAmount(t *testing.T) {
	for _, tc := range []struct{ runS, rate, want int64 }{
		{0, 12_000, 0},
		{3600, 12_000, 12_000},
		{1, 1800, 1}, // half a paisa goes up
		{1, 1799, 0},
		{5400, 12_345, 18_518}, // 18517.5
		{3, 3000, 3},           // 2.5
		{3600, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64, 3600, math.MaxInt64},
	} {
		got, err := Amount(tc.runS, tc.rate)
		require.NoError(t, err)
		require.Equal(t, tc.want, got, "%d s at %d", tc.runS, tc.rate)
	}
	for _, tc := range [][2]int64{{3601, math.MaxInt64}, {math.MaxInt64, math.MaxInt64}, {math.MaxInt64, 3601}} {
		_, err := Amount(tc[0], tc[1])
		require.ErrorIs(t, err, ErrTooLarge)
	}
	_, err := Amount(-1, 5)
	require.ErrorContains(t, err, "neither may be negative")
}

func TestAmountIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, rate := rapid.Int64Min(0).Draw(t, "s"), rapid.Int64Min(0).Draw(t, "rate")
		want := new(big.Int).Mul(big.NewInt(s), big.NewInt(rate))
		want.Add(want, big.NewInt(1800)).Div(want, big.NewInt(3600))
		got, err := Amount(s, rate)
		if !want.IsInt64() {
			require.ErrorIs(t, err, ErrTooLarge)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want.Int64(), got)
	})
}

func TestDecimalRupees(t *testing.T) {
	for paise, want := range map[int64]string{
		0:             "0.00",
		5:             "0.05",
		-5:            "-0.05",
		123_450:       "1234.50",
		math.MinInt64: "-92233720368547758.08",
	} {
		require.Equal(t, want, decimalRupees(paise))
	}
}
