package maintenance

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

// recorder is a notifier that remembers, and fails as often as it is told.
type recorder struct {
	name string
	mu   sync.Mutex
	fail int
	got  []Message
	hang chan struct{}
}

func (r *recorder) Name() string { return r.name }

func (r *recorder) Notify(ctx context.Context, m Message) error {
	if r.hang != nil {
		select {
		case <-r.hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail > 0 {
		r.fail--
		return errors.New("no network")
	}
	r.got = append(r.got, m)
	return nil
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func raise(t *testing.T, r *rig) registry.Alarm {
	t.Helper()
	a, _, err := r.db.RaiseAlarm(context.Background(), registry.Alarm{
		Site: "cfc", Machine: "furnace", Rule: RuleTemperatureHigh, Component: "temperature", OpenedMs: r.now.UnixMilli(), Value: 950.26, Limit: 900,
	})
	require.NoError(t, err)
	return a
}

func TestDeliveryRetriesEachNotifierOnItsOwn(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	good, bad := &recorder{name: "good"}, &recorder{name: "bad", fail: 3}
	d := newDelivery(Options{Registry: r.db, Notifiers: []Notifier{good, bad}, Now: func() time.Time { return r.now }, Logger: r.w.log}, r.w.metrics)
	a := raise(t, r)
	delivered := func(seconds int) {
		for range seconds {
			d.pass(ctx, 0)
			d.pass(ctx, 1)
			r.now = r.now.Add(time.Second)
		}
	}
	delivered(1)
	require.Equal(t, 1, good.count())
	require.Zero(t, r.only().NotifiedMs, "not before everyone has it")
	delivered(6) // tries at 0, 1, 3 s
	require.Zero(t, bad.count())
	delivered(1) // and at 7 s
	require.Equal(t, 1, bad.count())
	require.Equal(t, 1, good.count(), "once per raise")
	require.NotZero(t, r.only().NotifiedMs)
	delivered(60)
	require.Equal(t, 1, good.count()+bad.count()-1)
	require.Equal(t, "alarm-1-1", bad.got[0].Key)

	// A raise that counts on the same standing alarm is no news; one after its resolution is.
	raise(t, r)
	delivered(5)
	require.Equal(t, 1, good.count())
	_, err := r.db.ResolveAlarm(ctx, "cfc", a.ID, "tech", "", r.now.UnixMilli())
	require.NoError(t, err)
	raise(t, r)
	delivered(5)
	require.Equal(t, 2, good.count())
	require.Equal(t, "alarm-1-3", good.got[1].Key)
	require.Contains(t, good.got[1].Text.En, "This alarm has come 3 times.")
}

func TestRunDeliversWhileOneNotifierHangs(t *testing.T) {
	r := newRig(t)
	good, stuck := &recorder{name: "good"}, &recorder{name: "stuck", hang: make(chan struct{})}
	metrics := prometheus.NewRegistry()
	w, err := New(Options{
		Store: r.store, Registry: r.db, Notifiers: []Notifier{stuck, good}, Registerer: metrics,
		Now: func() time.Time { return noon.Add(time.Minute) }, Every: 5 * time.Millisecond,
	})
	require.NoError(t, err)
	for s := range 61 {
		r.write("furnace", noon.Add(time.Duration(s)*time.Second), number64("temperature_c", 950))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	require.Eventually(t, func() bool { return good.count() == 1 }, 10*time.Second, 5*time.Millisecond)
	require.Zero(t, r.only().NotifiedMs)
	close(stuck.hang)
	require.Eventually(t, func() bool { return r.only().NotifiedMs > 0 }, 10*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, 1, good.count())
	families, err := metrics.Gather()
	require.NoError(t, err)
	counted := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			counted[f.GetName()] += m.GetCounter().GetValue()
		}
	}
	require.InDelta(t, 1, counted["karkhana_maintenance_alarms_raised_total"], 0)
	require.InDelta(t, 2, counted["karkhana_maintenance_notifications_total"], 0)
}

func TestWebhook(t *testing.T) {
	var mu sync.Mutex
	var bodies []map[string]any
	var keys []string
	status := http.StatusServiceUnavailable
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		b, _ := io.ReadAll(req.Body)
		var body map[string]any
		if json.Unmarshal(b, &body) == nil && req.Method == http.MethodPost && req.Header.Get("Content-Type") == "application/json" {
			bodies = append(bodies, body)
			keys = append(keys, req.Header.Get("Idempotency-Key"))
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	r := newRig(t)
	d := newDelivery(Options{Registry: r.db, Notifiers: []Notifier{NewWebhook(srv.URL + "/hook/s3cret")}, Now: func() time.Time { return r.now }, Logger: r.w.log}, r.w.metrics)
	a := raise(t, r)
	_, err := r.db.AcknowledgeAlarm(context.Background(), "cfc", a.ID, "Private Person", r.now.UnixMilli())
	require.NoError(t, err)
	for range 2 {
		d.pass(context.Background(), 0)
		r.now = r.now.Add(time.Minute)
	}
	mu.Lock()
	status = http.StatusNoContent
	mu.Unlock()
	for range 3 {
		d.pass(context.Background(), 0)
		r.now = r.now.Add(time.Minute)
	}
	require.Equal(t, []string{"alarm-1-1", "alarm-1-1", "alarm-1-1"}, keys, "two failures, one success, the same key")
	b := bodies[2]
	require.Equal(t, "alarm-1-1", b["key"])
	require.Equal(t, "2026-11-20T12:00:00Z", b["opened"])
	require.Equal(t, map[string]any{"hi": "भट्टी: तापमान ज़्यादा", "en": "Furnace: too hot"}, b["title"])
	text := b["text"].(map[string]any)
	require.Equal(t, "Furnace at CFC is at 950.3 °C, the limit is 900.0 °C (20-11-2026 17:30).", text["en"])
	require.Contains(t, text["hi"], "सीएफसी की भट्टी 950.3 °C पर है")
	whole, err := json.Marshal(b)
	require.NoError(t, err)
	require.NotContains(t, string(whole), "Private")
}

func TestWebhookErrorsShowNoSecret(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "/elsewhere", http.StatusFound)
	}))
	address := srv.URL + "/hook/s3cret?token=s3cret"
	w := NewWebhook(address)
	err := w.Notify(context.Background(), Message{})
	require.ErrorContains(t, err, "answered 302 Found")
	srv.Close()
	for _, address := range []string{address, "http://user:s3cret@127.0.0.1:1/s3cret", "http://127.0.0.1:bad/s3cret", "::s3cret"} {
		w = NewWebhook(address)
		err = w.Notify(context.Background(), Message{})
		require.Error(t, err)
		require.NotContains(t, err.Error()+w.Name(), "s3cret")
	}
}

