package ingest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/wire"
)

// FuzzCheck holds that nothing from outside gets further than it may: what passes has the topic's identity, a known
// machine, believable times, and makes points that a store accepts by form.
func FuzzCheck(f *testing.F) {
	for _, format := range []wire.Format{wire.FormatCBOR, wire.FormatJSON} {
		payload, err := packOf(1, "m1").Encode(format)
		require.NoError(f, err)
		f.Add(wire.PackTopic("s", "g", "m1", wire.LaneLive), payload)
		f.Add(wire.PackTopic("s", "g", "m9", wire.LaneHistory), payload)
	}
	f.Add("cfc/v1/s/g/status", []byte("{}"))
	r := newFakeRegistry("m1")
	now := func() time.Time { return time.UnixMilli(baseMs + 3_600_000) }
	c := &checker{machines: newMachines(r, time.Hour, now), minTimeMs: wire.MinTimeMs, now: now}
	f.Fuzz(func(t *testing.T, rawTopic string, payload []byte) {
		topic, err := wire.ParseTopic(rawTopic)
		if err != nil {
			return
		}
		p, refused, err := c.check(context.Background(), &wire.Decoder{}, topic, payload)
		require.NoError(t, err)
		require.NotNil(t, p)
		if refused != nil {
			require.NotEmpty(t, refused.reason)
			require.NotEmpty(t, refused.detail)
			require.Less(t, len(refused.detail), 2000)
			return
		}
		require.Equal(t, [2]string{"s", "m1"}, [2]string{p.Site, p.Machine})
		var b lineBuilder
		points, values := pointsOf(t, &b, p)
		require.LessOrEqual(t, values, 2*len(p.Samples))
		for _, pt := range points {
			require.NotEmpty(t, pt.Fields)
			require.GreaterOrEqual(t, pt.TimeMs, wire.MinTimeMs)
			require.LessOrEqual(t, pt.TimeMs, now().Add(wire.MaxFuture).UnixMilli())
		}
	})
}
