package ingest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/internal/faultlink"
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

// A broker that is stopped or whose link is silent closes nothing: the connection stands, and /readyz says so all the same
// within seconds.
func TestNotReadyWhileTheBrokerIsSilent(t *testing.T) {
	for name, kind := range sources {
		if name == "embedded by nats" {
			continue // in the same process
		}
		t.Run(name, func(t *testing.T) {
			var link *faultlink.Link
			w := newWorld(t, kind, func(o *Options) {
				first, _, _ := strings.Cut(o.Source, ",")
				scheme, host, _ := strings.Cut(first, "://")
				var err error
				link, err = faultlink.New(host)
				require.NoError(t, err)
				t.Cleanup(link.Close)
				o.Source = scheme + "://" + link.Addr()
			})
			check := func() error { return w.ingest.Checks()["broker"](timeout(t, time.Second)) }
			require.Eventually(t, func() bool { return check() == nil }, patience, every)
			link.Silence()
			require.Error(t, check())
			link.Mend()
			require.Eventually(t, func() bool { return check() == nil }, patience, every)
		})
	}
}
