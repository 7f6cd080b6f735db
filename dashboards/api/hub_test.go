package api

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

// TestSlowViewerIsDropped: a viewer that takes nothing is sent away after its channel is full; the others get all.
func TestSlowViewerIsDropped(t *testing.T) {
	figures := prometheus.NewRegistry()
	m, err := newMetrics(figures)
	require.NoError(t, err)
	h := newHub(&API{log: slog.New(slog.DiscardHandler), metrics: m})
	b := h.board(registry.Site{ID: "s"})
	slow := &watcher{batches: make(chan []byte, 16), gone: make(chan struct{})}
	quick := &watcher{batches: make(chan []byte, 16), gone: make(chan struct{})}
	b.viewers[slow], b.viewers[quick] = struct{}{}, struct{}{}
	for range 20 {
		b.send([]byte("x"))
		<-quick.batches
	}
	require.NotContains(t, b.viewers, slow)
	require.Contains(t, b.viewers, quick)
	select {
	case <-slow.gone:
	default:
		require.Fail(t, "the slow viewer was not told")
	}
	families, err := figures.Gather()
	require.NoError(t, err)
	var dropped float64
	for _, f := range families {
		if f.GetName() == "karkhana_live_viewers_dropped_total" {
			dropped = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	require.InDelta(t, 1, dropped, 0)
	b.leave(slow) // leaving after being sent away does no harm
}

func TestContinues(t *testing.T) {
	at := func(min int) time.Time { return time.Date(2026, 11, 20, 0, min, 0, 0, time.UTC) }
	day := func(to int, pieces ...Segment) MachineToday {
		return MachineToday{From: at(0), To: at(to), Segments: pieces}
	}
	off, run := Segment{"off", at(0), at(10)}, Segment{"run", at(10), at(20)}
	old := day(20, off, run)
	require.True(t, continues(old, day(21, off, Segment{"run", at(10), at(21)})), "the last piece grew")
	require.True(t, continues(old, day(22, off, run, Segment{"off", at(20), at(22)})), "a piece came behind")
	require.False(t, continues(old, day(21, off, Segment{"idle", at(10), at(21)})), "the last piece is another")
	require.False(t, continues(old, day(21, Segment{"off", at(0), at(9)}, Segment{"run", at(9), at(21)})), "late data moved an edge")
	require.False(t, continues(old, day(21, off)), "a piece has gone")
	require.False(t, continues(old, day(26, off, Segment{"run", at(10), at(26)})), "old enough to be sent again")
	next := day(21, off, run)
	next.From = at(5)
	require.False(t, continues(old, next), "another day")
}

func TestLimiterForgets(t *testing.T) {
	l := newLimiter(2, time.Minute)
	now := time.Unix(0, 0)
	for i := range maxAddresses + 10 {
		l.failed(string(rune(i+256)), now)
	}
	require.LessOrEqual(t, len(l.seen), maxAddresses+1, "memory is bounded")
	require.Positive(t, l.wait("never seen", now), "while full, strangers share one count")
	require.Zero(t, l.wait("never seen", now.Add(time.Minute)))
}
