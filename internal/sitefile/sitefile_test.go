package sitefile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"karkhana/internal/config"
	"karkhana/internal/config/configtest"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
)

func TestExample(t *testing.T) {
	def, err := Load("testdata/example.good.yaml")
	require.NoError(t, err)
	day := func(date string) int64 { // midnight in India: UTC+5:30
		d, err := time.Parse(time.DateOnly, date)
		require.NoError(t, err)
		return d.UnixMilli() - 330*60*1000
	}
	want := registry.SiteDefinition{
		Site: registry.Site{ID: "jodhpur-cfc", Zone: "Asia/Kolkata",
			Name: registry.Name{Hi: "जोधपुर सामान्य सुविधा केंद्र", En: "Jodhpur Common Facility Centre"}},
		Machines: []registry.MachineDefinition{
			{
				Machine: registry.Machine{Site: "jodhpur-cfc", ID: "furnace-1", Class: "furnace",
					Name: registry.Name{Hi: "मफल भट्ठी", En: "Muffle furnace"}},
				Settings: []registry.Settings{
					{Signal: "power", IdleAbove: 40, RunAbove: 600, Hysteresis: 0.1,
						DwellOffMs: 60_000, DwellIdleMs: 120_000, DwellRunMs: 60_000, ReportMs: 1000},
					{ValidFromMs: day("2026-10-01"), Signal: "power", IdleAbove: 50, RunAbove: 500.5, Hysteresis: 0.2,
						DwellOffMs: 30_000, DwellIdleMs: 90_000, DwellRunMs: 20_000, ReportMs: 5000,
						TemperatureMaxC: 950, VibrationRatio: 1.5, SilentAfterMs: 300_000,
						AccelerationRatio: 2.5, KurtosisRise: 1.5, PersistOver: 4, PersistOf: 6, BaselineFromMs: day("2026-10-20"),
						PulseMs: 90_000, PhaseRateC: 2, PhaseBandC: 15, PhaseColdC: 60},
				},
				Services: []registry.ServiceTask{
					{Site: "jodhpur-cfc", Machine: "furnace-1", ID: "elements", IntervalH: 400},
					{Site: "jodhpur-cfc", Machine: "furnace-1", ID: "thermocouple", Off: true},
					{Site: "jodhpur-cfc", Machine: "furnace-1", ID: "bricks", Name: registry.Name{Hi: "ईंटें", En: "Bricks"},
						Do: registry.Name{Hi: "दरारें देखें", En: "Look for cracks"}, IntervalDays: 365},
				},
			},
			{Machine: registry.Machine{Site: "jodhpur-cfc", ID: "old-press", Class: "cutting",
				Name: registry.Name{Hi: "पुराना प्रेस", En: "Old press"}},
				Settings: []registry.Settings{{Signal: "status_code", IdleAbove: 2, RunAbove: 3, ReportMs: 60_000,
					StatusMap: `{"-1":"unknown","0":"off","1":"run"}`}}},
			{Machine: registry.Machine{Site: "jodhpur-cfc", ID: "meter-main", Class: "main-meter",
				Name: registry.Name{Hi: "मुख्य मीटर", En: "Main meter"}}},
		},
		Gateways: []string{"gw-1"},
		Groups: []registry.GroupDefinition{{
			Group: registry.Group{Site: "jodhpur-cfc", ID: "kumhar", Name: registry.Name{Hi: "कुम्हार समूह", En: "Potters"}},
			Cards: []string{"00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"},
			Members: []registry.Members{
				{Group: "kumhar", Members: 10, Women: 10, SC: registry.NotGiven, ST: registry.NotGiven},
				{Group: "kumhar", ValidFromMs: day("2026-10-01"), Members: 12, Women: 11, SC: 4, ST: 2},
			},
		}},
		Tariffs: []registry.Tariff{
			{Site: "jodhpur-cfc", Class: "furnace", ValidFromMs: day("2026-10-01"), PaisePerRunHour: 12_000},
			{Site: "jodhpur-cfc", Class: "furnace", ValidFromMs: day("2026-11-01"), PaisePerRunHour: 13_550},
		},
		Calendar: &registry.CalendarDefinition{
			Weeks: []registry.CalendarWeek{
				{Shifts: []registry.Shift{{ID: "day", Name: registry.Name{Hi: "दिन", En: "Day"}, Days: []int{1, 2, 3, 4, 5, 6}, From: 540, To: 1080,
					Breaks: []registry.ShiftBreak{{From: 780, To: 810}}}}},
				{ValidFromMs: day("2027-01-01")},
				{Machine: "furnace-1", ValidFromMs: day("2026-10-01"), Shifts: []registry.Shift{
					{ID: "early", Name: registry.Name{Hi: "सुबह", En: "Early"}, Days: []int{1, 6}, From: 360, To: 1320},
					{ID: "night", Name: registry.Name{Hi: "रात", En: "Night"}, Days: []int{1, 6}, From: 1320, To: 1800,
						Breaks: []registry.ShiftBreak{{From: 1410, To: 1455}, {From: 1500, To: 1560}}},
				}},
				{Machine: "furnace-1", ValidFromMs: day("2026-11-01"), LikeSite: true},
			},
			Rules: []registry.KPIRule{
				{HoursPerYear: 2400, MinCoverage: 0.8},
				{ValidFromMs: day("2026-10-01"), HoursPerYear: 3000, MinCoverage: 0.9},
			},
			Stops: []registry.PlannedStop{
				{Kind: "holiday", FromMs: day("2026-10-02"), ToMs: day("2026-10-03"), Name: registry.Name{Hi: "गांधी जयंती", En: "Gandhi Jayanti"}},
				{Kind: "closure", FromMs: day("2026-11-07"), ToMs: day("2026-11-10"), Name: registry.Name{Hi: "दीपावली", En: "Diwali"}},
				{Kind: "maintenance", Machine: "furnace-1", FromMs: day("2026-10-20") + 9*3_600_000, ToMs: day("2026-10-20") + 11*3_600_000,
					Name: registry.Name{Hi: "तार बदलना", En: "New elements"}},
			},
		},
	}
	require.Empty(t, cmp.Diff(want, def))
}

