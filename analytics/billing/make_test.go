package billing

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/internal/i18n"
	"karkhana/internal/registry"
)

var update = flag.Bool("update", false, "write the golden files of this test anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./analytics/billing -update once and look at the files")
	require.Empty(t, cmp.Diff(string(want), string(got)))
}

func TestStatementGolden(t *testing.T) {
	d, _ := november(t)
	s, err := Make(context.Background(), d, "jodhpur-cfc", "2026-11", "pg-1", ist(t, "2026-11-20 12:00:00"))
	require.NoError(t, err)
	b, err := json.MarshalIndent(s, "", "  ")
	require.NoError(t, err)
	golden(t, "statement.json", append(b, '\n'))
	for _, lang := range []string{"hi", "en"} {
		var buf bytes.Buffer
		require.NoError(t, s.WriteCSV(&buf, lang))
		golden(t, "statement."+lang+".csv", buf.Bytes())
	}
	u, err := Unattributed(context.Background(), d, "jodhpur-cfc", "2026-11", ist(t, "2026-11-20 12:00:00"))
	require.NoError(t, err)
	b, err = json.MarshalIndent(u, "", "  ")
	require.NoError(t, err)
	golden(t, "unattributed.json", append(b, '\n'))
}

func TestLinesByHand(t *testing.T) {
	d, _ := november(t)
	now := ist(t, "2026-11-20 12:00:00")
	s, err := Make(context.Background(), d, "jodhpur-cfc", "2026-11", "pg-1", now)
	require.NoError(t, err)
	require.Len(t, s.Lines, 4)

	// 00:00 … 02:00 at 120.00: run 1 h 0.5 s + 30 min. The session ran 4 h before midnight, so whole seconds there.
	l := s.Lines[0]
	require.Equal(t, at(ist(t, "2026-11-01 00:00:00")), l.From)
	require.Equal(t, at(ist(t, "2026-11-01 02:00:00")), l.To)
	require.Equal(t, at(ist(t, "2026-10-31 19:55:00")), l.SessionStart)
	require.EqualValues(t, 5_400_500, l.RunMs)
	require.EqualValues(t, 5401, l.RunS)
	require.EqualValues(t, 12_000, l.Tariff.PaisePerRunHour)
	require.EqualValues(t, 18_003, l.AmountPaise) // 18003.33
	// 02:00 … 04:00 at 150.00: run 100 min; the rounding of the first line is not paid twice.
	l = s.Lines[1]
	require.EqualValues(t, 6_000_000, l.RunMs)
	require.EqualValues(t, 6000, l.RunS)
	require.EqualValues(t, 1200, l.UnknownS)
	require.EqualValues(t, 25_000, l.AmountPaise)
	// the open session: up to what is known
	l = s.Lines[2]
	require.True(t, l.Open)
	require.Nil(t, l.SessionEnd)
	require.Equal(t, ProblemOpen, l.Problem)
	require.EqualValues(t, 2400, l.RunS)
	require.Equal(t, at(now), l.To)
	require.EqualValues(t, 10_000, l.AmountPaise)
	// no tariff for the lathe's class
	l = s.Lines[3]
	require.Nil(t, l.Tariff)
	require.Equal(t, ProblemNoTariff, l.Problem)
	require.EqualValues(t, 1800, l.RunS)
	require.Zero(t, l.AmountPaise)

	require.EqualValues(t, 53_003, s.Total.AmountPaise)
	require.Len(t, s.Machines, 2)
	require.EqualValues(t, 53_003, s.Machines[0].AmountPaise)
	require.False(t, s.Complete)
	codes := map[string]int{}
	for _, p := range s.Problems {
		codes[p.Code]++
	}
	require.Equal(t, map[string]int{ProblemNoTariff: 1, ProblemOpen: 1, ProblemMonthIsOpen: 1}, codes)
	for _, b := range s.Balance {
		require.True(t, b.Balanced, b.Machine)
		require.NotEqual(t, "incomer", b.Machine)
	}
}

func TestOctoberAndNovemberBillTheWholeSession(t *testing.T) {
	d, f := november(t)
	f.sessions = f.sessions[len(f.sessions)-1:] // the one over the edge
	now := ist(t, "2026-12-02 00:00:00")
	var runS, runMs int64
	for _, name := range []string{"2026-10", "2026-11", "2026-12"} {
		s, err := Make(context.Background(), d, "jodhpur-cfc", name, "pg-1", now)
		require.NoError(t, err)
		runS += s.Total.RunS
		runMs += s.Total.RunMs
		require.Equal(t, name != "2026-12", s.Complete)
	}
	require.EqualValues(t, 7*3600_000+10*60_000+500, runMs)
	require.EqualValues(t, 7*3600+10*60+1, runS)
}

func TestGroupsThatAreGoneAreUnattributed(t *testing.T) {
	d, f := november(t)
	f.groups = f.groups[:1] // pg-2 is gone
	u, err := Unattributed(context.Background(), d, "jodhpur-cfc", "2026-11", ist(t, "2026-12-20 12:00:00"))
	require.NoError(t, err)
	require.Equal(t, "lathe-1", u[1].Machine)
	require.EqualValues(t, 3600, u[1].RunS)
	require.Equal(t, "bbb", u[1].Stretches[1].CardHash)
	s, err := Make(context.Background(), d, "jodhpur-cfc", "2026-11", "pg-1", ist(t, "2026-12-20 12:00:00"))
	require.NoError(t, err)
	require.True(t, s.Balance[1].Balanced)
}

