package ingest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/syncbuf"
	"karkhana/internal/wire"
)

func TestMachinesAreAskedAgainAfterAWhile(t *testing.T) {
	r, now := newFakeRegistry("m1"), time.UnixMilli(0)
	m := newMachines(r, 5*time.Second, func() time.Time { return now })
	ask := func(machine string) bool {
		known, err := m.known(context.Background(), "s", machine)
		require.NoError(t, err)
		return known
	}
	require.True(t, ask("m1"))
	require.False(t, ask("m2"))
	r.register("m2")
	r.setDown(true)
	require.False(t, ask("m2"), "believed for five seconds")
	now = now.Add(6 * time.Second)
	_, err := m.known(context.Background(), "s", "m2")
	require.ErrorIs(t, err, errDown)
	r.setDown(false)
	require.True(t, ask("m2"))
}

func TestGatewaySeenByItsPacks(t *testing.T) {
	r, now := newFakeRegistry(), time.UnixMilli(1_000_000)
	g := newGateways(r, quiet(), func() time.Time { return now }, func(string) {})
	g.seen("s", "g")
	g.flush(context.Background())
	require.Equal(t, int64(1_000_000), r.gateway("s", "g").SeenMs)
	now = now.Add(time.Second)
	g.seen("s", "g")
	g.flush(context.Background())
	require.Equal(t, int64(1_000_000), r.gateway("s", "g").SeenMs, "packs alone are noted each 15 s")
	now = now.Add(15 * time.Second)
	g.seen("s", "g")
	r.setDown(true)
	g.flush(context.Background())
	r.setDown(false)
	g.flush(context.Background())
	require.Equal(t, int64(1_016_000), r.gateway("s", "g").SeenMs, "a failed write is tried again")
}

// A status that cannot be read is counted by its reason; a gateway that sends them without end does not fill the log.
func TestUnreadableStatuses(t *testing.T) {
	var log syncbuf.Buffer
	now, got := time.UnixMilli(1_000_000), map[string]int{}
	g := newGateways(newFakeRegistry(), slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now }, func(reason string) { got[reason]++ })
	for _, payload := range []string{
		`{"version":"` + strings.Repeat("x", wire.MaxStatusBytes) + `"}`, "", "online", `{"online":true`, `{"online":true} {}`, `{"online":"yes"}`, `["online"]`,
		`{"clock":"sundial"}`, `{"spool":"a b"}`, `{"oldest_age_s":-1}`,
	} {
		require.True(t, g.take(wire.StatusTopic("s", "g"), []byte(payload), false))
	}
	require.Equal(t, map[string]int{wire.ReasonTooLarge: 1, wire.ReasonNotJSON: 4, wire.ReasonWrongType: 2, wire.ReasonBadValue: 3}, got)
	require.ElementsMatch(t, wire.StatusReasons(), slices.Collect(maps.Keys(got)))
	require.Equal(t, 1, strings.Count(log.String(), "cannot be read"))
	now = now.Add(time.Minute)
	g.status("s", "g", nil, false)
	g.status("s", "g2", nil, false)
	require.Equal(t, 3, strings.Count(log.String(), "cannot be read"), "again after a minute, and of another gateway")
}

// A retained status is old news: only the time inside says when the gateway was heard.
func TestRetainedStatusIsOldNews(t *testing.T) {
	r, now := newFakeRegistry(), time.UnixMilli(1_000_000)
	g := newGateways(r, quiet(), func() time.Time { return now }, func(string) {})
	for _, tt := range []struct {
		status   wire.Status
		retained bool
		want     int64
	}{
		{wire.Status{}, true, 0},
		{wire.Status{Online: true, TimeMs: 400_000}, true, 400_000},
		{wire.Status{Online: true, TimeMs: 9_000_000}, true, 1_000_000}, // its clock is ahead of ours
		{wire.Status{Online: true, TimeMs: 5}, false, 1_000_000},
	} {
		payload, err := tt.status.Encode()
		require.NoError(t, err)
		g.status("s", "g", payload, tt.retained)
		g.flush(context.Background())
		require.Equal(t, tt.want, r.gateway("s", "g").SeenMs)
		require.Equal(t, tt.status.Online, r.gateway("s", "g").Online)
	}
}

func TestRepeatedPacksAreCounted(t *testing.T) {
	r := newRecentPacks()
	p := &wire.Pack{Spool: "a", Seq: 1}
	require.False(t, r.again(p))
	require.True(t, r.again(p))
	require.False(t, r.again(&wire.Pack{Spool: "b", Seq: 1}))
	for i := range uint64(recentLimit) {
		r.again(&wire.Pack{Spool: "c", Seq: i + 1})
	}
	require.True(t, r.again(p), "remembered for one more generation")
	for i := range uint64(3 * recentLimit) {
		r.again(&wire.Pack{Spool: "d", Seq: i + 1})
	}
	require.False(t, r.again(p))
	require.LessOrEqual(t, len(r.now)+len(r.before), 2*recentLimit)
}
