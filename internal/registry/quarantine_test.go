package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// Of the machines with packs in quarantine those are found that are registered by now, each once.
func TestRegisteredInQuarantine(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		for i, machine := range []string{"furnace-1", "furnace-1", "unheard-of", "cutter-2"} {
			q := Quarantined{ReceivedMs: int64(i), Site: site, Machine: machine, Reason: "unknown-machine", Payload: []byte{byte(i)}}
			if machine == "cutter-2" {
				q.Reason = "absurd-time"
			}
			require.NoError(t, d.Quarantine(t.Context(), q))
		}
		got, err := d.RegisteredInQuarantine(t.Context(), "unknown-machine")
		require.NoError(t, err)
		require.Equal(t, []MachineRef{{site, "furnace-1"}}, got)
	})
}

func TestQuarantine(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		pack := func(payload string, atMs int64) Quarantined {
			return Quarantined{ReceivedMs: atMs, Topic: "cfc/v1/s/gw-1/kiln/telemetry", Site: "s", Gateway: "gw-1", Machine: "kiln",
				Reason: "unknown-machine", Detail: "no machine kiln", Payload: []byte(payload)}
		}
		require.NoError(t, d.Quarantine(ctx, pack("\x00\xff one", 100)))
		require.NoError(t, d.Quarantine(ctx, pack("two", 200)))
		require.NoError(t, d.Quarantine(ctx, pack("\x00\xff one", 300)))
		empty := Quarantined{ReceivedMs: 50, Topic: "x\x00\xff", Reason: "not-senml", Detail: "\xffnonsense"}
		require.NoError(t, d.Quarantine(ctx, empty))

		all, err := d.QuarantinedList(ctx, "", 0)
		require.NoError(t, err)
		one, two := pack("\x00\xff one", 300), pack("two", 200)
		one.ID, one.Count, two.ID, two.Count = 1, 2, 2, 1
		one.Length, one.SHA256, two.Length, two.SHA256 = 6, shaOf("\x00\xff one"), 3, shaOf("two")
		require.Equal(t, []Quarantined{one, two,
			{ID: 3, ReceivedMs: 50, Topic: "x\uFFFD\uFFFD", Reason: "not-senml", Detail: "\uFFFDnonsense", Payload: []byte{}, Count: 1, SHA256: shaOf("")}}, all)
		ofSite, err := d.QuarantinedList(ctx, "s", 1)
		require.NoError(t, err)
		require.Equal(t, []Quarantined{one}, ofSite)

		waiting, err := d.QuarantinedFor(ctx, "s", "kiln", "unknown-machine", 0)
		require.NoError(t, err)
		require.Equal(t, []Quarantined{one, two}, waiting, "in the order they first came")
		none, err := d.QuarantinedFor(ctx, "s", "kiln", "absurd-time", 0)
		require.NoError(t, err)
		require.Empty(t, none)

		many := make([]int64, 1300)
		for i := range many {
			many[i] = int64(i) + 100
		}
		require.NoError(t, d.DeleteQuarantined(ctx))
		require.NoError(t, d.DeleteQuarantined(ctx, append(many, one.ID, two.ID)...))
		all, err = d.QuarantinedList(ctx, "", 0)
		require.NoError(t, err)
		require.Len(t, all, 1)
	})
}

func TestQuarantineCountsUnderConcurrency(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		var g errgroup.Group
		for range 20 {
			g.Go(func() error {
				return d.Quarantine(t.Context(), Quarantined{Topic: "t", Reason: "r", Payload: []byte("p")})
			})
		}
		require.NoError(t, g.Wait())
		all, err := d.QuarantinedList(t.Context(), "", 0)
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.EqualValues(t, 20, all[0].Count)
	})
}

func shaOf(payload string) string {
	sum := sha256.Sum256([]byte(payload))
	return hex.EncodeToString(sum[:])
}

// refused is a pack of n bytes; i tells it from others.
func refused(site, machine, reason string, i, n int) Quarantined {
	payload := fmt.Sprintf("%s%0*d", machine, n-len(machine), i)
	return Quarantined{ReceivedMs: 1_795_000_000_000 + int64(i)*60_000, Topic: "cfc/v1/" + site + "/gw-1/" + machine + "/telemetry",
		Site: site, Gateway: "gw-1", Machine: machine, Reason: reason, Detail: "because", Payload: []byte(payload)}
}

