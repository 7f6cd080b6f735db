package ingest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/internal/tsdb"
)

// Store and registry answer questions, but what ingest holds is not written: it is not ready, and says what it waits for.
func TestNotReadyWhileNothingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, err := New(Options{
			Source: "mqtt://127.0.0.1:1", ClientID: "h", Store: tsdb.NewMemory(), Registry: newFakeRegistry("m1"),
			Logger: quiet(), Registerer: prometheus.NewRegistry(),
		})
		require.NoError(t, err)
		readyz := func() string {
			w := httptest.NewRecorder()
			in.Handler(prometheus.NewRegistry()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			require.Equal(t, http.StatusServiceUnavailable, w.Code, "there is no broker")
			return w.Body.String()
		}
		locked := make(chan struct{})
		go func() {
			_ = in.untilDone(t.Context(), "note the touched stretches", func() error { <-locked; return nil })
		}()
		synctest.Wait()
		require.JSONEq(t, `{"broker":"does not answer","store":"ok","registry":"ok","ingest":"ok"}`, readyz())
		time.Sleep(2 * stuckAfter)
		require.JSONEq(t, `{"broker":"does not answer","store":"ok","registry":"ok","ingest":"has tried for 10s to note the touched stretches"}`, readyz())
		close(locked)
		synctest.Wait()
		require.Contains(t, readyz(), `"ingest":"ok"`)
	})
}
