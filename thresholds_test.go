package main

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/registry"
	"karkhana/internal/sitefile"
	"karkhana/internal/tsdb"
)

// Thresholds that can't tell states apart are refused with the same words by the site file, the API and the command line.
func TestBadThresholds(t *testing.T) {
	w, err := apitest.New(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Registry.Close()) })
	a, err := api.New(api.Options{Store: w.Store, Registry: w.Registry, Now: w.Now, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	before, err := w.Registry.SettingsAt(t.Context(), apitest.Site, "polishing-1")
	require.NoError(t, err)

	const today = "2026-11-20"
	for _, x := range []struct {
		name, signal, idle, run, hysteresis, from string
		want                                      string // everywhere, unless one of the next
		wantAPI                                   string
		wantFile                                  string
		onlyFile                                  bool // the others take the signal and hysteresis from the row in force
	}{
		{name: "idle above run", idle: "900", run: "200", want: "idle_above (900 W) lies above run_above (200 W)"},
		{name: "negative", idle: "-5", run: "200", want: "idle_above is -5 W; it must be above 0", wantAPI: `expected number > 0","location":"body.idle_above"`},
		{name: "zero", idle: "0", run: "200", want: "idle_above is 0 W; it must be above 0", wantAPI: `expected number > 0","location":"body.idle_above"`},
		{name: "run negative", idle: "5", run: "-200", want: "run_above is -200 W; it must be above 0", wantAPI: `expected number > 0","location":"body.run_above"`},
		{name: "no number", idle: ".nan", run: "200", want: "idle_above is NaN W; give a number", wantAPI: "invalid character", wantFile: "idle_above"},
		{name: "endless", idle: "5", run: ".inf", want: "run_above is +Inf W; give a number", wantAPI: "invalid character", wantFile: "run_above"},
		{name: "absurd", idle: "5", run: "1e12", want: "run_above is 1e+12 W; give a number above 0 and up to 1e+09"},
		{name: "hysteresis wider than the gap", idle: "195", run: "200", want: "is wider than the gap between the thresholds: run would last down to 180 W, below idle_above (195 W)"},
		{name: "hysteresis negative", idle: "50", run: "200", hysteresis: "-0.1", want: "hysteresis is -0.1; give the part", onlyFile: true},
		{name: "hysteresis no number", idle: "50", run: "200", hysteresis: ".nan", want: "hysteresis", onlyFile: true},
		{name: "unknown signal", signal: "powr", idle: "50", run: "200", want: `unknown signal "powr"; did you mean "power"?`, onlyFile: true},
		{name: "long past", idle: "50", run: "200", from: "1999-12-31", want: "give a time from 2000", wantFile: "the year must lie between 2000 and 2100"},
		{name: "far future", idle: "50", run: "200", from: "2208-01-01", want: "give a time from 2000", wantFile: "the year must lie between 2000 and 2100"},
		{name: "before other settings", idle: "50", run: "200", from: "2025-01-01", want: "would end these; confirm from then on", wantFile: "is given twice, first in line"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.signal == "" {
				x.signal = "power"
			}
			if x.hysteresis == "" {
				x.hysteresis = "0.1"
			}
			if x.from == "" {
				x.from = today
			}
			rows := fmt.Sprintf("      - {from: %s, signal: %s, idle_above: %s, run_above: %s, hysteresis: %s}\n", x.from, x.signal, x.idle, x.run, x.hysteresis)
			if strings.HasPrefix(x.name, "before") {
				rows += rows
			}
			_, err := sitefile.Parse("site.yaml", []byte("site: {id: s, name: {hi: स, en: S}}\nmachines:\n  - id: m\n    class: cutting\n    name: {hi: म, en: M}\n    settings:\n"+rows))
			want := x.want
			if x.wantFile != "" {
				want = x.wantFile
			}
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "site.yaml:") // and the line
			if x.onlyFile {
				return
			}

			number := map[string]string{".nan": "NaN", ".inf": "Infinity"}
			text := func(v string) string {
				if n, ok := number[v]; ok {
					return n
				}
				return v
			}
			body := fmt.Sprintf(`{"idle_above":%s,"run_above":%s,"pulse_s":0,"valid_from":"%sT00:00:00+05:30","learnt_from":"2026-11-07T00:00:00+05:30","learnt_to":"2026-11-21T00:00:00+05:30","classes":[]}`,
				text(x.idle), text(x.run), x.from)
			q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/sites/"+apitest.Site+"/machines/polishing-1/settings", strings.NewReader(body))
			q.Header.Set("Content-Type", "application/json")
			q.Header.Set("Authorization", "Bearer "+w.Tokens[registry.RoleTechnician])
			rec := httptest.NewRecorder()
			a.Handler().ServeHTTP(rec, q)
			require.GreaterOrEqual(t, rec.Code, 400, rec.Body.String())
			require.Less(t, rec.Code, 500, rec.Body.String())
			want = x.want
			if x.wantAPI != "" {
				want = x.wantAPI
			}
			require.Contains(t, rec.Body.String(), want)

			c := confirmCmd{Site: apitest.Site, Machine: "polishing-1", From: x.from, For: time.Hour, Author: "test", Pulse: -1}
			c.IdleAbove, c.RunAbove = float(x.idle), float(x.run)
			_, err = c.confirm(t.Context(), w.Registry, tsdb.NewMemory(), w.Now())
			require.ErrorContains(t, err, x.want)
		})
	}
	after, err := w.Registry.SettingsAt(t.Context(), apitest.Site, "polishing-1")
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func float(text string) (v float64) {
	switch text {
	case ".nan":
		return math.NaN()
	case ".inf":
		return math.Inf(1)
	}
	_, _ = fmt.Sscan(text, &v)
	return v
}
