package gap

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// What came in a gap tells whether the sensor is to blame. Good values are not: states were built before they came.
func TestWhatCameInTheGap(t *testing.T) {
	at := func(seconds int64, key string, value any) tsdb.Point {
		return tsdb.Point{Measurement: tsdb.Telemetry, Site: "s", Machine: "m", TimeMs: noon + seconds*1000, Fields: []tsdb.Field{{Key: key, Value: value}}}
	}
	for name, c := range map[string]struct {
		signal string
		points []tsdb.Point
		fault  string
	}{
		"nothing":                      {},
		"a fault":                      {points: []tsdb.Point{at(60, "power_w_q", "fault:open")}, fault: "fault:open"},
		"a fault of before it settled": {points: []tsdb.Point{at(10, "power_w_q", "fault:open")}},
		"other quantities":             {points: []tsdb.Point{at(60, "temperature_c", 20.0), at(61, "energy_wh", 5.0)}, fault: "other"},
		"good values":                  {points: []tsdb.Point{at(60, "temperature_c", 20.0), at(61, "power_w", 5.0), at(62, "temperature_c", 20.0)}},
		"good values of another signal": {
			signal: "current", points: []tsdb.Point{at(60, "power_w", 5.0), at(61, "power_w", 5.0)}, fault: "other",
		},
		"good values of that signal": {signal: "current", points: []tsdb.Point{at(60, "power_w", 5.0), at(61, "current_a", 5.0)}},
	} {
		t.Run(name, func(t *testing.T) {
			store := tsdb.NewMemory()
			require.NoError(t, store.Write(t.Context(), c.points))
			k := New(Options{Store: store, Now: func() time.Time { return time.UnixMilli(noon + hour) }})
			got, err := k.fault(t.Context(), registry.Gap{Site: "s", Machine: "m", FromMs: noon, ToMs: noon + 10*minute},
				[]registry.Settings{{Signal: c.signal}}, minToleranceMs)
			require.NoError(t, err)
			require.Equal(t, c.fault, got)
		})
	}
}
