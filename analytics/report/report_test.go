package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/billing"
	"karkhana/analytics/report"
	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/i18n"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	site   = "jodhpur-cfc"
	minute = int64(60_000)
	hour   = 60 * minute
	day    = 24 * hour
)

var kolkata = func() *time.Location {
	z, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		panic(err)
	}
	return z
}()

func local(y int, m time.Month, d int) int64 {
	return time.Date(y, m, d, 0, 0, 0, 0, kolkata).UnixMilli()
}

var october, november = local(2026, 10, 1), local(2026, 11, 1)

// rig is a centre with machines that run from 9 to 12 and idle to 13 on every day of October 2026 (and of November until
// the 10th), in sessions of the groups in turn. Of the last machine nothing is known before 16 October and on the 20th.
type rig struct {
	report.Deps
	db *registry.DB
}

func newRig(t testing.TB, machines int) rig { return newRigWith(t, machines, nil) }

func newRigWith(t testing.TB, machines int, tariffs []electricity.Tariff) rig {
	return newRigIn(t, tsdb.NewMemory(), machines, tariffs)
}

func newRigIn(t testing.TB, store tsdb.Store, machines int, tariffs []electricity.Tariff) rig {
	ctx := t.Context()
	db := registrytest.Open(t)
	def := registry.SiteDefinition{
		Site: registry.Site{ID: site, Name: registry.Name{Hi: "जोधपुर साझा सुविधा केंद्र", En: "Jodhpur common facility centre"}, Zone: "Asia/Kolkata"},
		Groups: []registry.GroupDefinition{
			{Group: registry.Group{ID: "g0", Name: registry.Name{Hi: "लक्ष्मी स्वयं सहायता समूह", En: "Lakshmi SHG"}}, Members: []registry.Members{
				{Members: 10, Women: 9, SC: 2, ST: registry.NotGiven}, {ValidFromMs: october + 14*day, Members: 12, Women: 12, SC: 4, ST: registry.NotGiven}, {ValidFromMs: november, Members: 99},
			}},
			{Group: registry.Group{ID: "g1", Name: registry.Name{Hi: "पन्ना उत्पादक समूह", En: "Panna group"}}, Members: []registry.Members{{Members: 8, Women: 2, SC: 1, ST: 3}}},
			{Group: registry.Group{ID: "g2", Name: registry.Name{Hi: "=मीरा समूह", En: "=Meera group"}}}, // uses nothing, gives nothing
		},
		Electricity: electricity.Config{Tariffs: tariffs, Emission: []electricity.Emission{{Year: 2024, MicroKgPerKWh: 710_000, Version: "CEA v21.0"}}},
		Tariffs: []registry.Tariff{
			{Class: "cutting", PaisePerRunHour: 9_000}, {Class: "cutting", ValidFromMs: october + 14*day, PaisePerRunHour: 10_000}, {Class: "cutting", ValidFromMs: november, PaisePerRunHour: 1},
			{Class: "kiln", PaisePerRunHour: 5},
		},
	}
	var sessions [][]registry.Session
	var points []tsdb.Point
	for i := range machines {
		id := fmt.Sprintf("cutting-%d", i)
		def.Machines = append(def.Machines, registry.MachineDefinition{
			Machine: registry.Machine{Class: "cutting", ID: id, Name: registry.Name{Hi: fmt.Sprintf("कटाई मशीन %d", i), En: fmt.Sprintf("Cutting machine %d", i)}},
			Settings: []registry.Settings{
				{Signal: "power", IdleAbove: 5, RunAbove: 10, ReportMs: 1000}, {ValidFromMs: october - day, Signal: "power", IdleAbove: 50, RunAbove: 1000.5, Hysteresis: 0.1, ReportMs: 1000},
			},
		})
		var held []registry.Session
		for d := october; d < november+9*day; d += day {
			if i == machines-1 && (d < october+15*day || d == october+19*day) {
				continue
			}
			for h := range int64(24) {
				from := d + h*hour
				state, milliWh := timeline.StateOff, int64(0)
				switch {
				case h >= 9 && h < 12:
					state, milliWh = timeline.StateRun, 3_000_000
				case h == 12:
					state, milliWh = timeline.StateIdle, 500_000
				}
				one := timeline.Hour{StartMs: from}
				switch state {
				case timeline.StateRun:
					one.RunMs, one.RunMilliWh, one.Estimated = hour, milliWh, i == 1
				case timeline.StateIdle:
					one.IdleMs, one.IdleMilliWh = hour, milliWh
				default:
					one.OffMs = hour
				}
				points = append(points, one.Point(site, id), timeline.Interval{State: state, StartMs: from, EndMs: from + hour, EnergyMilliWh: milliWh}.Point(site, id))
			}
			if i > 0 {
				held = append(held, registry.Session{
					Site: site, Machine: id, StartMs: d + 9*hour, EndMs: d + 13*hour, Group: fmt.Sprintf("g%d", (d-october)/day%2), CardHash: "c", EndReason: "tap",
				})
			}
		}
		sessions = append(sessions, held)
	}
	def.Machines = append(def.Machines, registry.MachineDefinition{Machine: registry.Machine{Class: registry.ClassMainMeter, ID: "incomer", Name: registry.Name{Hi: "मुख्य मीटर", En: "Main meter"}}})
	require.NoError(t, db.Apply(ctx, def, "test", november))
	require.NoError(t, store.Write(ctx, points))
	for i, held := range sessions {
		require.NoError(t, db.ReplaceSessions(ctx, site, fmt.Sprintf("cutting-%d", i), 0, held))
	}
	last := fmt.Sprintf("cutting-%d", machines-1)
	gaps := []registry.Gap{{Site: site, Machine: last, FromMs: october + 19*day, ToMs: october + 20*day, Fault: "fault:open"}}
	require.NoError(t, db.ReplaceGaps(ctx, site, last, 0, gaps, 0, november))
	return rig{report.Deps{Store: store, Registry: db}, db}
}

