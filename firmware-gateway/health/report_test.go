package health

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func age(ms int64) *int64 { return &ms }

func TestReportRoundTrip(t *testing.T) {
	file := filepath.Join(t.TempDir(), ReportName)
	_, err := ReadReport(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	want := &Report{
		Version: "1.2.0", PID: 7, StartedMs: 1000, UpMs: 9000, Machines: []Machine{{ID: "furnace-1", LimitMs: 11000, SampleAgeMs: age(3)}},
		Spool: Spool{Packs: 3, OldestAgeS: 9, Syncs: 4}, System: System{Throttled: bits(0), Disk: &Disk{FreeBytes: 5 << 30}},
	}
	require.NoError(t, want.Write(file))
	got, err := ReadReport(file)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
	require.Empty(t, got.Problems(9500))

	require.NoError(t, os.WriteFile(file, []byte("{torn"), 0o600))
	_, err = ReadReport(file)
	require.ErrorContains(t, err, file)
	require.NoError(t, os.Truncate(file, maxReport+1))
	_, err = ReadReport(file)
	require.ErrorContains(t, err, "no report")
	require.ErrorContains(t, want.Write(filepath.Join(file, "below-a-file")), "write health report")
}

func TestReportProblems(t *testing.T) {
	one := func(m Machine) *Report { m.ID, m.LimitMs = "m", 11000; return &Report{Machines: []Machine{m}} }
	for name, c := range map[string]struct {
		r    *Report
		up   int64
		want string
	}{
		"old report":        {&Report{}, 20_000, "has not reported for 20s"},
		"of another boot":   {&Report{UpMs: 5000}, 100, "has not reported"},
		"driver hangs":      {one(Machine{TickAgeMs: 12_000, SampleAgeMs: age(12_000)}), 0, "has not come back for 12s"},
		"never a value":     {one(Machine{TickAgeMs: 10}), 0, "no value since the start"},
		"no value any more": {one(Machine{TickAgeMs: 10, SampleAgeMs: age(60_000)}), 0, "no value for 1m0s"},
		"disk full":         {&Report{Spool: Spool{Failing: "no space left on device"}}, 0, "no space left"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := c.r.Problems(c.up)
			require.Len(t, problems, 1)
			require.Contains(t, problems[0], c.want)
		})
	}
}

func TestReportFile(t *testing.T) {
	for dirs, want := range map[string]string{"": "", "/run/karkhana": "/run/karkhana/health.json", "/run/a:/run/b": "/run/a/health.json"} {
		require.Equal(t, want, ReportFile(func(string) string { return dirs }))
	}
}

func TestUp(t *testing.T) {
	ms, err := Up(files("proc/uptime", "350735.47 234388.90\n"))
	require.NoError(t, err)
	require.Equal(t, int64(350735470), ms)
	for _, text := range []string{"", "\n", "x 1\n"} {
		_, err := Up(files("proc/uptime", text))
		require.ErrorContains(t, err, "time since boot", "%q", text)
	}
	_, err = Up(files())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func FuzzSystem(f *testing.F) {
	f.Add([]byte(root+data), []byte(stat), []byte("50005"))
	f.Fuzz(func(t *testing.T, mounts, stat, throttled []byte) {
		fsys := card(string(mounts))
		fsys["sys/block/mmcblk0/stat"].Data = stat
		fsys["sys/devices/platform/soc/soc:firmware/get_throttled"] = files("x", string(throttled))["x"]
		reader(fsys).Read(t.Context()).Problems()
	})
}
