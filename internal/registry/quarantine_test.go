package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

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
		require.Equal(t, []Quarantined{one, two,
			{ID: 3, ReceivedMs: 50, Topic: "x\uFFFD\uFFFD", Reason: "not-senml", Detail: "\uFFFDnonsense", Payload: []byte{}, Count: 1}}, all)
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