func (r rig) make(t testing.TB, kind, machine string) *report.Report {
	got, err := report.Make(t.Context(), r.Deps, report.Asked{Kind: kind, Site: site, Month: "2026-10", Machine: machine, NowMs: november + 5*day})
	require.NoError(t, err)
	return got
}

func TestFigures(t *testing.T) {
	r := newRig(t, 3).make(t, report.KindMonth, "")
	require.True(t, r.Complete)
	require.Equal(t, 3, r.Uncalendared, "no calendar is given")
	whole, last := r.Machines[0], r.Machines[2]
	require.Equal(t, []int64{31 * day, 93 * hour, 31 * hour, 31*day - 124*hour, 0}, []int64{whole.PastMs, whole.RunMs, whole.IdleMs, whole.OffMs, whole.UnknownMs})
	require.Equal(t, int64(93*3_000_000+31*500_000), whole.EnergyMilliWh)
	require.InDelta(t, 93.0/744, *whole.Availability, 1e-12)
	require.InDelta(t, 93/(2400*31/365.0), *whole.Capacity, 1e-6)
	require.True(t, r.Machines[1].EnergyEstimated)
	require.InDelta(t, 15.0/31, *last.Coverage, 1e-12)
	require.Nil(t, last.Availability, "hardly half is known")
	require.Nil(t, last.Capacity)
	require.Equal(t, 16*day, last.UnknownMs)
	require.Equal(t, []report.UnknownCause{{Cause: "sensor", Ms: day}, {Cause: report.CauseUntold, Ms: 15 * day}}, last.Unknown)

	require.Equal(t, (93+93+45)*hour, r.Total.RunMs)
	require.InDelta(t, 77.0/93, *r.Total.Coverage, 1e-12)
	require.InDelta(t, float64(231)/(93*24), *r.Total.Availability, 1e-12, "the sums divided")
	require.Equal(t, r.Total.Unknown, last.Unknown)
	require.InDelta(t, *r.Total.Availability, *r.Total.Allocation**r.Total.Utilization, 1e-12)

	require.Len(t, r.Settings, 3, "the row before October is none of the month's, the meter has no states")
	require.Len(t, r.Tariffs, 2)
	var groups int64
	for _, g := range r.Groups {
		groups += g.RunMs
	}
	require.Equal(t, r.Total.RunMs, groups+r.Unattributed.RunMs, "every run hour is somebody's or nobody's")
	require.Equal(t, 93*hour, r.Unattributed.RunMs)
}

func TestScheme(t *testing.T) {
	r := newRig(t, 3).make(t, report.KindScheme, "")
	require.Equal(t, int64(12), r.Groups[0].Members.Members, "in force at the end of October")
	require.Nil(t, r.Groups[0].Members.ST, "not given is not zero")
	require.Nil(t, r.Groups[2].Members)
	require.Equal(t, report.People{
		Groups: 2, Given: 2, Members: 20, Women: report.MemberCount{Number: 14, Of: 20, Groups: 2, Share: new(0.7)},
		SC: report.MemberCount{Number: 5, Of: 20, Groups: 2, Share: new(0.25)}, ST: report.MemberCount{Number: 3, Of: 8, Groups: 1, Share: new(0.375)},
	}, r.People)
	require.Equal(t, []int{3, 2}, []int{r.AllPeople.Groups, r.AllPeople.Given})
	require.Equal(t, local(2026, 4, 1), r.YearFrom.UnixMilli())
	require.Equal(t, r.Total.RunMs, r.Year.RunMs)
	require.Greater(t, r.Year.UnknownMs, 500*day)
	require.Nil(t, r.Year.Availability, "of half a year nothing is known")
}

func TestOneMachine(t *testing.T) {
	r := newRig(t, 3).make(t, report.KindMonth, "cutting-2")
	require.Len(t, r.Days, 31)
	require.Equal(t, []report.UnknownCause{{Cause: "sensor", Ms: day}}, r.Days[19].Unknown)
	require.Nil(t, r.Days[19].Availability)
	require.InDelta(t, 3.0/24, *r.Days[20].Availability, 1e-12)
	require.Equal(t, r.Machines[0].RunMs, r.Total.RunMs)
}

