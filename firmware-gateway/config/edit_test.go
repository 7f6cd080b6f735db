package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"karkhana/internal/config"
)

func at(steps ...any) config.Path { return config.At(steps...) }

func TestRewrite(t *testing.T) {
	const file = `# Our gateway.
site: jodhpur-cfc      # the site
machines:              # all of them

  # the saw behind the door
  - id: saw-1
    kit: cutting       # two blades
    # change: later
  - {id: furnace-1, kit: furnace}   # old

  # the last one
  - id: main-1
    kit: main-meter
# the end
`
	for name, c := range map[string]struct {
		file  string
		edits []Edit
		want  string
	}{
		"unit": {file, []Edit{{at("machines", "saw-1", "change", "meter", "unit"), 12}, {at("machines", "saw-1", "change", "reader", "fitted"), false}},
			strings.Replace(file, "    kit: cutting       # two blades\n    # change: later\n", "    kit: cutting # two blades\n    # change: later\n\n    change:\n      meter:\n        unit: 12\n      reader:\n        fitted: false\n", 1)},
		"another kit": {file, []Edit{{at("machines", "furnace-1", "kit"), "kiln"}},
			strings.Replace(file, "  - {id: furnace-1, kit: furnace}   # old\n", "  - id: furnace-1 # old\n    kit: kiln\n", 1)},
		"taken out": {file, []Edit{{at("machines", "furnace-1"), nil}}, strings.Replace(file, "  - {id: furnace-1, kit: furnace}   # old\n", "", 1)},
		"added":     {file, []Edit{{at("machines", "lathe-1", "kit"), "polishing"}}, strings.Replace(file, "# the end", "  - id: lathe-1\n    kit: polishing\n# the end", 1)},
		"whole":     {file, []Edit{{at("machines", "main-1"), map[string]any{"kit": "kiln", "every": "5s"}}}, strings.Replace(file, "    kit: main-meter\n", "    every: 5s\n    kit: kiln\n", 1)},
		"ports":     {file, []Edit{{at("ports", "rs485-1"), "/dev/ttyUSB1"}}, strings.Replace(file, "machines: ", "ports:\n  rs485-1: /dev/ttyUSB1\nmachines: ", 1)},
		"port changed": {"ports: {rs485-1: /dev/ttyUSB0, i2c1: I2C1}  # here\nmachines: []\n", []Edit{{at("ports", "rs485-1"), "tcp://h:502"}, {at("ports", "i2c1"), nil}},
			"ports: {rs485-1: 'tcp://h:502'} # here\nmachines: []\n"},
		"none yet":     {"site: a\nmachines:\n#  - id: x\n#    source: sim\n", []Edit{{at("machines", "saw-1", "kit"), "cutting"}}, "site: a\nmachines:\n  - id: saw-1\n    kit: cutting\n#  - id: x\n#    source: sim\n"},
		"no key":       {"site: a", []Edit{{at("machines", "saw-1", "kit"), "cutting"}}, "site: a\nmachines:\n  - id: saw-1\n    kit: cutting\n"},
		"in brackets":  {"machines: [{id: a, kit: kiln}]\nsite: a\n", []Edit{{at("machines", "b", "kit"), "cutting"}}, "machines:\n  - {id: a, kit: kiln}\n  - id: b\n    kit: cutting\nsite: a\n"},
		"not indented": {"machines:\n- id: a\n  kit: kiln\n- id: b\n  kit: cutting\nsite: a\n", []Edit{{at("machines", "a", "every"), "5s"}, {at("machines", "c", "kit"), "kiln"}}, "machines:\n- id: a\n  kit: kiln\n  every: 5s\n- id: b\n  kit: cutting\n- id: c\n  kit: kiln\nsite: a\n"},
		"a number":     {"machines:\n  - id: a\n", []Edit{{at("machines", "12", "kit"), "cutting"}}, "machines:\n  - id: a\n  - id: \"12\"\n    kit: cutting\n"},
		"not there":    {file, []Edit{{at("machines", "x"), nil}, {at("ports", "spi0.0"), nil}, {at("machines", "saw-1", "change", "meter"), nil}}, strings.Replace(file, "cutting       #", "cutting #", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Rewrite([]byte(c.file), c.edits...)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.want, string(got)))
		})
	}
	for _, e := range []Edit{{at("site"), "x"}, {at("site", "y"), "x"}, {at("machines", 1, "kit"), "x"}, {at("machines"), nil}, {at("machines", "saw-1", "kit", "deeper"), 1}} {
		_, err := Rewrite([]byte(file), e)
		require.Error(t, err, e.Path)
	}
	_, err := Rewrite([]byte("machines:\n  - &a {id: x}\n  - <<: *a\n    id: b\n"), Edit{at("machines", "b", "kit"), "kiln"})
	require.ErrorIs(t, err, errByHand)
}