// usageHolds compares what is booked with what is there.
func usageHolds(t *testing.T, d *DB) {
	t.Helper()
	all, err := d.QuarantinedList(t.Context(), "", 0)
	require.NoError(t, err)
	var packs, bytes int64
	for _, q := range all {
		packs, bytes = packs+1, bytes+int64(len(q.Payload))
	}
	total, err := d.QuarantineTotals(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int64{packs, bytes}, []int64{total.Packs, total.Bytes})
}

func TestQuarantineMakesRoomOfTheSameSite(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.LimitQuarantine(QuarantineLimits{SitePacks: 10, SiteBytes: 2000})
		for i := range 3 {
			require.NoError(t, d.Quarantine(ctx, refused("good", "kiln", "absurd-time", i, 100)))
		}
		for i := range 50 {
			require.NoError(t, d.Quarantine(ctx, refused("bad", "lathe", "not-senml", i, 100)))
			require.NoError(t, d.Quarantine(ctx, refused("bad", "lathe", "not-senml", i, 100)), "again")
		}
		kept, err := d.FindQuarantined(ctx, QuarantineFilter{Site: "good"})
		require.NoError(t, err)
		require.Len(t, kept, 3)
		kept, err = d.FindQuarantined(ctx, QuarantineFilter{Site: "bad"})
		require.NoError(t, err)
		require.Len(t, kept, 10)
		require.Equal(t, refused("bad", "lathe", "not-senml", 49, 100).Payload, kept[0].Payload)
		require.EqualValues(t, 2, kept[0].Count)
		s, err := d.QuarantineSummaries(ctx, "", 0)
		require.NoError(t, err)
		require.Equal(t, []QuarantineSummary{{
			Site: "bad", Topic: "cfc/v1/bad/gw-1/lathe/telemetry", Reason: "not-senml", Day: "2026-11-18", Packs: 40, Bytes: 4000,
			FirstMs: 1_795_000_000_000, LastMs: 1_795_000_000_000 + 39*60_000, SHA256: shaOf(string(refused("bad", "lathe", "not-senml", 39, 100).Payload)),
		}}, s)
		usageHolds(t, d)

		// One large pack pushes out as many small ones as it needs.
		require.NoError(t, d.Quarantine(ctx, refused("bad", "lathe", "too-large", 100, 1500)))
		kept, err = d.FindQuarantined(ctx, QuarantineFilter{Site: "bad"})
		require.NoError(t, err)
		require.Len(t, kept, 6)
		usageHolds(t, d)
	})
}

// Packs of several sites and reasons in one transaction are kept, counted and make room as one after the other.
func TestQuarantineTogether(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.LimitQuarantine(QuarantineLimits{SitePacks: 300})
		var packs []Quarantined
		for i := range 700 {
			packs = append(packs, refused("bad", "lathe", []string{"not-senml", "unknown-unit"}[i%2], i, 50))
		}
		packs = append(packs, refused("good", "kiln", "absurd-time", 1, 100), refused("good", "kiln", "absurd-time", 1, 100))
		require.NoError(t, d.Quarantine(ctx, packs...))
		require.NoError(t, d.Quarantine(ctx), "nothing")
		counts, err := d.QuarantineCounts(ctx, "")
		require.NoError(t, err)
		require.Len(t, counts, 3)
		require.Equal(t, []int64{150, 150, 1}, []int64{counts[0].Packs, counts[1].Packs, counts[2].Packs})
		kept, err := d.FindQuarantined(ctx, QuarantineFilter{Site: "good"})
		require.NoError(t, err)
		require.EqualValues(t, 2, kept[0].Count, "the same twice in one transaction")
		left, err := d.QuarantineSummaries(ctx, "", 0)
		require.NoError(t, err)
		require.Len(t, left, 2)
		for i, s := range left {
			newest := refused("bad", "lathe", s.Reason, 399-i, 50)
			require.Equal(t, QuarantineSummary{
				Site: "bad", Topic: newest.Topic, Reason: s.Reason, Day: "2026-11-18", Packs: 200, Bytes: 200 * 50,
				FirstMs: 1_795_000_000_000 + int64(1-i)*60_000, LastMs: newest.ReceivedMs, SHA256: shaOf(string(newest.Payload)),
			}, s)
		}
		usageHolds(t, d)
	})
}

