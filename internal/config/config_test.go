package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/config/configtest"
)

type testConfig struct {
	Site     string         `yaml:"site"`
	Enabled  bool           `yaml:"enabled"`
	Every    Duration       `yaml:"every"`
	Labels   map[string]any `yaml:"labels"`
	Machines []testMachine  `yaml:"machines"`
	Common   `yaml:",inline"`
	Ignored  string `yaml:"-"`
}

// Common is inlined: its keys stand at the top of the file.
type Common struct {
	Ratio float64 `yaml:"ratio"`
}

type testMachine struct {
	ID    string   `yaml:"id"`
	Every Duration `yaml:"every"`
	Count int      `yaml:"count"`
	Sim   *struct {
		Seed uint64 `yaml:"seed"`
	} `yaml:"sim"`
}

func TestGood(t *testing.T) {
	cfg := testConfig{Site: "default", Every: Duration(time.Second)}
	src, err := Load("testdata/good.yaml", &cfg)
	require.NoError(t, err)
	require.Equal(t, "jodhpur-cfc", cfg.Site)
	require.True(t, cfg.Enabled)
	require.InDelta(t, 0.1, cfg.Ratio, 0)
	require.Equal(t, 720*time.Hour, cfg.Every.Std())
	require.Len(t, cfg.Machines, 2)
	require.Equal(t, uint64(7), cfg.Machines[0].Sim.Seed)
	require.EqualValues(t, 1000, cfg.Machines[0].Every.Ms())
	require.Equal(t, "12", cfg.Machines[1].ID)
	require.Nil(t, cfg.Machines[1].Sim)

	require.Equal(t, 1, src.Line())
	require.Equal(t, 7, src.Line("machines"))
	require.Equal(t, 12, src.Line("machines", 1, "id"))
	require.Equal(t, 12, src.Line("machines", 1, "every"), "missing key: the line of its machine")
	require.Equal(t, 7, src.Line("machines", 9, "id"), "missing item: the line of the list")
	require.True(t, src.Has("machines", 0, "every"))
	require.False(t, src.Has("machines", 1, "every"))
	require.EqualError(t, src.Errorf(At("machines", 0, "count"), "%d is too many", 3), "testdata/good.yaml:10: 3 is too many")
}

func TestDefaultsStay(t *testing.T) {
	cfg := testConfig{Site: "default", Common: Common{Ratio: 0.5}}
	_, err := Decode("x.yaml", []byte("every: 1h30m\n"), &cfg)
	require.NoError(t, err)
	require.Equal(t, "default", cfg.Site)
	require.InDelta(t, 0.5, cfg.Ratio, 0)
	require.Equal(t, "1h30m0s", cfg.Every.String())
}

func TestBad(t *testing.T) {
	configtest.Bad(t, func(t *testing.T, name string, data []byte) error {
		var cfg testConfig
		_, err := Decode(name, data, &cfg)
		require.Equal(t, testConfig{}, cfg, "a refused file leaves the struct alone")
		return err
	})
}

func TestLoadMissingFile(t *testing.T) {
	var cfg testConfig
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), &cfg)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "none.yaml")
}

func TestLoadHugeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.yaml")
	require.NoError(t, os.WriteFile(path, make([]byte, largestFile+1), 0o600))
	var cfg testConfig
	_, err := Load(path, &cfg)
	require.ErrorContains(t, err, "is it the right file?")
}

func TestJoinSortsByLine(t *testing.T) {
	f := func(line int) error { return &Fault{File: "a.yaml", Line: line, Text: "x"} }
	err := Join(f(9), nil, errors.New("elsewhere"), Join(f(3), f(12)), f(1))
	require.EqualError(t, err, "a.yaml:1: x\na.yaml:3: x\na.yaml:9: x\na.yaml:12: x\nelsewhere")
	require.NoError(t, Join(nil, nil))
}

func TestSuggest(t *testing.T) {
	chips := []string{"max31855", "sht4x", "ads1115"}
	for word, want := range map[string]string{
		"max31865": "max31855",
		"MAX31855": "max31855",
		"sht4":     "sht4x",
		"hst4x":    "sht4x",
		"ads111":   "ads1115",
		"bme280":   "",
		"":         "",
	} {
		require.Equal(t, want, Suggest(word, chips), word)
	}
	require.Equal(t, `; did you mean "max31855"?`, DidYouMean("max31865", chips))
	require.Equal(t, `; use one of "max31855", "sht4x", "ads1115"`, DidYouMean("bme280", chips))
	require.Empty(t, DidYouMean("x", nil))
	require.Equal(t, "a", Suggest("b", []string{"c", "a"}), "equally near: first by alphabet")
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gw.key"), []byte("  s3cret\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty.key"), []byte("\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "long.key"), make([]byte, longestSecret+1), 0o600))
	var cfg struct {
		Broker struct {
			KeyFile string `yaml:"key_file"`
		} `yaml:"broker"`
	}
	src, err := Decode(filepath.Join(dir, "gateway.yaml"), []byte("broker:\n  key_file: gw.key\n"), &cfg)
	require.NoError(t, err)

	got, err := src.Secret(At("broker"), "key", "", cfg.Broker.KeyFile)
	require.NoError(t, err)
	require.Equal(t, "s3cret", got)
	got, err = src.Secret(At("broker"), "key", "inline", "")
	require.NoError(t, err)
	require.Equal(t, "inline", got)
	for _, c := range []struct{ value, file, want string }{
		{"x", "gw.key", "gateway.yaml:2: give key or key_file, not both"},
		{"", "none.key", "no such file"},
		{"", "empty.key", "is empty"},
		{"", "long.key", "is it the right file?"},
	} {
		_, err = src.Secret(At("broker"), "key", c.value, c.file)
		require.ErrorContains(t, err, c.want)
	}
	require.Equal(t, "/etc/key", src.Resolve("/etc/key"))
	require.Empty(t, src.Resolve(""))
}

func TestPath(t *testing.T) {
	p := At("machines", 2)
	require.Equal(t, "machines[2].sim.seed", p.Then("sim", "seed").String())
	require.Equal(t, "machines[2]", p.String())
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var cfg testConfig
		src, err := Decode("fuzz.yaml", data, &cfg)
		if err != nil {
			require.Nil(t, src)
			return
		}
		for i := range cfg.Machines {
			require.Positive(t, src.Line("machines", i, "id"))
		}
	})
}
