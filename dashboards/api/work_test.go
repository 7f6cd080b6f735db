package api_test

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/internal/registry"
)

func TestStatements(t *testing.T) {
	r := newRig(t)
	accountant := r.as(registry.RoleAccountant)
	type rows struct{ Statements []api.StatementRow }

	require.Empty(t, get[rows](r, registry.RoleAccountant, base+"/statements?month=2026-11").Statements)
	made := decoded[rows](r, r.call(http.MethodPost, base+"/statements", `{"month":"2026-11"}`, accountant)).Statements
	require.Len(t, made, 3)
	again := decoded[rows](r, r.call(http.MethodPost, base+"/statements", `{"month":"2026-11","group":"meera-pg"}`, accountant)).Statements
	require.Len(t, again, 1)

	for _, row := range made {
		if row.Group == "meera-pg" {
			require.Equal(t, row.ID, again[0].ID, "made again it keeps its id")
		}
		detail := get[api.StatementDetail](r, registry.RoleAccountant, base+"/statements/"+itoa(row.ID)).Statement
		var sum, run int64
		for _, l := range detail.Lines {
			sum += l.AmountPaise
			run += l.RunS
			require.NotEmpty(t, l.Evidence.Intervals, "every line opens what it stands on")
		}
		require.Equal(t, row.Total.AmountPaise, sum, "lines add up, in paise")
		require.Equal(t, row.Total.RunS, run)
		require.Positive(t, row.Problems, "the month is not over")
	}

	w := r.call(http.MethodGet, base+"/statements/"+itoa(made[0].ID)+".csv?lang=en", "", accountant)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/csv; charset=utf-8", w.Header().Get("Content-Type"))
	require.Contains(t, w.Header().Get("Content-Disposition"), `filename="2026-11-`+made[0].Group+`.csv"`)
	table, err := csv.NewReader(w.Body).ReadAll()
	require.NoError(t, err)
	require.Len(t, table, made[0].Total.Lines+2)

	refused(t, r.call(http.MethodPost, base+"/statements", `{"month":"2026-12"}`, accountant), http.StatusBadRequest, "has not begun")
	refused(t, r.call(http.MethodPost, base+"/statements", `{"month":"2026-13"}`, accountant), http.StatusUnprocessableEntity, "2026-11")
	refused(t, r.call(http.MethodPost, base+"/statements", `{"month":"2026-11","group":"nobody"}`, accountant), http.StatusNotFound, "known groups", "meera-pg")
	refused(t, r.call(http.MethodPost, base+"/statements", `{"month":"2026-11","colour":"red"}`, accountant), http.StatusUnprocessableEntity, "colour")
	refused(t, r.call(http.MethodPost, base+"/statements", `{"month":`, accountant), http.StatusBadRequest)
	refused(t, r.call(http.MethodGet, base+"/statements/999", "", accountant), http.StatusNotFound, "999")
	refused(t, r.call(http.MethodGet, base+"/statements/x", "", accountant), http.StatusUnprocessableEntity)
}

func TestUnattributed(t *testing.T) {
	r := newRig(t)
	got := get[struct {
		Machines []struct {
			Machine string `json:"machine"`
			RunS    int64  `json:"run_s"`
		}
	}](r, registry.RoleAccountant, base+"/unattributed?month=2026-11").Machines
	require.Len(t, got, 1)
	require.Equal(t, "polishing-1", got[0].Machine)
	require.Positive(t, got[0].RunS)
}

func TestAlarms(t *testing.T) {
	r := newRig(t)
	technician := r.as(registry.RoleTechnician)
	type list struct{ Alarms []api.Alarm }
	open := get[list](r, registry.RoleViewer, base+"/alarms").Alarms
	require.Len(t, open, 2)
	path := base + "/alarms/" + itoa(open[0].ID)

	taken := decoded[api.Alarm](r, r.call(http.MethodPost, path+"/acknowledge", "{}", technician))
	require.Equal(t, "acknowledged", taken.State)
	require.Equal(t, "technician one", taken.AcknowledgedBy)
	refused(t, r.call(http.MethodPost, path+"/resolve", `{"note":"   "}`, technician), http.StatusBadRequest, "note")
	refused(t, r.call(http.MethodPost, path+"/resolve", `{}`, technician), http.StatusUnprocessableEntity, "note")
	done := decoded[api.Alarm](r, r.call(http.MethodPost, path+"/resolve", `{"note":"plug was out"}`, technician))
	require.Equal(t, "resolved", done.State)
	require.Equal(t, "plug was out", done.Note)
	refused(t, r.call(http.MethodPost, path+"/resolve", `{"note":"again"}`, technician), http.StatusConflict, "resolved")
	refused(t, r.call(http.MethodPost, base+"/alarms/99/acknowledge", "{}", technician), http.StatusNotFound, "99")
	require.Len(t, get[list](r, registry.RoleViewer, base+"/alarms?unresolved=true").Alarms, 1)

	log, err := r.Registry.AuditLog(t.Context(), 10)
	require.NoError(t, err)
	var said []string
	for _, row := range log {
		said = append(said, row.Who+": "+row.What)
	}
	require.Contains(t, strings.Join(said, "\n"), "technician one: resolve alarm")
}

func TestPagesAndHeaders(t *testing.T) {
	script := strings.Repeat("let a = 1;\n", 500)
	r := newRig(t, func(o *api.Options) {
		o.Web = fstest.MapFS{"index.html": {Data: []byte("<!doctype html><title>कारखाना</title>")}, "assets/a-1.js": {Data: []byte(script)}}
	})
	w := r.call(http.MethodGet, "/", "")
	require.Equal(t, http.StatusOK, w.Code)
	h := w.Header()
	require.Contains(t, h.Get("Content-Security-Policy"), "script-src 'self';")
	require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe")
	require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	require.Equal(t, "no-cache", h.Get("Cache-Control"))

	w = r.call(http.MethodGet, "/assets/a-1.js", "", header("Accept-Encoding", "br, gzip"))
	require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
	require.Contains(t, w.Header().Get("Cache-Control"), "immutable")
	z, err := gzip.NewReader(w.Body)
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, script, string(plain))
	require.Equal(t, script, r.call(http.MethodGet, "/assets/a-1.js", "").Body.String())
	require.Empty(t, r.call(http.MethodGet, "/assets/a-1.js", "", header("Accept-Encoding", "gzip;q=0")).Header().Get("Content-Encoding"))

	require.Equal(t, http.StatusNotFound, r.call(http.MethodGet, "/assets/", "").Code, "folders are not listed")
	require.Equal(t, http.StatusNotFound, r.call(http.MethodGet, "/nothing.html", "").Code)
	require.Equal(t, http.StatusMethodNotAllowed, r.call(http.MethodPost, "/", "{}").Code)
	require.Equal(t, "no-store", r.call(http.MethodGet, "/api/v1/me", "").Header().Get("Cache-Control"))
}

func TestLargeBodiesAreRefused(t *testing.T) {
	r := newRig(t)
	huge := `{"token":"` + strings.Repeat("x", 1<<20) + `"}`
	refused(t, r.call(http.MethodPost, "/api/v1/login", huge), http.StatusRequestEntityTooLarge)
}
