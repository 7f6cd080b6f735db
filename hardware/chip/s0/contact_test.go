package s0

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Any sequence of looks: a pulse needs its time closed and open, so their number is bounded by the time.
func FuzzContact(f *testing.F) {
	f.Add([]byte{0x80 | 30, 30, 0x80 | 40, 5, 0x80 | 3, 60})
	f.Fuzz(func(t *testing.T, looks []byte) {
		c := contact{debounce: 20 * time.Millisecond, minPulse: 30 * time.Millisecond}
		start := time.Unix(0, 0)
		at := start
		for i, l := range looks {
			if i == 0 {
				c.begin(l&0x80 != 0, at)
			}
			at = at.Add(time.Duration(l&0x7F) * time.Millisecond)
			c.see(l&0x80 != 0, at)
		}
		require.LessOrEqual(t, time.Duration(c.pulses)*(c.minPulse-jitter+c.debounce), at.Sub(start))
		require.False(t, c.pulses > 1 && c.interval < c.minPulse-jitter+c.debounce)
		require.GreaterOrEqual(t, c.closedFor(at), time.Duration(0))
	})
}
