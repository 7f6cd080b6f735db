package timeline_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
)

func TestStatesOfAnHour(t *testing.T) {
	parts := ""
	for _, p := range []struct {
		state byte
		ms    int64
	}{{'U', 600_000}, {'R', 1_000_000}, {'I', 0}, {'O', 2_000_000}} {
		parts = timeline.AddPart(parts, p.state, p.ms)
	}
	h := timeline.Hour{StartMs: 1000, RunMs: 1_000_000, OffMs: 2_000_000, UnknownMs: 600_000, Parts: parts}
	got, told := h.States()
	require.True(t, told)
	require.Equal(t, []timeline.Interval{
		{State: timeline.StateUnknown, StartMs: 1000, EndMs: 601_000},
		{State: timeline.StateRun, StartMs: 601_000, EndMs: 1_601_000},
		{State: timeline.StateOff, StartMs: 1_601_000, EndMs: 3_601_000},
	}, got)
	h.RunMs--
	_, told = h.States()
	require.False(t, told, "they don't add up to the hour")
	for len(parts) > 1 {
		parts = timeline.AddPart(parts, 'I', 1)
	}
	require.Equal(t, timeline.NoParts, timeline.AddPart(parts, 'R', 1))
	for _, bad := range []string{"", timeline.NoParts, "R", "X5", "R-5", "Rz!", "5R", "R0", "RR5"} {
		h.Parts = bad
		_, told = h.States()
		require.False(t, told, bad)
	}
}
