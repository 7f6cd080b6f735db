package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"karkhana/hardware/kit"
	"karkhana/internal/registry"
	"karkhana/internal/sitefile"

	"github.com/stretchr/testify/require"
)

const folder = "../../../docs/kits"

// The committed pages and pictures are those of the kit files.
func TestPagesAreUpToDate(t *testing.T) {
	files, err := Files()
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run: go generate ./hardware/kit")
	}
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		require.Contains(t, files, e.Name(), "a page of no kit")
	}
}

// The settings shown on a page can be put into a site file and come out as those of the kit.
func TestSettingsFitTheSiteFile(t *testing.T) {
	for _, class := range kit.Classes() {
		k, err := kit.Load(class)
		require.NoError(t, err)
		d := &doc{}
		settings(d, k)
		_, block, _ := strings.Cut(d.String(), "```yaml\n")
		block, _, _ = strings.Cut(block, "```")
		text := "site: {id: a, name: {hi: अ, en: A}}\nmachines:\n  - id: m-1\n    class: " + class + "\n    name: {hi: म, en: M}\n    " +
			strings.ReplaceAll(strings.TrimSpace(block), "\n", "\n    ") + "\n"
		def, err := sitefile.Parse("site.yaml", []byte(text))
		require.NoError(t, err, text)
		got := def.Machines[0].Settings[0]
		require.Equal(t, registry.Settings{
			Signal: k.Settings.Signal, IdleAbove: k.Settings.IdleAbove, RunAbove: k.Settings.RunAbove, Hysteresis: k.Settings.Hysteresis,
			DwellOffMs: k.Settings.Dwell.Off.Ms(), DwellIdleMs: k.Settings.Dwell.Idle.Ms(), DwellRunMs: k.Settings.Dwell.Run.Ms(),
			ReportMs: k.Settings.Report.Ms(), TemperatureMaxC: k.Settings.Alarms.TemperatureMaxC,
			VibrationRatio: k.Settings.Alarms.VibrationRatio, SilentAfterMs: k.Settings.Alarms.SilentAfter.Ms(),
			AccelerationRatio: k.Settings.Alarms.AccelerationRatio, KurtosisRise: k.Settings.Alarms.KurtosisRise,
			PulseMs: k.Settings.Pulse.Ms(), PhaseRateC: k.Settings.Phases.Rate, PhaseBandC: k.Settings.Phases.Band, PhaseColdC: k.Settings.Phases.Cold,
		}, got)
	}
}

func TestRupees(t *testing.T) {
	for n, want := range map[int]string{0: "₹0", 999: "₹999", 1000: "₹1,000", 123456: "₹1,23,456", 12345678: "₹1,23,45,678"} {
		require.Equal(t, want, rupees(n))
	}
}