func TestQuarantineMakesRoomOfTheLargestSite(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.LimitQuarantine(QuarantineLimits{TotalPacks: 20, TotalBytes: 1 << 20})
		for i := range 15 {
			require.NoError(t, d.Quarantine(ctx, refused("large", "kiln", "absurd-time", i, 100)))
		}
		for i := range 8 {
			require.NoError(t, d.Quarantine(ctx, refused("small", "kiln", "absurd-time", i, 100)))
		}
		counts, err := d.QuarantineCounts(ctx, "")
		require.NoError(t, err)
		require.Len(t, counts, 2)
		require.Equal(t, []int64{12, 8}, []int64{counts[0].Packs, counts[1].Packs})
		total, err := d.QuarantineTotals(ctx)
		require.NoError(t, err)
		require.Equal(t, QuarantineTotal{Sites: 2, Packs: 20, Bytes: 2000, SummarisedPacks: 3, SummarisedBytes: 300}, total)
	})
}

func TestQuarantineSummariesAreBounded(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.LimitQuarantine(QuarantineLimits{SitePacks: 1, Summaries: 10})
		for i := range 40 {
			require.NoError(t, d.Quarantine(ctx, refused("s", fmt.Sprintf("m%d", i), "bad-topic", i, 50)))
		}
		rows, err := d.QuarantineSummaries(ctx, "s", 0)
		require.NoError(t, err)
		require.LessOrEqual(t, len(rows), 11)
		var packs int64
		for _, r := range rows {
			packs += r.Packs
		}
		require.EqualValues(t, 39, packs, "nothing is forgotten")
		require.True(t, slices.ContainsFunc(rows, func(r QuarantineSummary) bool { return r.Topic == "" && r.Day == "2026-11" }))
	})
}

func TestQuarantineSearch(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		require.NoError(t, d.Quarantine(ctx, refused("s", "kiln", "absurd-time", 1, 100)))
		require.NoError(t, d.Quarantine(ctx, refused("s", "kiln", "unknown-unit", 2, 5000)))
		require.NoError(t, d.Quarantine(ctx, refused("s", "lathe", "absurd-time", 3, 100)))
		require.NoError(t, d.Quarantine(ctx, refused("t", "lathe", "absurd-time", 4, 100)))
		require.NoError(t, d.Quarantine(ctx, Quarantined{ReceivedMs: 5, Topic: "x", Reason: "bad-topic", Payload: []byte("y")}))
		ids := func(f QuarantineFilter) (out []int64) {
			rows, err := d.FindQuarantined(ctx, f)
			require.NoError(t, err)
			for _, q := range rows {
				out = append(out, q.ID)
			}
			return out
		}
		require.Equal(t, []int64{5, 4, 3, 2, 1}, ids(QuarantineFilter{}))
		require.Equal(t, []int64{3, 2, 1}, ids(QuarantineFilter{Site: "s"}))
		require.Equal(t, []int64{2, 1}, ids(QuarantineFilter{Site: "s", BeforeID: 3}))
		require.Equal(t, []int64{2}, ids(QuarantineFilter{Machine: "kiln", Reason: "unknown-unit"}))
		require.Equal(t, []int64{4, 3}, ids(QuarantineFilter{SinceMs: 1_795_000_000_000 + 3*60_000}))
		require.Equal(t, []int64{4, 3}, ids(QuarantineFilter{Machine: "lathe", Limit: 2}))
		require.Equal(t, []int64{5}, ids(QuarantineFilter{NoSite: true}))
		require.Equal(t, []int64{5, 1}, ids(QuarantineFilter{IDs: []int64{1, 5, 77}}))
		_, err := d.FindQuarantined(ctx, QuarantineFilter{IDs: make([]int64, MaxQuarantineIDs+1)})
		require.Error(t, err)
		rows, err := d.FindQuarantined(ctx, QuarantineFilter{IDs: []int64{2}})
		require.NoError(t, err)
		require.Len(t, rows[0].Payload, QuarantineHead)
		whole, err := d.QuarantinedByID(ctx, 2)
		require.NoError(t, err)
		require.True(t, whole.Whole())
		require.Len(t, whole.Payload, 5000)
		_, err = d.QuarantinedByID(ctx, 77)
		require.ErrorIs(t, err, ErrNotFound)
		n, err := d.DropQuarantined(ctx, QuarantineFilter{Site: "s", Reason: "absurd-time"})
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		require.Equal(t, []int64{5, 4, 2}, ids(QuarantineFilter{}))
		usageHolds(t, d)
	})
}