func TestMessages(t *testing.T) {
	w, err := loadWords()
	require.NoError(t, err)
	require.Len(t, w.hi, len(w.en))
	zone, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	site := registry.Site{ID: "cfc", Name: registry.Name{Hi: "सीएफसी"}}
	for _, a := range []registry.Alarm{
		{Rule: RuleSensorSilent, Cause: CauseGateway, Component: "gw-1"},
		{Rule: RuleSensorSilent, Cause: CauseLink, Component: "gw-1"},
		{Rule: RuleSensorSilent, Cause: CauseLink, Machine: "lathe"},
		{Rule: RuleSensorSilent, Cause: CauseSensor, Machine: "lathe", Limit: 90},
		{Rule: RuleTemperatureHigh, Machine: "lathe"},
		{Rule: RuleVibrationHigh, Machine: "lathe", Value: 5.126, Limit: 5},
	} {
		a.Count, a.ClearedMs, a.OpenedMs = 2, noon.UnixMilli(), noon.UnixMilli()
		m := w.message(a, site, registry.Machine{ID: a.Machine, Name: registry.Name{En: "{limit} lathe"}}, zone)
		for _, text := range []string{m.Title.Hi, m.Title.En, m.Text.Hi, m.Text.En} {
			require.NotEmpty(t, text)
			require.NotContains(t, strings.ReplaceAll(text, "{limit} lathe", ""), "{", "a name is no template")
		}
		require.Contains(t, m.Text.En, "over since 20-11-2026 17:30")
		require.Contains(t, m.Text.En, "सीएफसी", "the other language stands in")
	}
	require.Equal(t, "1.5", decimal(registry.Alarm{Rule: RuleSensorSilent}, 90))
	require.Equal(t, "2", decimal(registry.Alarm{Rule: RuleSensorSilent}, 120))
}
