package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// What a gateway without a time has sent is marked, to the sample, and what stands beside it is not.
func TestBoundedStretchesAreMarked(t *testing.T) {
	r := newRig(t)
	type answer struct{ Intervals []api.Interval }
	path := base + "/machines/cutting-1/intervals?" + today()
	before := get[answer](r, registry.RoleManager, path).Intervals
	mid := -1
	for i, iv := range before {
		require.NotEqual(t, "bounded", iv.Quality)
		if i > 1 && i < len(before)-2 && iv.State == "run" {
			mid = i
		}
	}
	require.Positive(t, mid)
	begin, end := before[mid].Start, before[mid].End.Add(-time.Millisecond)
	for at := begin; !at.After(end); at = at.Add(time.Second) {
		require.NoError(t, r.Store.Write(t.Context(), []tsdb.Point{{
			Measurement: tsdb.Telemetry, Site: apitest.Site, Machine: "cutting-1", TimeMs: at.UnixMilli(),
			Fields: []tsdb.Field{{Key: "power_w", Value: 1200.0}, {Key: tsdb.TimeBounded, Value: int64(1)}},
		}}))
	}
	for i, iv := range get[answer](r, registry.RoleManager, path).Intervals {
		if i == mid {
			require.Equal(t, "bounded", iv.Quality)
		} else {
			require.Equal(t, before[i].Quality, iv.Quality, "interval %d", i)
		}
	}
	marked := 0
	series := get[api.Series](r, registry.RoleViewer, base+"/machines/cutting-1/series?quantity=power&points=200&"+today())
	step := time.Duration(series.StepS * float64(time.Second))
	for _, p := range series.Points {
		in := p.T.Before(end) && p.T.Add(step).After(begin)
		require.Equal(t, in, p.Bounded, "%v", p.T)
		if in {
			marked++
		}
	}
	require.Positive(t, marked)
}
