package billing

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// ErrTooLarge says that an amount does not fit in int64 paise: a tariff or a duration is absurd.
var ErrTooLarge = errors.New("amount is too large: check the tariff and the durations")

// Amount is halfUp(runS × paisePerHour / 3600) paise. It is exact for all inputs, or ErrTooLarge. Negative inputs are
// refused: run time and prices have no sign.
func Amount(runS, paisePerHour int64) (int64, error) {
	if runS < 0 || paisePerHour < 0 {
		return 0, fmt.Errorf("amount of %d s at %d paise per hour: neither may be negative", runS, paisePerHour)
	}
	hi, lo := bits.Mul64(uint64(runS), uint64(paisePerHour))
	lo, carry := bits.Add64(lo, 3600/2, 0)
	hi += carry
	if hi >= 3600 {
		return 0, ErrTooLarge
	}
	q, _ := bits.Div64(hi, lo, 3600)
	if q > math.MaxInt64 {
		return 0, ErrTooLarge
	}
	return int64(q), nil
}

// add is a + b for amounts, or ErrTooLarge.
func add(a, b int64) (int64, error) {
	if b > 0 && a > math.MaxInt64-b {
		return 0, ErrTooLarge
	}
	return a + b, nil
}

// halfUp divides a count by per and rounds half up. n is not negative.
func halfUp(n, per int64) int64 { return (n + per/2) / per }

// decimalRupees writes paise for machines: 1234.50, -0.05.
func decimalRupees(paise int64) string {
	sign, u := "", uint64(paise)
	if paise < 0 {
		sign, u = "-", -u // two's complement: right for the smallest int64 too
	}
	return fmt.Sprintf("%s%d.%02d", sign, u/100, u%100)
}
