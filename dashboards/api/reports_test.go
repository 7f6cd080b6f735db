package api_test

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/report"
	"karkhana/internal/registry"
)

type reportAnswer struct {
	Report report.Report
	Page   report.Page
}

func TestMonthReport(t *testing.T) {
	r := newRig(t)
	got := get[reportAnswer](r, registry.RoleManager, base+"/reports/month?month=2026-11&lang=en")
	require.Equal(t, "Monthly report of machines, November 2026", got.Page.Title)
	require.Len(t, got.Report.Machines, 7)
	require.Contains(t, got.Page.Subtitle[2], "Provisional")

	day := get[reportAnswer](r, registry.RoleAccountant, base+"/reports/month?month=2026-11&machine=cutting-1")
	require.Len(t, day.Report.Days, 20)
	require.Contains(t, day.Page.Title, "कटाई मशीन")

	refused(t, r.call(http.MethodGet, base+"/reports/month?month=2026-11&machine=none", "", r.as(registry.RoleManager)), http.StatusNotFound, "none")
	refused(t, r.call(http.MethodGet, base+"/reports/month?month=2026-12", "", r.as(registry.RoleManager)), http.StatusBadRequest, "has not begun")
	refused(t, r.call(http.MethodGet, base+"/reports/month?month=2026-13", "", r.as(registry.RoleManager)), http.StatusUnprocessableEntity, "2026-11")
}

func TestReportFiles(t *testing.T) {
	r := newRig(t)
	for _, kind := range []string{report.KindMonth, report.KindScheme, report.KindMeter} {
		for _, lang := range []string{"hi", "en"} {
			w := r.call(http.MethodGet, base+"/reports/"+kind+".pdf?month=2026-10&lang="+lang, "", r.as(registry.RoleAccountant))
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			require.Equal(t, "application/pdf", w.Header().Get("Content-Type"))
			require.Equal(t, `attachment; filename="jodhpur-cfc-2026-10-`+kind+`.pdf"`, w.Header().Get("Content-Disposition"))
			require.True(t, bytes.HasPrefix(w.Body.Bytes(), []byte("%PDF-")))
			again := r.call(http.MethodGet, base+"/reports/"+kind+".pdf?month=2026-10&lang="+lang, "", r.as(registry.RoleAccountant))
			require.True(t, bytes.Equal(w.Body.Bytes(), again.Body.Bytes()))

			w = r.call(http.MethodGet, base+"/reports/"+kind+".csv?month=2026-10&lang="+lang, "", r.as(registry.RoleManager))
			require.Equal(t, http.StatusOK, w.Code)
			c := csv.NewReader(strings.NewReader(strings.TrimPrefix(w.Body.String(), "\ufeff")))
			c.FieldsPerRecord = -1
			rows, err := c.ReadAll()
			require.NoError(t, err)
			require.Greater(t, len(rows), 30)
		}
	}
}
