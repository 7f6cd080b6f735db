package report_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/report"
	"karkhana/analytics/session"
	"karkhana/internal/registry"
)

// jobSheet is a sheet with everything on it.
func jobSheet() session.JobSheet {
	from := time.UnixMilli(october + 10*hour).UTC()
	grams, share, perKg := int64(13_365), 0.9996, int64(443)
	useful, efficiency := int64(2_772_417), 0.16285
	figures := session.JobFigures{RunMs: 2 * hour, UnknownMs: minute, MilliWh: 1_234_567_890, EstimatedMwh: 1_000_000, EnergyEstimated: true, GramsCO2: &grams, Coverage: &share}
	to := from.Add(2*time.Hour + time.Minute)
	return session.JobSheet{
		Site: site, SiteName: registry.Name{Hi: "जोधपुर केंद्र", En: "Jodhpur centre"}, Zone: "Asia/Kolkata", Number: "J-17", Title: "=lamps", Buyer: "Exporter", Group: "g0",
		GroupName: registry.Name{Hi: "लक्ष्मी समूह", En: "Lakshmi group"}, WeightG: 42_500, Pieces: 1200, Made: to, Entered: from, EnteredBy: "asha", Total: figures,
		Stretches: []session.JobStretch{{
			Machine: "furnace-1", MachineName: registry.Name{Hi: "मफल भट्ठी", En: "Muffle furnace"}, From: from, To: to, Open: true, Source: session.SourceEntered, ID: 1, By: "asha", Shared: true, JobFigures: figures,
			Register:  &session.JobRegister{FromAt: from, FromWh: 1_000_000, ToAt: to, ToWh: 2_234_567.89},
			Intervals: []session.JobPiece{{State: "run", From: from, To: to, MilliWh: 1_234_567_890, Estimated: true}, {State: "unknown", From: to, To: to}},
		}, {Machine: "polishing-1", From: from, To: to, Source: session.SourceTap, JobFigures: figures}},
		Factors: []session.GridFactor{{MicroKgPerKWh: 710_000, Version: "CEA v21.0", Year: "2024-25", UsedFor: "2026-27"}, {MicroKgPerKWh: 727_000, Version: "CEA v20.0", Year: "2023-24", UsedFor: "2023-24"}},
		WhPerKg: &perKg, WhPer: &perKg,
		Heat: &session.JobHeat{Metal: "brass", MetalName: registry.Name{Hi: "पीतल", En: "Brass"}, StartC: 30, EndC: 1050, UsefulMilliWh: &useful, FurnaceMilliWh: 17_024_167, EnergyEstimated: true, Efficiency: &efficiency},
		Corrections: []session.JobCorrection{
			{Kind: registry.JobSaid, Author: "ravi", Reason: "weighed again", Made: to}, {Kind: registry.JobWithdraw, Machine: "furnace-1", From: &from, Author: "ravi", Reason: "began later", Made: to},
			{Kind: registry.JobCut, Machine: "furnace-1", From: &from, To: &to, Author: "ravi", Reason: "trial", Made: to},
		},
	}
}

var untranslated = regexp.MustCompile(`\b(job|heat|col|state|def|elec|meter|sum|note)\.[a-z]`)

func TestJobPage(t *testing.T) {
	for _, lang := range []string{"hi", "en"} {
		p, err := report.JobPage(jobSheet(), lang)
		require.NoError(t, err)
		var table, paper, again bytes.Buffer
		require.NoError(t, p.WriteCSV(&table))
		require.NoError(t, p.WritePDF(&paper))
		require.NoError(t, p.WritePDF(&again))
		require.Equal(t, paper.Bytes(), again.Bytes())
		require.Empty(t, untranslated.FindString(table.String()))
		require.Contains(t, table.String(), "'=lamps", "no formula for a spreadsheet")
		var shown strings.Builder
		for _, part := range p.Parts {
			for _, row := range part.Rows {
				shown.WriteString(strings.Join(row, "|") + "\n")
			}
		}
		for _, want := range []string{"~1,234.568 kWh", "13.365 kg", "42.500 kg", "~16.3 %", "99.9 %", "1,000.000|2,234.568|1,234.568|~1,234.568", "0.443 kWh", "1,050 °C"} {
			require.Contains(t, shown.String(), want)
		}
	}
}

// TestJobPageSaysWhatIsMissing: no machine time, no factor, no efficiency are said, not left out.
func TestJobPageSaysWhatIsMissing(t *testing.T) {
	s := jobSheet()
	s.Total.GramsCO2, s.Heat.Efficiency, s.Heat.Why, s.Stretches[0].Register = nil, nil, session.HeatShared, nil
	text := func() string {
		p, err := report.JobPage(s, "en")
		require.NoError(t, err)
		var table bytes.Buffer
		require.NoError(t, p.WriteCSV(&table))
		shown := table.String()
		for _, part := range p.Parts {
			for _, row := range part.Rows {
				shown += strings.Join(row, "|")
			}
		}
		return shown
	}
	require.Contains(t, text(), "there is no emission factor")
	require.Contains(t, text(), "not defined: other work was in the furnace at the same time")
	require.Contains(t, text(), "the meter was not read within a minute")
	s.Stretches = nil
	require.Contains(t, text(), "No machine time is counted")
}
