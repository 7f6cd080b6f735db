package feature

import (
	"karkhana/hardware/chip/accel"
	"karkhana/internal/wire"
)

// Vibration returns the samples of a window, without a time. It is Analyse and Samples with buffers of its own.
func Vibration(w accel.Window) ([]wire.Sample, error) {
	f, err := new(Analyser).Analyse(w)
	if err != nil {
		return nil, err
	}
	return f.Samples(nil), nil
}