func TestOverlappingSessionsDoNotBalance(t *testing.T) {
	d, f := november(t)
	f.sessions = append(f.sessions, registry.Session{
		Machine: "lathe-1", StartMs: ist(t, "2026-11-02 10:30:00"), EndMs: ist(t, "2026-11-02 10:40:00"), Group: "pg-1", EndReason: "tap",
	})
	s, err := Make(context.Background(), d, "jodhpur-cfc", "2026-11", "pg-2", ist(t, "2026-12-20 12:00:00"))
	require.NoError(t, err)
	require.False(t, s.Balance[1].Balanced)
	require.Contains(t, s.Problems, Problem{Code: ProblemUnbalanced, Machine: "lathe-1"})
}

func TestMakeAllGivesWhatMakeGives(t *testing.T) {
	d, _ := november(t)
	ctx, now := context.Background(), ist(t, "2026-12-20 12:00:00")
	all, err := MakeAll(ctx, d, "jodhpur-cfc", "2026-11", now)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, s := range all {
		one, err := Make(ctx, d, "jodhpur-cfc", "2026-11", s.Group, now)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(one, s))
		row, err := s.Row()
		require.NoError(t, err)
		require.Equal(t, s.Total.AmountPaise, row.TotalPaise)
		var back Statement
		require.NoError(t, json.Unmarshal([]byte(row.BodyJSON), &back))
		require.Empty(t, cmp.Diff(s, back))
	}
}

func TestMakeRefuses(t *testing.T) {
	d, f := november(t)
	ctx := context.Background()
	_, err := Make(ctx, d, "nowhere", "2026-11", "pg-1", 1)
	require.ErrorIs(t, err, registry.ErrNotFound)
	_, err = Make(ctx, d, "jodhpur-cfc", "2026-11", "pg-9", 1)
	require.ErrorIs(t, err, registry.ErrNotFound)
	require.ErrorContains(t, err, `group "pg-9" of jodhpur-cfc`)
	for _, bad := range []string{"", "2026", "2026-13", "2026-1", "26-11", "2026-11-01"} {
		_, err = Make(ctx, d, "jodhpur-cfc", bad, "pg-1", 1)
		require.ErrorIs(t, err, ErrMonth, bad)
	}
	f.tariffs[1].PaisePerRunHour = math.MaxInt64
	_, err = Make(ctx, d, "jodhpur-cfc", "2026-11", "pg-1", ist(t, "2026-12-20 12:00:00"))
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorContains(t, err, "furnace-1")
}

func TestMonthThatHasNotBegunIsEmpty(t *testing.T) {
	d, _ := november(t)
	s, err := Make(context.Background(), d, "jodhpur-cfc", "2027-05", "pg-1", ist(t, "2026-12-20 12:00:00"))
	require.NoError(t, err)
	require.Empty(t, s.Lines)
	require.False(t, s.Complete)
}

// Excel needs the byte order mark for Hindi; a cell that looks like a formula must stay a text.
func TestCSV(t *testing.T) {
	d, f := november(t)
	f.groups[0].Name.En = "@Group, \"One\""
	s, err := Make(context.Background(), d, "jodhpur-cfc", "2026-11", "pg-1", ist(t, "2026-11-20 12:00:00"))
	require.NoError(t, err)
	var buf bytes.Buffer
	require.NoError(t, s.WriteCSV(&buf, "en"))
	text, ok := strings.CutPrefix(buf.String(), "\ufeff")
	require.True(t, ok)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+4+1)
	for _, r := range rows {
		require.Len(t, r, len(columns))
	}
	require.Equal(t, `'@Group, "One"`, rows[1][0])
	require.Equal(t, "'=Polishing lathe", rows[4][1])
	require.Equal(t, "31-10-2026 19:55:00", rows[1][2])
	require.Equal(t, "180.03", rows[1][14])
	require.Equal(t, "Total", rows[5][1])
	require.Equal(t, "530.03", rows[5][14])
	require.ErrorContains(t, s.WriteCSV(&buf, "fr"), "use hi or en")
}

func TestBothLanguagesHaveTheSameKeys(t *testing.T) {
	hi, err := i18n.Load(texts, "hi")
	require.NoError(t, err)
	en, err := i18n.Load(texts, "en")
	require.NoError(t, err)
	for k := range en {
		require.NotEmpty(t, hi[k], k)
	}
	require.Len(t, hi, len(en))
	for _, k := range append(columns, "total", ProblemNoTariff, ProblemOpen, ProblemMonthIsOpen, ProblemUnbalanced) {
		require.NotEmpty(t, en[k], k)
	}
}

func TestBounds(t *testing.T) {
	zone, err := registry.Site{Zone: "Asia/Kolkata"}.Location()
	require.NoError(t, err)
	from, to, err := Bounds("2026-12", zone)
	require.NoError(t, err)
	require.Equal(t, ist(t, "2026-12-01 00:00:00"), from)
	require.Equal(t, ist(t, "2027-01-01 00:00:00"), to)
}

func TestEvidenceIsTheLine(t *testing.T) {
	d, _ := november(t)
	s, err := Make(context.Background(), d, "jodhpur-cfc", "2026-11", "pg-1", ist(t, "2026-11-20 12:00:00"))
	require.NoError(t, err)
	for _, l := range s.Lines {
		at, run := l.From, int64(0)
		for _, p := range l.Evidence.Intervals {
			require.Equal(t, at, p.From, "no hole in the evidence")
			if p.State == timeline.StateRun {
				run += p.To.Sub(p.From).Milliseconds()
			}
			at = p.To
		}
		require.Equal(t, l.To, at)
		require.Equal(t, l.RunMs, run)
	}
}
