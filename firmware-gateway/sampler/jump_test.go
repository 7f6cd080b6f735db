package sampler

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// A machine that starts or stops shows at once though packs are long; one that swings costs twice the packs at most.
func TestJumpIsSentAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		quantity string
		power    func(second int) float64
		packs    int           // in a minute
		shown    time.Duration // how long the newest state waits at most
	}{
		"steady":               {quantity.Power, func(int) float64 { return 1400 }, 6, 10 * time.Second},
		"noise of an idle one": {quantity.Power, func(s int) float64 { return float64(s % 2 * 15) }, 6, 10 * time.Second},
		"starts and stops":     {quantity.Power, func(s int) float64 { return []float64{5, 900}[s/20%2] }, 8, 0},
		"by a clamp":           {quantity.Current, func(s int) float64 { return []float64{0, 4}[s/20%2] }, 8, 0},
		"reversed clamp":       {quantity.Power, func(s int) float64 { return []float64{-5, -900}[s/20%2] }, 8, 0},
		"hammering":            {quantity.Power, func(s int) float64 { return []float64{100, 2000}[s%2] }, 13, 10 * time.Second},
		"another quantity":     {quantity.Speed, func(s int) float64 { return []float64{5, 900}[s/20%2] }, 6, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, n := &sink{}, 0
				run(k, Settings{Machine: "m", Every: time.Second, Pack: 10 * time.Second}, time.Minute+500*time.Millisecond, sense(func(at time.Time) ([]wire.Sample, error) {
					s := wire.Sample{TimeMs: at.UnixMilli(), Quantity: c.quantity, Number: c.power(n)}
					n++
					return []wire.Sample{s}, nil
				}))
				require.LessOrEqual(t, len(k.packs), c.packs)
				last := -1.0
				for i, p := range k.packs {
					for _, s := range p {
						if jumped := s.Number != last; jumped && last >= 0 {
							require.LessOrEqual(t, k.at[i].Sub(time.UnixMilli(s.TimeMs)), c.shown)
						}
						last = s.Number
					}
				}
			})
		})
	}
}

func TestReadingsCountAsDue(t *testing.T) {
	s := &Sampler{Settings: Settings{Every: time.Second}}
	due := time.Unix(100, 0)
	for lateness, want := range map[time.Duration]time.Duration{0: 0, 3 * time.Millisecond: 0, 11 * time.Millisecond: 11 * time.Millisecond, -time.Millisecond: -time.Millisecond} {
		require.Equal(t, due.Add(want), s.due(due, due.Add(lateness)))
	}
	require.Equal(t, due, s.due(time.Time{}, due), "the first reading")
	s.Every = 20 * time.Millisecond
	require.Equal(t, due.Add(2*time.Millisecond), s.due(due, due.Add(2*time.Millisecond)), "of fast readings a twentieth")
}
