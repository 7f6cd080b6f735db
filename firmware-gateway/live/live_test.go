package live

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/wire"
)

type source []wire.Sample

func (s *source) Sense(_ context.Context, at time.Time) ([]wire.Sample, error) {
	for i := range *s {
		(*s)[i].TimeMs += at.UnixMilli()
	}
	return *s, nil
}

func (*source) Close() error { return nil }

func TestBoard(t *testing.T) {
	now := time.UnixMilli(1_000_000_000_000)
	b := &Board{Now: func() time.Time { return now }}
	require.Nil(t, b.Values("lathe-1"))
	m := b.Watch("lathe-1", []string{"power", "card"})
	require.Equal(t, []Value{{Quantity: "power"}, {Quantity: "card"}}, b.Values("lathe-1"), "nothing yet")
	read := func(power float64, quality string) {
		src := source{{Quantity: "power", Number: power, Quality: quality}, {Quantity: "vibration", Number: 0.002, TimeMs: -4000}}
		_, err := m.Source(&src).Sense(t.Context(), now)
		require.NoError(t, err)
	}
	read(100, "")
	now = now.Add(Step)
	read(200, "")
	now = now.Add(Step)
	read(0, "fault:no-answer")
	v := b.Values("lathe-1")
	require.Len(t, v, 3, "what was not expected comes behind")
	require.Equal(t, "fault:no-answer", v[0].Sample.Quality)
	require.Zero(t, v[0].Age)
	require.False(t, v[1].Seen)
	require.Equal(t, 4*time.Second, v[2].Age, "a window that was ready earlier")
	n := len(v[0].Course)
	require.Equal(t, []float32{100, 200}, v[0].Course[n-3:n-1])
	require.True(t, math.IsNaN(float64(v[0].Course[n-1])), "a fault has no value")
	now = now.Add(Points * Step)
	v = b.Values("lathe-1")
	require.Equal(t, 300*time.Second, v[0].Age)
	for _, p := range v[0].Course {
		require.True(t, math.IsNaN(float64(p)))
	}
	for i := range 100 {
		src := source{{Quantity: "q" + string(rune('0'+i))}}
		_, err := m.Source(&src).Sense(t.Context(), now)
		require.NoError(t, err)
	}
	require.Len(t, b.Values("lathe-1"), maxQuantities, "bounded")
	m.Done()
	require.Nil(t, b.Values("lathe-1"))
}

// The mains as the status says them: the newest good reading of any machine.
func TestNewest(t *testing.T) {
	now := time.UnixMilli(1_000_000_000_000)
	b := &Board{Now: func() time.Time { return now }}
	read := func(m *Machine, s wire.Sample) {
		_, err := m.Source(&source{s}).Sense(t.Context(), now)
		require.NoError(t, err)
		now = now.Add(time.Second)
	}
	lathe, saw := b.Watch("lathe-1", nil), b.Watch("saw-1", nil)
	_, _, ok := b.Newest("supply")
	require.False(t, ok)
	read(lathe, wire.Sample{Quantity: "supply", Bool: true})
	read(saw, wire.Sample{Quantity: "supply", Bool: false})
	read(lathe, wire.Sample{Quantity: "supply", Bool: true, Quality: "fault:open"})
	s, age, ok := b.Newest("supply")
	require.True(t, ok)
	require.False(t, s.Bool)
	require.Equal(t, 2*time.Second, age)
}
