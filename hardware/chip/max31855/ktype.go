package max31855

import "math"

// sensitivityK is the slope in mV/°C that a MAX31855K assumes for its thermocouple (datasheet page 8, table 1).
const sensitivityK = 0.041276

// Coefficients of the type K reference function, mV from °C (NIST ITS-90 monograph 175).
var (
	voltageAbove = [...]float64{
		-0.176004136860e-1, 0.389212049750e-1, 0.185587700320e-4, -0.994575928740e-7, 0.318409457190e-9,
		-0.560728448890e-12, 0.560750590590e-15, -0.320207200030e-18, 0.971511471520e-22, -0.121047212750e-25,
	}
	voltageBelow = [...]float64{
		0, 0.394501280250e-1, 0.236223735980e-4, -0.328589067840e-6, -0.499048287770e-8, -0.675090591730e-10,
		-0.574103274280e-12, -0.310888728940e-14, -0.104516093650e-16, -0.198892668780e-19, -0.163226974860e-22,
	}
)

// Coefficients of the inverse function, °C from mV (same source), by range of the voltage.
var (
	inverseBelow = [...]float64{ // −5.891 to 0 mV
		0, 2.5173462e1, -1.1662878, -1.0833638, -8.9773540e-1, -3.7342377e-1, -8.6632643e-2, -1.0450598e-2, -5.1920577e-4,
	}
	inverseMiddle = [...]float64{ // 0 to 20.644 mV
		0, 2.508355e1, 7.860106e-2, -2.503131e-1, 8.315270e-2, -1.228034e-2, 9.804036e-4, -4.413030e-5, 1.057734e-6, -1.052755e-8,
	}
	inverseAbove = [...]float64{ // 20.644 to 54.886 mV
		-1.318058e2, 4.830222e1, -1.646031, 5.464731e-2, -9.650715e-4, 8.802193e-6, -3.110810e-8,
	}
)

// VoltageK is the electromotive force in mV of a type K thermocouple with its hot end at t °C and its cold end at
// 0 °C, for −270 to 1372 °C.
func VoltageK(t float64) float64 {
	if t < 0 {
		return polynomial(voltageBelow[:], t)
	}
	d := t - 126.9686
	return polynomial(voltageAbove[:], t) + 0.1185976*math.Exp(-0.1183432e-3*d*d)
}

// TemperatureK is the inverse of VoltageK for −200 to 1372 °C, to 0.06 °C.
func TemperatureK(mv float64) float64 {
	switch {
	case mv < 0:
		return polynomial(inverseBelow[:], mv)
	case mv < 20.644:
		return polynomial(inverseMiddle[:], mv)
	}
	return polynomial(inverseAbove[:], mv)
}

// LinearizeK returns the true temperature of a type K hot end in °C from the chip's own two readings in °C: it goes
// back to the voltage that the chip measured, adds the true voltage of the cold end, and looks up the temperature.
// Outside −200 to 1372 °C there is no reference function and the reading is returned as it is.
func LinearizeK(hot, cold float64) float64 {
	mv := sensitivityK*(hot-cold) + VoltageK(cold)
	if mv < -5.891 || mv > 54.886 {
		return hot
	}
	return TemperatureK(mv)
}

// ReadingK is what the chip would compute for a hot end at t °C and itself at cold °C: the inverse of LinearizeK,
// for simulated chips and tests.
func ReadingK(t, cold float64) float64 {
	return (VoltageK(t)-VoltageK(cold))/sensitivityK + cold
}

func polynomial(c []float64, x float64) float64 {
	y := 0.0
	for i := len(c) - 1; i >= 0; i-- {
		y = y*x + c[i]
	}
	return y
}
