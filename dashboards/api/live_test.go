package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
)

// event is one server-sent event.
type event struct{ name, id, data string }

// serve starts a server with its live hub; both end with the test.
func (r *rig) serve() *httptest.Server {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.api.Run(ctx) }()
	s := httptest.NewServer(r.api.Handler())
	r.t.Cleanup(func() {
		cancel() // sends viewers away, so that Close does not wait for them
		require.NoError(r.t, <-done)
		s.Close()
	})
	return s
}

// watch opens a live stream; its events come on the channel, which closes with the stream.
func (r *rig) watch(s *httptest.Server, query string, changes ...with) <-chan event {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+base+"/live"+query, nil)
	require.NoError(r.t, err)
	r.as(registry.RoleViewer)(q)
	for _, c := range changes {
		c(q)
	}
	res, err := s.Client().Do(q)
	require.NoError(r.t, err)
	require.Equal(r.t, http.StatusOK, res.StatusCode)
	require.Equal(r.t, "text/event-stream", res.Header.Get("Content-Type"))
	out := make(chan event)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		defer close(out)
		defer res.Body.Close()
		var e event
		for in := bufio.NewScanner(bufio.NewReaderSize(res.Body, 1<<20)); in.Scan(); {
			key, value, _ := strings.Cut(in.Text(), ": ")
			switch key {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
				e = event{}
			}
		}
	}()
	r.t.Cleanup(func() { cancel(); <-finished })
	return out
}

// until reads events up to the first that fits and returns all of them.
func until(t *testing.T, in <-chan event, fits func(event) bool) []event {
	t.Helper()
	var all []event
	late := time.After(time.Minute)
	for {
		select {
		case e, ok := <-in:
			require.True(t, ok, "the stream ended after %d events", len(all))
			all = append(all, e)
			if fits(e) {
				return all
			}
		case <-late:
			require.FailNow(t, "no such event", "after %d others", len(all))
		}
	}
}

func isPing(e event) bool { return e.name == "ping" }

func count(events []event, name string) (n int) {
	for _, e := range events {
		if e.name == name {
			n++
		}
	}
	return n
}

func quick(o *api.Options) { o.Poll = 10 * time.Millisecond }

func TestLiveTellsWhatChanges(t *testing.T) {
	r := newRig(t, quick)
	s := r.serve()
	in := r.watch(s, "")
	first := until(t, in, isPing)
	require.Equal(t, 7, count(first, "machine"), "without a cursor everything comes once")
	require.Equal(t, 2, count(first, "alarm"))
	require.Equal(t, 2, count(first, "gateway"))

	require.NoError(t, r.Advance(t.Context(), time.Second))
	require.NoError(t, r.SetState(t.Context(), "hammer-1", "run"))
	require.NoError(t, r.Advance(t.Context(), time.Second))
	news := until(t, in, func(e event) bool {
		var m api.MachineEvent
		if e.name != "machine" || json.Unmarshal([]byte(e.data), &m) != nil || m.ID != "hammer-1" || m.Live == nil {
			return false
		}
		return m.Live.State == "run"
	})
	for _, e := range news {
		require.NotContains(t, e.data, `"spark"`, "a page draws the bar on by itself")
	}

	_, err := r.Registry.ResolveAlarm(t.Context(), apitest.Site, 1, "someone", "done", r.Now().UnixMilli())
	require.NoError(t, err)
	require.NoError(t, r.Advance(t.Context(), time.Second))
	until(t, in, func(e event) bool { return e.name == "alarm" && strings.Contains(e.data, `"resolved"`) })
}

func TestLiveComesBackWithoutRepeating(t *testing.T) {
	r := newRig(t, quick)
	s := r.serve()
	cursor := get[struct{ Cursor string }](r, registry.RoleViewer, base+"/machines").Cursor
	require.Zero(t, count(until(t, r.watch(s, "?cursor="+cursor), isPing), "machine"), "nothing changed since")

	require.NoError(t, r.Advance(t.Context(), time.Second))
	some := count(until(t, r.watch(s, "", header("Last-Event-ID", cursor)), isPing), "machine")
	require.Equal(t, 6, some, "all but the silent one")
	for _, foreign := range []string{"other.5", "rubbish", strings.Split(cursor, ".")[0] + ".99999", "."} {
		require.Equal(t, 7, count(until(t, r.watch(s, "", header("Last-Event-ID", foreign)), isPing), "machine"), "cursor %s", foreign)
	}
}

// TestLiveOutlivesTheServersTimeouts: the limits that keep slow callers off must not cut the stream.
func TestLiveOutlivesTheServersTimeouts(t *testing.T) {
	r := newRig(t, quick)
	s := httptest.NewUnstartedServer(nil)
	s.Config = r.api.Server()
	require.Positive(t, s.Config.ReadHeaderTimeout)
	require.Positive(t, s.Config.WriteTimeout)
	s.Config.ReadTimeout, s.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	s.Start()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.api.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done); s.Close() })
	in := r.watch(s, "")
	until(t, in, isPing)
	for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
		require.NoError(t, r.Advance(t.Context(), time.Second))
		until(t, in, func(e event) bool { return e.name == "machine" })
	}
}

func TestLiveEndsWithTheServer(t *testing.T) {
	r := newRig(t, quick)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.api.Run(ctx) }()
	s := httptest.NewServer(r.api.Handler())
	defer s.Close()
	in := r.watch(s, "")
	until(t, in, isPing)
	cancel()
	require.NoError(t, <-done)
	require.Eventually(t, func() bool {
		select {
		case _, open := <-in:
			return !open
		default:
			return false
		}
	}, 10*time.Second, 5*time.Millisecond, "the viewer is sent away")
}
