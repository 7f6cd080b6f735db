package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api/apitest"
)

// TestSlowPartsDoNotHoldUpLiveValues: with the budget spent, one machine's slow parts are read in each look, the oldest
// first, so that all of them have their turn; without a budget all that are due are read.
func TestSlowPartsDoNotHoldUpLiveValues(t *testing.T) {
	w, err := apitest.New(t.Context(), t.TempDir())
	require.NoError(t, err)
	defer w.Registry.Close()
	site, err := w.Registry.Site(t.Context(), apitest.Site)
	require.NoError(t, err)
	r := reader{store: w.Store, reg: w.Registry, site: site, slow: map[string]*slowParts{}}
	const tiny = time.Nanosecond
	begin := w.Now().UnixMilli()
	machines, err := r.read(t.Context(), begin, tiny)
	require.NoError(t, err)
	readAt := func(ms int64) (n int) {
		for _, s := range r.slow {
			if s.readMs == ms {
				n++
			}
		}
		return n
	}
	require.Equal(t, len(machines), readAt(begin), "what was never read is read at once")

	now := begin + todayEveryMs
	for i := range machines {
		again, err := r.read(t.Context(), now, tiny)
		require.NoError(t, err)
		require.Len(t, again, len(machines))
		require.Equal(t, len(machines)-i-1, readAt(begin))
		now += 10
	}
	now += todayEveryMs
	_, err = r.read(t.Context(), now, 0)
	require.NoError(t, err)
	require.Equal(t, len(machines), readAt(now))
}
