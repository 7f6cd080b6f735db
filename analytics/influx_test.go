package analytics

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/influxd/influxdtest"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// The same deliveries, late and twice, end in the same content in InfluxDB as in memory.
func TestInflux(t *testing.T) {
	all := hours(30)
	memory := newRig(t, tsdb.NewMemory(), settings)
	memory.deliver(all...)
	memory.mustBuild()

	influx := newRig(t, influxdtest.Store(t), settings)
	for _, part := range [][]tsdb.Point{all[5000:9000], all[:100], all[100:4000], all[3500:5100], all[9000:10000], all[10000:]} {
		require.NoError(t, influx.store.Write(t.Context(), part))
		require.NoError(t, influx.registry.Touch(t.Context(), []registry.Touched{
			{Site: "cfc", Machine: "lathe", FromMs: part[0].TimeMs, ToMs: part[len(part)-1].TimeMs},
		}))
		influx.mustBuild()
	}
	require.Equal(t, dump(memory.store, "lathe"), dump(influx.store, "lathe"))
}

// BenchmarkInfluxRebuildMonth folds a month of 1 s samples (power and register) from InfluxDB.
func BenchmarkInfluxRebuildMonth(b *testing.B) {
	store := influxdtest.Store(b)
	const n = 30 * 24 * 3600
	batch := make([]tsdb.Point, 0, 20_000)
	for i := range int64(n) {
		batch = append(batch, point("lathe", midnight+i*second, float64(i/1800%3*700), float64(i/4)))
		if len(batch) == cap(batch) || i == n-1 {
			require.NoError(b, store.Write(b.Context(), batch))
			batch = batch[:0]
		}
	}
	for b.Loop() {
		r := newRig(b, store, settings)
		require.NoError(b, r.registry.Touch(b.Context(), []registry.Touched{{Site: "cfc", Machine: "lathe", FromMs: midnight, ToMs: midnight + n*second}}))
		require.Equal(b, n, r.mustBuild().samples)
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}

// InfluxDB adds up to the same bits as we do, so that copies of hours are of use.
func TestInfluxCopies(t *testing.T) {
	all := hours(40)
	for i := range all {
		all[i] = point("lathe", all[i].TimeMs, float64(i/60%2*2000)+float64(i%97)*0.137, 1e6+float64(i)/7)
	}
	r := newRig(t, influxdtest.Store(t), settings)
	require.NoError(t, r.store.Write(t.Context(), all))
	require.NoError(t, r.registry.Touch(t.Context(), []registry.Touched{{Site: "cfc", Machine: "lathe", FromMs: all[0].TimeMs, ToMs: all[len(all)-1].TimeMs}}))
	r.mustBuild()
	r.changeRules(1)
	require.Equal(t, 40, r.read(hourCopy))
	require.Equal(t, straight(t, all, 1), dump(r.store, "lathe"))
	require.NoError(t, r.store.Write(t.Context(), []tsdb.Point{point("lathe", all[20*360].TimeMs+1, 50, -1)}))
	r.changeRules(0)
	require.Equal(t, 39, r.read(hourCopy))
	require.Equal(t, 1, r.read(hourOutdated))
}