// TestGoodFilesApply: what the reader accepts the registry accepts too.
func TestGoodFilesApply(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		def, err := Load(file)
		require.NoError(t, err, file)
		require.NoError(t, registrytest.Open(t).Apply(t.Context(), def, "test", time.Now().UnixMilli()), file)
	}
}

func TestBad(t *testing.T) {
	configtest.Bad(t, func(t *testing.T, name string, data []byte) error {
		_, err := Parse(name, data)
		var fault *config.Fault
		require.ErrorAs(t, err, &fault)
		return err
	})
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPaise(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "0.01": 1, "0.1": 10, "1": 100, "120": 12_000, "120.00": 12_000, "120.5": 12_050, "19.99": 1_999,
		"999999999.99": 99_999_999_999,
	} {
		got, problem := paise(text)
		require.Empty(t, problem, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "-1", "+1", "1.", ".5", "1.005", "1,5", "1 000", "1e3", "0x10", "१२०", "₹120", "NaN", "1000000000"} {
		_, problem := paise(text)
		require.NotEmpty(t, problem, text)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		def, err := Parse("fuzz.yaml", data)
		if err != nil {
			require.Equal(t, registry.SiteDefinition{}, def)
			return
		}
		require.NotEmpty(t, def.Machines)
		for _, m := range def.Machines {
			for _, s := range m.Settings {
				require.Positive(t, s.IdleAbove)
				require.GreaterOrEqual(t, s.RunAbove, s.IdleAbove)
				require.Positive(t, s.ReportMs)
			}
		}
		for _, tariff := range def.Tariffs {
			require.GreaterOrEqual(t, tariff.PaisePerRunHour, int64(0))
		}
	})
}
