package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/influxd/influxdtest"
	"karkhana/internal/tsdb"
)

// TestAlarmsAreNotifiedOnce runs analytics as two processes on the same stores. Machines of all sites get too hot. The process
// that is just delivering one of the alarms is killed. Each alarm is accepted once: nobody repeats what the killed process
// has delivered, and what it had not is delivered under the same key by the one that takes over.
func TestAlarmsAreNotifiedOnce(t *testing.T) {
	dir := t.TempDir()
	influx := influxdtest.Start(t, filepath.Join(dir, "influxdb"))
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: influx.URL(), Token: influx.Token(), Bucket: "karkhana/autogen"})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	token := filepath.Join(dir, "influx.token")
	require.NoError(t, os.WriteFile(token, []byte(influx.Token()), 0o600))
	data := filepath.Join(dir, "data")
	db := sharedSites(t, "sqlite://"+filepath.Join(data, "karkhana.db"))
	pager := &pager{hangs: "s4", accepted: map[string]int{}, of: map[string]string{}}
	server := httptest.NewServer(pager)
	t.Cleanup(server.Close)

	processes := map[string]*process{}
	for _, name := range []string{"/first", "/second"} {
		processes[name] = run(t, nil, serverBinary(t), "analytics", "--data", data, "--influx-url", influx.URL(), "--influx-token-file", token,
			"--database", "sqlite://"+filepath.Join(data, "karkhana.db"), "--webhook", server.URL+name)
	}
	require.True(t, waitFor(time.Minute, func() bool { return holders(t, db) == "2 2" }), "both hold half of the sites")

	from := time.Now().Add(-2 * time.Minute).UnixMilli()
	heat := func(celsius float64) {
		var points []tsdb.Point
		to := time.Now().UnixMilli()
		for ; from <= to; from += 1000 {
			for _, site := range sharedSiteIDs {
				points = append(points, tsdb.Point{Measurement: tsdb.Telemetry, Site: site, Machine: "lathe", TimeMs: from, Fields: []tsdb.Field{
					{Key: "power_w", Value: 2000.0}, {Key: "temperature_c", Value: celsius},
				}})
			}
		}
		require.NoError(t, store.Write(t.Context(), points))
	}
	require.True(t, waitFor(time.Minute, func() bool {
		heat(90)
		hung, _ := pager.seen()
		return hung != "" && pager.total() == 3
	}), "three alarms are delivered, one is on its way")
	require.True(t, waitFor(time.Minute, func() bool { // the registry knows of the three
		waiting, err := db.UnnotifiedAlarms(t.Context(), time.Now().UnixMilli())
		require.NoError(t, err)
		hot := 0
		for _, a := range waiting {
			if a.Rule == "temperature-high" {
				hot++
			}
		}
		return hot == 1
	}))

	_, path := pager.seen()
	processes[path].signal(syscall.SIGKILL)
	require.True(t, waitFor(time.Minute, func() bool {
		heat(90)
		return holders(t, db) == "4" && pager.total() == 4
	}), "the other one takes the sites and delivers what was on its way")
	require.True(t, waitFor(time.Minute, func() bool { // it looks after the alarms of all sites
		heat(20)
		alarms := 0
		for _, site := range sharedSiteIDs {
			of, err := db.Alarms(t.Context(), site, true, 10)
			require.NoError(t, err)
			for _, a := range of {
				if a.Rule == "temperature-high" && !a.Active {
					alarms++
				}
			}
		}
		return alarms == 4
	}), "the conditions are over")
	pager.mu.Lock()
	defer pager.mu.Unlock()
	require.Len(t, pager.accepted, 4)
	sites := map[string]bool{}
	for key, n := range pager.accepted {
		require.Equal(t, 1, n, "%s was delivered more than once", key)
		sites[pager.of[key]] = true
	}
	require.Len(t, sites, 4)
	require.Contains(t, pager.accepted, pager.hung, "the delivery that was cut off came again under its key")
}

// pager accepts alarms for temperature. Those of one site it never answers to the process that tries first.
type pager struct {
	hangs string

	mu       sync.Mutex
	hung     string // key of the one that was not answered
	hungPath string
	accepted map[string]int    // by key
	of       map[string]string // site of each key
}

// ServeHTTP implements http.Handler.
func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var a struct{ Key, Site, Rule string }
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if a.Rule != "temperature-high" {
		return
	}
	p.mu.Lock()
	if a.Site == p.hangs && (p.hung == "" || p.hungPath == r.URL.Path) {
		p.hung, p.hungPath = a.Key, r.URL.Path
		p.mu.Unlock()
		<-r.Context().Done()
		return
	}
	p.accepted[a.Key]++
	p.of[a.Key] = a.Site
	p.mu.Unlock()
}

func (p *pager) seen() (key, path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hung, p.hungPath
}

func (p *pager) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accepted)
}
