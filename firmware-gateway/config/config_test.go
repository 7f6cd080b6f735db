package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dir makes a directory with what a configuration refers to.
func dir(t *testing.T, yaml string) string {
	t.Helper()
	d := t.TempDir()
	for name, text := range map[string]string{
		"gw-1.key": "secret\n", "site.salt": "salt\n", "empty": "\n",
		"ahu0.csv": "time,machine,power[kW]\n", "bad.csv": "time,machine,power[kilowatt]\n",
		"gateway.yaml": yaml,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(d, name), []byte(text), 0o600))
	}
	return filepath.Join(d, "gateway.yaml")
}

func TestSampleIsRight(t *testing.T) {
	path := dir(t, Sample)
	g, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, "secret", g.Key)
	require.Equal(t, "salt", string(g.CardSalt))
	require.Equal(t, filepath.Join(filepath.Dir(path), "gw-1"), g.Data)
	require.Len(t, g.Machines, 6)
	require.Equal(t, time.Minute, g.Machines[1].Sim.History.Report.Std())
	require.Equal(t, time.Second, g.Machines[2].Every.Std())
	o, err := g.Machines[2].Replay.Options()
	require.NoError(t, err)
	require.Zero(t, o.Speed)
	require.Equal(t, "ahu-0", o.Machine)
}

// Every key of the structs stands in the sample, explained.
func TestSampleIsComplete(t *testing.T) {
	for _, key := range []string{"spool_max_mb", "history_packs_per_s", "clock", "key_file", "card_salt_file", "command_key_file", "shift", "speed", "pack", "report", "every", "span", "sensors", "chip", "meter", "mqtt_meter", "card_reader", "supply", "s0", "quantities", "window_every", "silent_after", "noise_a", "kit", "change", "fitted", "ports", "profile"} {
		require.Contains(t, Sample, key+":")
	}
}

const head = "site: jodhpur-cfc\ngateway: gw-1\nbroker: mqtt://127.0.0.1:1883\nkey_file: gw-1.key\n"

func TestBadConfigurations(t *testing.T) {
	replay := "machines:\n  - id: ahu-0\n    source: replay\n    replay: {file: ahu0.csv}\n"
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"unknown key":          {head + "histroy_packs_per_s: 5\n" + replay, []string{`gateway.yaml:5: unknown key "histroy_packs_per_s"; did you mean "history_packs_per_s"?`}},
		"duplicate machine":    {head + replay + "  - id: ahu-0\n    source: replay\n    replay: {file: ahu0.csv}\n", []string{`gateway.yaml:9: machine "ahu-0" is there twice, first in line 6`}},
		"unknown source":       {head + strings.ReplaceAll(replay, "source: replay", "source: reply"), []string{`gateway.yaml:7: unknown source "reply"; did you mean "replay"?`}},
		"unknown kind":         {head + "card_salt_file: site.salt\nmachines:\n  - id: f\n    source: sim\n    sim: {seed: 1, epoch: 2026-10-23T00:00:00Z, kind: furnance}\n", []string{`gateway.yaml:9: unknown kind "furnance"; did you mean "furnace"?`}},
		"no salt for sim":      {head + "machines:\n  - id: f\n    source: sim\n    sim: {seed: 1, epoch: 2026-10-23T00:00:00Z, kind: furnace}\n", []string{"card_salt_file"}},
		"bad unit in a file":   {head + strings.ReplaceAll(replay, "ahu0.csv", "bad.csv"), []string{"gateway.yaml:8:", `bad.csv:1: column 3: unit "kilowatt" does not fit power: use "W"`}},
		"missing recording":    {head + strings.ReplaceAll(replay, "ahu0.csv", "none.csv"), []string{"gateway.yaml:8: file:", "none.csv: no such file"}},
		"missing key file":     {strings.ReplaceAll(head, "gw-1.key", "gw-2.key") + replay, []string{"gateway.yaml:4: key_file: read", "no such file"}},
		"empty key file":       {strings.ReplaceAll(head, "gw-1.key", "empty") + replay, []string{"gateway.yaml:4: key_file:", "is empty"}},
		"no key":               {strings.ReplaceAll(head, "key_file: gw-1.key\n", "") + replay, []string{"key_file is missing"}},
		"duration has no unit": {head + replay + "    pack: 5\n", []string{"gateway.yaml:9:", "5 has no unit"}},
		"too short":            {head + replay + "    every: 1ms\n", []string{"every: 1ms is too short"}},
		"bad speed":            {head + strings.ReplaceAll(replay, "ahu0.csv", "ahu0.csv, speed: fast"), []string{`gateway.yaml:8: speed "fast": write 1x, 60x or max`}},
		"bad shift":            {head + strings.ReplaceAll(replay, "ahu0.csv", "ahu0.csv, shift: today"), []string{`shift "today": write none, now or a duration`}},
		"bad broker":           {strings.ReplaceAll(head, "mqtt://127.0.0.1:1883", "localhost") + replay, []string{"gateway.yaml:3:", "mqtt://host:port"}},
		"bad ids":              {strings.ReplaceAll(head, "gw-1\n", "GW_1\n") + strings.ReplaceAll(replay, "ahu-0", "AHU 0"), []string{"gateway.yaml:2: gateway id", "gateway.yaml:6: machine id"}},
		"no machines":          {head, []string{"machines is missing: list them, or write `machines: []`"}},
		"bad command key":      {head + "command_key_file: site.salt\n" + replay, []string{"gateway.yaml:5: command_key_file:", "holds no public key"}},
		"unknown clock":        {head + "clock: trsuted\n" + replay, []string{`gateway.yaml:5: unknown clock "trsuted"; did you mean "trusted"?`}},
		"rtc chip":             {head + "rtc: {chip: ds3232}\n" + replay, []string{`gateway.yaml:5: unknown chip "ds3232"; did you mean "ds3231"?`}},
		"rtc without a chip":   {head + "rtc: {bus: I2C1}\n" + replay, []string{"gateway.yaml:5: chip is missing: ds3231, or kernel"}},
		"rtc bus":              {head + "rtc: {chip: ds3231, bus: SPI0.0}\n" + replay, []string{`gateway.yaml:5: bus "SPI0.0": a ds3231 is on I2C1`}},
		"rtc of the kernel":    {head + "rtc: {chip: kernel, bus: I2C1}\n" + replay, []string{"gateway.yaml:5: the kernel knows where its clock is"}},
		"rtc not asked":        {head + "clock: trusted\nrtc: {chip: ds3231}\n" + replay, []string{"gateway.yaml:6: rtc is given but clock is trusted"}},
		"two sources":          {head + replay + "    sim: {seed: 1, epoch: 2026-10-23T00:00:00Z, kind: furnace}\n", []string{"gateway.yaml:9: sim is given but the source is replay"}},
		"numbers":              {head + "spool_max_mb: 1\nhistory_packs_per_s: -3\n" + replay, []string{"gateway.yaml:5: spool_max_mb", "gateway.yaml:6: history_packs_per_s"}},
		"everything at once":   {"site: X\nmachines:\n  - source: sim\n", []string{"gateway.yaml:1:", "gateway is missing", "broker", "key_file is missing", "machines[0].id is missing", "sim is missing"}},
		"not YAML":             {"site: [", []string{"gateway.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(dir(t, c.yaml))
			require.Error(t, err)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "secret")
		})
	}
}