func TestQuarantineReplay(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		for i := range 4 {
			require.NoError(t, d.Quarantine(ctx, refused("s", "kiln", "absurd-time", i, 100)))
		}
		long := refused("s", "kiln", "absurd-time", 9, 100)
		long.Length, long.SHA256 = 10<<20, strings.Repeat("ab", 32)
		require.NoError(t, d.Quarantine(ctx, long))
		same := refused("s", "kiln", "unknown-unit", 2, 100) // what number 3 will be refused as
		require.NoError(t, d.Quarantine(ctx, same))

		ids, cut, err := d.AskReplay(ctx, QuarantineFilter{Site: "s", Reason: "absurd-time"}, 500)
		require.NoError(t, err)
		require.Equal(t, []int64{1, 2, 3, 4}, ids)
		require.EqualValues(t, 1, cut)
		due, err := d.ToReplay(ctx, 3)
		require.NoError(t, err)
		require.Len(t, due, 3)
		require.True(t, bytes.Equal(refused("s", "kiln", "absurd-time", 0, 100).Payload, due[0].Payload))

		stored := QuarantineReplay{ID: 1, AtMs: 600, Outcome: ReplayStored}
		again := QuarantineReplay{ID: 2, AtMs: 601, Outcome: ReplayRefused, Reason: "absurd-time", Detail: "still"}
		merged := QuarantineReplay{ID: 3, AtMs: 602, Outcome: ReplayRefused, Reason: "unknown-unit", Detail: "now the unit"}
		moved := QuarantineReplay{ID: 4, AtMs: 603, Outcome: ReplayRefused, Reason: "out-of-range", Detail: "too hot"}
		for _, r := range []QuarantineReplay{stored, again, merged, moved, {ID: 1, AtMs: 700, Outcome: ReplayStored}} {
			require.NoError(t, d.Replayed(ctx, r))
		}
		got, err := d.Replays(ctx, ids, 500)
		require.NoError(t, err)
		require.Equal(t, []QuarantineReplay{stored, again, merged, moved}, got)
		rows, err := d.FindQuarantined(ctx, QuarantineFilter{})
		require.NoError(t, err)
		var left []string
		for _, q := range rows {
			left = append(left, fmt.Sprint(q.ID, " ", q.Reason, " ", q.Count, " ", q.ReplayMs))
		}
		require.Equal(t, []string{"6 unknown-unit 2 0", "5 absurd-time 1 0", "4 out-of-range 1 0", "2 absurd-time 1 0"}, left)
		due, err = d.ToReplay(ctx, 0)
		require.NoError(t, err)
		require.Empty(t, due)
		usageHolds(t, d)
	})
}

// A day of refused packs must not slow ingest: each costs a few small statements, however full the quarantine is.
func BenchmarkQuarantineFull(b *testing.B) {
	d, err := Open(b.Context(), "sqlite://"+b.TempDir()+"/registry.db")
	require.NoError(b, err)
	defer d.Close()
	d.LimitQuarantine(QuarantineLimits{SitePacks: 5000})
	for i := range 5000 {
		require.NoError(b, d.Quarantine(b.Context(), refused("s", "kiln", "absurd-time", i, 800)))
	}
	start := time.Now()
	for i := range b.N {
		require.NoError(b, d.Quarantine(b.Context(), refused("s", "kiln", "absurd-time", 5000+i, 800)))
	}
	b.ReportMetric(float64(time.Since(start).Microseconds())/float64(b.N), "µs/pack")
}
