package sitefile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

var shelf = []Kit{{Name: "furnace", Settings: registry.Settings{
	Signal: "power", IdleAbove: 40, RunAbove: 2000, Hysteresis: 0.1, DwellOffMs: 180_000, DwellIdleMs: 180_000, DwellRunMs: 10_000, ReportMs: 2000, PulseMs: 5000,
	PhaseRateC: 2, PhaseBandC: 10, PhaseColdC: 60, TemperatureMaxC: 890, SilentAfterMs: 300_000,
}}, {Name: "cutting", Settings: registry.Settings{Signal: "power", IdleAbove: 150, RunAbove: 1200, Hysteresis: 0.1, ReportMs: 1000}}}

func machineText(lines string) []byte {
	return []byte("site: {id: s, name: {hi: स, en: S}}\nmachines:\n  - id: m\n    name: {hi: म, en: M}\n" + lines)
}

func TestKit(t *testing.T) {
	kit := shelf[0].Settings
	with := func(change func(*registry.Settings)) registry.Settings {
		s := kit
		change(&s)
		return s
	}
	for _, x := range []struct {
		name, text string
		want       []registry.Settings
	}{
		{"alone", "    kit: furnace\n", []registry.Settings{kit}},
		{"what is written wins", "    kit: furnace\n    settings: [{run_above: 900, dwell: {run: 1s}, alarms: {temperature_max_c: 700}}]\n",
			[]registry.Settings{with(func(s *registry.Settings) { s.RunAbove, s.DwellRunMs, s.TemperatureMaxC = 900, 1000, 700 })}},
		{"phases of its own", "    kit: furnace\n    settings: [{phases: {band: 15}}]\n",
			[]registry.Settings{with(func(s *registry.Settings) { s.PhaseBandC = 15 })}},
		{"another signal has its own thresholds", "    kit: furnace\n    settings: [{signal: current, idle_above: 1, run_above: 5}]\n",
			[]registry.Settings{with(func(s *registry.Settings) {
				s.Signal, s.IdleAbove, s.RunAbove, s.PulseMs, s.ReportMs = "current", 1, 5, 0, 1000
				s.PhaseRateC, s.PhaseBandC, s.PhaseColdC = 0, 0, 0
			})}},
		{"a controller's words", "    kit: furnace\n    settings: [{signal: status_code, status: {\"0\": off, \"1\": run}}]\n",
			[]registry.Settings{{Signal: "status_code", IdleAbove: 2, RunAbove: 3, ReportMs: 1000, StatusMap: `{"0":"off","1":"run"}`, TemperatureMaxC: 890, SilentAfterMs: 300_000}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			def, err := Parse("site.yaml", machineText(x.text), shelf...)
			require.NoError(t, err)
			require.Equal(t, x.want, def.Machines[0].Settings)
			require.Equal(t, "furnace", def.Machines[0].Machine.Class, "the class is the kit's")
			require.Len(t, def.Machines[0].FromKit, len(x.want))
		})
	}
	for text, want := range map[string]string{
		"    kit: furnance\n": `site.yaml:5: unknown kit "furnance"; did you mean "furnace"?`,
		"    kit: furnace\n    settings: [{signal: current}]\n":  "site.yaml:6: idle_above is missing",
		"    kit: furnace\n    settings: [{idle_above: 3000}]\n": "site.yaml:6: idle_above (3000 W) lies above run_above (2000 W)",
	} {
		_, err := Parse("site.yaml", machineText(text), shelf...)
		require.ErrorContains(t, err, want)
	}
}