// TestSameWheneverAsked: a month that is over gives the same bytes on every day after it.
func TestSameWheneverAsked(t *testing.T) {
	rig := newRig(t, 2)
	files := func(nowMs int64) [2][]byte {
		r, err := report.Make(t.Context(), rig.Deps, report.Asked{Kind: report.KindScheme, Site: site, Month: "2026-10", NowMs: nowMs})
		require.NoError(t, err)
		p, err := r.Page("hi")
		require.NoError(t, err)
		var table, paper bytes.Buffer
		require.NoError(t, p.WriteCSV(&table))
		require.NoError(t, p.WritePDF(&paper))
		return [2][]byte{table.Bytes(), paper.Bytes()}
	}
	require.Equal(t, files(november+5*day), files(november+400*day))
}

func TestRefusals(t *testing.T) {
	rig := newRig(t, 2)
	for _, c := range []struct {
		q    report.Asked
		want error
	}{
		{report.Asked{Kind: report.KindMonth, Site: "nowhere", Month: "2026-10"}, registry.ErrNotFound},
		{report.Asked{Kind: report.KindMonth, Site: site, Month: "2026-10", Machine: "none"}, registry.ErrNotFound},
		{report.Asked{Kind: report.KindMonth, Site: site, Month: "2026-13"}, billing.ErrMonth},
		{report.Asked{Kind: report.KindMonth, Site: site, Month: "2027-01"}, report.ErrNotBegun},
	} {
		c.q.NowMs = november + 5*day
		_, err := report.Make(t.Context(), rig.Deps, c.q)
		require.ErrorIs(t, err, c.want)
	}
	_, err := report.Make(t.Context(), rig.Deps, report.Asked{Kind: "week", Site: site, Month: "2026-10", NowMs: november})
	require.ErrorContains(t, err, "use month, scheme or meter")
	_, err = rig.make(t, report.KindMonth, "").Page("fr")
	require.ErrorContains(t, err, "use hi or en")
}

// TestEmptySite: no groups, no samples, one machine.
func TestEmptySite(t *testing.T) {
	db := registrytest.Open(t)
	def := registry.SiteDefinition{Site: registry.Site{ID: site, Zone: "Asia/Kolkata"}, Machines: []registry.MachineDefinition{{Machine: registry.Machine{ID: "m", Class: "kiln"}}}}
	require.NoError(t, db.Apply(t.Context(), def, "test", november))
	rig := rig{report.Deps{Store: tsdb.NewMemory(), Registry: db}, db}
	for _, kind := range []string{report.KindMonth, report.KindScheme} {
		r := rig.make(t, kind, "")
		require.Equal(t, 31*day, r.Total.UnknownMs)
		require.InDelta(t, 0, *r.Total.Coverage, 0)
		require.Nil(t, r.Total.Availability)
		p, err := r.Page("en")
		require.NoError(t, err)
		require.NoError(t, p.WritePDF(&bytes.Buffer{}))
	}
}

// TestGolden holds the tables and the text of the papers against files; -update writes them.
func TestGolden(t *testing.T) {
	rig := newRig(t, 3)
	for _, c := range []struct{ kind, machine string }{{report.KindMonth, ""}, {report.KindMonth, "cutting-2"}, {report.KindScheme, ""}} {
		r := rig.make(t, c.kind, c.machine)
		for _, lang := range []string{"hi", "en"} {
			p, err := r.Page(lang)
			require.NoError(t, err)
			var table, paper bytes.Buffer
			require.NoError(t, p.WriteCSV(&table))
			require.NoError(t, p.WritePDF(&paper))
			name := filepath.Join("testdata", strings.TrimSuffix(c.kind+"-"+c.machine, "-")+"."+lang)
			golden(t, name+".csv", table.Bytes())
			if text, ok := pdfText(t, paper.Bytes()); ok {
				golden(t, name+".txt", text)
			}
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	if *update {
		require.NoError(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "%s: run go test ./analytics/report -update and look at the difference", name)
}

// pdfText is the text of a paper as a reader finds it, without blanks and page breaks, whose places differ by version of the tool.
func pdfText(t *testing.T, paper []byte) ([]byte, bool) {
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Log("pdftotext is not installed (Debian package poppler-utils): the text of papers is not looked at")
		return nil, false
	}
	cmd := exec.CommandContext(t.Context(), "pdftotext", "-raw", "-", "-")
	cmd.Stdin = bytes.NewReader(paper)
	out, err := cmd.Output()
	require.NoError(t, err)
	return []byte(strings.Join(strings.Fields(string(out)), " ") + "\n"), true
}

// TestWords: both languages have the same texts with the same places, and every text asked for is there.
func TestWords(t *testing.T) {
	hi, err := i18n.Load(os.DirFS("."), "hi")
	require.NoError(t, err)
	en, err := i18n.Load(os.DirFS("."), "en")
	require.NoError(t, err)
	require.Len(t, hi, len(en))
	for k, text := range en {
		for _, place := range []string{"{0}", "{1}", "{2}"} {
			require.Equal(t, strings.Contains(text, place), strings.Contains(hi[k], place), "%s: %s", k, place)
		}
		require.NotEmpty(t, hi[k], k)
	}
}
