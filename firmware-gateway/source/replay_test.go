package source

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"karkhana/internal/wire"
)

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func open(t testing.TB, o ReplayOptions, position any) *Replay {
	t.Helper()
	var raw json.RawMessage
	if position != nil {
		var err error
		raw, err = json.Marshal(position)
		require.NoError(t, err)
	}
	r, err := OpenReplay(o, raw)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func all(t testing.TB, r *Replay) (out []wire.Sample) {
	t.Helper()
	for {
		s, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, s...)
	}
}

func TestReplayReadsRows(t *testing.T) {
	path := file(t, "time,machine,power[kW],temperature,card,supply,vibration[mm/s]\n"+
		"2026-06-01T10:00:00.250+05:30,m,1.5,,,true,\n"+
		"1780288201.5,m,,25,0123456789abcdef0123456789abcdef,,\n"+
		"1780288202,other,9,,,,\n"+
		"\n"+
		"1780288203,m,,,,false,4\n")
	got := all(t, open(t, ReplayOptions{File: path, Machine: "m"}, nil))
	t1 := time.Date(2026, 6, 1, 4, 30, 0, 250e6, time.UTC).UnixMilli()
	want := []wire.Sample{
		{TimeMs: t1, Quantity: "power", Number: 1500},
		{TimeMs: t1, Quantity: "supply", Bool: true},
		{TimeMs: 1780288201500, Quantity: "temperature", Number: 25},
		{TimeMs: 1780288201500, Quantity: "card", Text: "0123456789abcdef0123456789abcdef"},
		{TimeMs: 1780288203000, Quantity: "supply"},
		{TimeMs: 1780288203000, Quantity: "vibration", Number: .004},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBadHeaders(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "no header",
		"time,machine\n":                      "want time,machine,<quantity>[unit]",
		"machine,time,power\n":                "want time,machine,<quantity>[unit]",
		"time,machine,powr[W]\n":              `r.csv:1: column 3: unknown quantity "powr"; did you mean "power"?`,
		"time,machine,power[kWh]\n":           `r.csv:1: column 3: unit "kWh" does not fit power: use "W"`,
		"time,machine,power[W\n":              "no closing bracket",
		"time,machine,power,power[kW]\n":      "column 4: power is there twice",
		"time,machine,card[W]\n":              "card has no unit",
		strings.Repeat("x", 5000):             "no line end within 4096 bytes",
		"time,machine,\"power\n1,m,2\n":       "no header",
		"time,machine,power\x00\n1780000000,": "unknown quantity",
	} {
		err := CheckReplay(file(t, text))
		require.ErrorContains(t, err, want, "%.40q", text)
	}
}

func TestBadRowsAreNamedAndSkipped(t *testing.T) {
	rows := []struct{ row, want string }{
		{"1780000000,m,1,", ""},
		{"yesterday,m,1,", `r.csv:3`},
		{"1780000001000,m,1,", "looks like milliseconds"},
		{"5,m,1,", "before 1979"},
		{"NaN,m,1,", "RFC 3339"},
		{"1780000002,m,one,", `\"one\" is not a number`},
		{"1780000003,m,1e300,", "is outside"},
		{"1780000003,m,inf,", "not a number that can be stored"},
		{"1780000004,m,1", "3 fields where the header has 4"},
		{"1780000005,m,1,04A2", "set card_salt_file"},
		{"x", "1 fields"},
		{`1780000006,m,"1,`, ""}, // swallows up to the next quote
		{`",`, "r.csv:13"},
		{"1779999999,m,1,", "time goes back by 1000 ms"},
		{"1780000007,m,2,", ""},
	}
	text := "time,machine,power,card\n"
	for _, r := range rows {
		text += r.row + "\n"
	}
	var log strings.Builder
	r := open(t, ReplayOptions{File: file(t, text), Machine: "m", Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
	r.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	got := all(t, r)
	require.Equal(t, []wire.Sample{{TimeMs: 1780000000000, Quantity: "power", Number: 1}, {TimeMs: 1780000007000, Quantity: "power", Number: 2}}, got)
	require.Equal(t, uint64(len(rows)-3), r.BadRows())
	logged := log.String()
	for i, row := range rows[:11] {
		require.Contains(t, logged, row.want, "row %d", i)
	}
	require.Contains(t, logged, "bad_rows=12", "what is not logged line by line is counted")
}

func TestPositionGoesOn(t *testing.T) {
	text := "time,machine,power\n"
	var want []wire.Sample
	for i := range int64(50) {
		text += time.UnixMilli(1780000000000+i*1000).UTC().Format(time.RFC3339) + ",m,1\n\nbad\n"
		want = append(want, wire.Sample{TimeMs: 1780000000000 + i*1000, Quantity: "power", Number: 1})
	}
	path := file(t, text)
	var got []wire.Sample
	var position any
	lines := 0
	for range 25 {
		r := open(t, ReplayOptions{File: path, Machine: "m"}, position)
		for range 2 {
			s, err := r.Next(t.Context())
			require.NoError(t, err)
			got = append(got, s...)
		}
		position = r.Position()
		require.Greater(t, position.(replayPosition).Line, lines)
		lines = position.(replayPosition).Line
	}
	require.Equal(t, want, got)
	require.Empty(t, all(t, open(t, ReplayOptions{File: path, Machine: "m"}, position)))

	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("1790000000,m,3\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Len(t, all(t, open(t, ReplayOptions{File: path, Machine: "m"}, position)), 1, "a recording may grow")

	require.NoError(t, os.WriteFile(path, []byte("time,machine,power\n1790000000,m,3\n1790000001,m,3\n"), 0o600))
	require.Len(t, all(t, open(t, ReplayOptions{File: path, Machine: "m"}, position)), 2, "another one is played from its beginning")
}

const threeRows = "time,machine,power\n1780000000,m,1\n1780000060,m,2\n1780000120,m,3\n"

func TestSpeedAndShift(t *testing.T) {
	path := file(t, threeRows)
	t.Run("1x now", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			r := open(t, ReplayOptions{File: path, Machine: "m", Speed: 1, ShiftNow: true}, nil)
			for _, s := range all(t, r) {
				require.Equal(t, begin.UnixMilli()+int64(s.Number-1)*60_000, s.TimeMs)
			}
			require.Equal(t, 2*time.Minute, time.Since(begin))
		})
	})
	t.Run("60x now ends now, also after a restart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			o := ReplayOptions{File: path, Machine: "m", Speed: 60, ShiftNow: true}
			r := open(t, o, nil)
			first, err := r.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, begin.Add(-2*time.Minute).UnixMilli(), first[0].TimeMs)
			time.Sleep(time.Hour)
			rest := all(t, open(t, o, r.Position()))
			require.Equal(t, begin.UnixMilli(), rest[1].TimeMs)
		})
	})
	t.Run("fixed", func(t *testing.T) {
		got := all(t, open(t, ReplayOptions{File: path, Machine: "m", Shift: time.Hour}, nil))
		require.Equal(t, int64(1780003600000), got[0].TimeMs)
	})
	t.Run("an interrupted wait loses nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := open(t, ReplayOptions{File: path, Machine: "m", Speed: 1}, nil)
			n := 0
			for {
				before := r.Position()
				ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
				s, err := r.Next(ctx)
				cancel()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, before, r.Position())
				}
				n += len(s)
			}
			require.Equal(t, 3, n)
		})
	})
}

// Whatever a recording holds, reading it ends and gives only samples that can be sent.
func FuzzReplay(f *testing.F) {
	f.Add(threeRows)
	f.Add("time,machine,power[kW],card,supply\n2026-06-01T10:00:00Z,m,1,\"x\ny\",true\n1780000000,m,,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "r.csv")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		r, err := OpenReplay(ReplayOptions{File: path, Machine: "m"}, nil)
		if err != nil {
			return
		}
		defer r.Close()
		samples := all(t, r)
		for len(samples) > 0 {
			p := wire.Pack{Site: "s", Machine: "m", Spool: "s", Boot: "b", Seq: 1, Clock: wire.ClockSynced, Samples: samples[:1]}
			_, err := p.Encode(wire.FormatCBOR)
			require.NoError(t, err)
			samples = samples[1:]
		}
	})
}
