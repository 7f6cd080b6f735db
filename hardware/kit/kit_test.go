package kit_test

import (
	"testing"

	"karkhana/hardware/kit"
	"karkhana/hardware/meter"

	"github.com/stretchr/testify/require"
)

// Every shipped kit loads, and its meters exist and give what the kit says.
func TestShippedKits(t *testing.T) {
	require.Equal(t, []string{"cutting", "designing", "furnace", "hammering", "main-meter", "polishing"}, kit.Classes())
	for _, class := range kit.Classes() {
		k, err := kit.Load(class)
		require.NoError(t, err)
		require.Equal(t, class, k.Class)
		for _, s := range k.Sensors {
			if s.Driver != "meter" {
				require.Empty(t, s.Profile)
				continue
			}
			p, err := meter.LoadProfile(s.Profile)
			require.NoError(t, err)
			for _, q := range s.Gives {
				_, ok := p.Row(q)
				require.True(t, ok, "%s: %s of %s", class, q, s.Profile)
			}
		}
		require.Positive(t, k.Settings.Alarms.SilentAfter, class)
	}
	_, err := kit.Load("furnce")
	require.ErrorContains(t, err, `did you mean "furnace"?`)
}

func TestBadKits(t *testing.T) {
	const good = `class: x
name: {hi: क, en: X}
sensors:
  - {part: p, place: q, gives: [power]}
settings: {signal: power, idle_above: 10, run_above: 20, hysteresis: 0.1, report: 1s}
`
	_, err := kit.Parse("good.yaml", []byte(good))
	require.NoError(t, err)
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", good + "sensor: 1\n", "bad.yaml:6"},
		{"no name", "class: x\n" + good[len("class: x\nname: {hi: क, en: X}\n"):], "needs a class and its name"},
		{"no sensors", "class: x\nname: {hi: क, en: X}\nsettings: {signal: power, idle_above: 1, run_above: 1, report: 1s}\n", "a kit needs sensors"},
		{"sensor without place", "class: x\nname: {hi: क, en: X}\nsensors:\n  - {part: p, gives: [power]}\n", "bad.yaml:4: a sensor needs part, place and gives"},
		{"unknown quantity", "class: x\nname: {hi: क, en: X}\nsensors:\n  - {part: p, place: q, gives: [powr]}\n", `unknown quantity "powr"; did you mean "power"?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := kit.Parse("bad.yaml", []byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
	head := "class: x\nname: {hi: क, en: X}\nsensors:\n  - {part: p, place: q, gives: [power]}\n"
	for settings, want := range map[string]string{
		"{signal: current, idle_above: 10, run_above: 20, report: 1s}":                 `bad.yaml:5: signal "current": no sensor of the kit gives it`,
		"{signal: power, idle_above: 30, run_above: 20, report: 1s}":                   "want 0 < idle_above ≤ run_above",
		"{signal: power, run_above: 20, report: 1s}":                                   "want 0 < idle_above ≤ run_above",
		"{signal: power, idle_above: 10, run_above: 20, hysteresis: 1, report: 1s}":    "give a part of 1, usually 0.1",
		"{signal: power_max, idle_above: 10, run_above: 20}":                           "give the window, for example 1s",
		"{signal: power, idle_above: 10, run_above: 20, report: 1s, dwell: {off: 10}}": "has no unit",
	} {
		_, err := kit.Parse("bad.yaml", []byte(head+"settings: "+settings+"\n"))
		require.ErrorContains(t, err, want)
	}
}