// The sample keeps every line that an edit does not concern.
func TestRewriteKeepsTheRest(t *testing.T) {
	got, err := Rewrite([]byte(Sample), Edit{at("machines", "fan-1", "every"), "2s"})
	require.NoError(t, err)
	before, after := strings.Split(Sample, "\n"), strings.Split(string(got), "\n")
	i := 0
	for before[i] == after[i] {
		i++
	}
	require.Contains(t, strings.Join(before[i-5:i+5], "\n"), "fan-1")
	require.Len(t, after, len(before)+1)
	require.Equal(t, before[len(before)-8:], after[len(after)-8:])
	got, err = Rewrite([]byte(Packaged()), Edit{at("machines", "saw-1", "kit"), "cutting"}, Edit{at("ports", "rs485-1"), "/dev/ttyUSB1"})
	require.NoError(t, err)
	for _, line := range strings.Split(Packaged(), "\n") {
		require.Contains(t, string(got), line[:min(len(line), 9)])
	}
}

func TestSave(t *testing.T) {
	path := dir(t, kitted+"machines:\n  - {id: saw-1, kit: cutting}\n")
	g, err := Load(path)
	require.NoError(t, err)
	old, err := os.ReadFile(path)
	require.NoError(t, err)

	_, err = Save(path, g.Hash, Edit{at("machines", "saw-2", "kit"), "cutting"})
	require.ErrorContains(t, err, "gateway.yaml:9: saw-2 meter: unit 2 on rs485-1 is taken by saw-1 meter")
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(old), string(now), "a wrong file is not written")
	require.NoFileExists(t, path+".bak")

	next, err := Save(path, g.Hash, Edit{at("machines", "hammer-1", "kit"), "hammering"})
	require.NoError(t, err)
	require.Len(t, next.Machines, 2)
	backup, err := os.ReadFile(path + ".bak")
	require.NoError(t, err)
	require.Equal(t, string(old), string(backup))
	loaded, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, next.Hash, loaded.Hash)
	require.NotEqual(t, g.Hash, next.Hash)

	_, err = Save(path, g.Hash, Edit{at("ports", "rs485-1"), "/dev/ttyUSB1"})
	require.ErrorIs(t, err, ErrChanged)
	_, err = Save(filepath.Join(t.TempDir(), "gateway.yaml"), "")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Whatever the bytes, loading and changing a configuration answer with one or with an error.
func FuzzConfiguration(f *testing.F) {
	f.Add([]byte(Sample), "saw-1", "cutting")
	f.Add([]byte(Packaged()), "a", "kiln")
	f.Add([]byte(kitted+"ports: {rs485-1: /dev/ttyUSB0}\nmachines:\n  - {id: saw-1, kit: cutting}\n"), "saw-1", "x")
	f.Add([]byte("machines:\n- id: a\n  sensors: [{s0: GPIO4}]\n# c\nsite: a"), "b", "")
	f.Add([]byte("machines: [{id: a}]"), "a", "12")
	f.Add([]byte("Qhines:\n- id; a\n  H\r\r\r\r\rmachines: [x]"), "a", "12")
	path := filepath.Join(f.TempDir(), "gateway.yaml")
	f.Fuzz(func(t *testing.T, text []byte, id, kit string) {
		if g, err := Parse(path, text); err == nil {
			require.NotEmpty(t, g.Machines)
			for _, m := range g.Machines {
				require.Empty(t, m.expanded)
				for _, s := range m.Sensors {
					require.NotEmpty(t, s.Quantities)
				}
			}
		}
		if !utf8.ValidString(kit) {
			return
		}
		out, err := Rewrite(text, Edit{at("machines", id, "kit"), kit})
		if err != nil {
			return
		}
		again, err := Rewrite(out, Edit{at("machines", id, "kit"), kit})
		if err == nil { // else what was written is strange enough to be left to a person
			require.Equal(t, string(out), string(again), "an edit that is there already changes nothing")
		}
	})
}
