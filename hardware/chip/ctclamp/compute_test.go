package ctclamp

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/physic"
)

// Whatever the codes and times, a reading is a number and not above what the rails allow.
func FuzzCompute(f *testing.F) {
	f.Add([]byte{0x1F, 0x40, 10, 0xE0, 0xC0, 12, 0, 0, 11})
	f.Fuzz(func(t *testing.T, b []byte) {
		o := DefaultOpts
		s := []sample{{}}
		for at := time.Duration(0); len(b) >= 3; b = b[3:] {
			at += time.Duration(b[2]) * 100 * time.Microsecond
			s = append(s, sample{at: at, v: float64(int16(binary.BigEndian.Uint16(b))) / 16000})
		}
		whole := time.Duration(o.Cycles) * cycle
		for s[len(s)-1].at < whole {
			last := s[len(s)-1]
			s = append(s, sample{at: last.at + 2*time.Millisecond, v: -last.v})
		}
		r, err := o.compute(s)
		if err != nil {
			require.Zero(t, r)
			return
		}
		require.GreaterOrEqual(t, r.Current, physic.ElectricCurrent(0))
		require.LessOrEqual(t, float64(r.Current)/float64(physic.Ampere), 2*2.048*2000/22*1.01)
		require.GreaterOrEqual(t, r.Rate, physic.Frequency(0)) // a NaN would have become the smallest
	})
}
