package registry

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func logPieces(t *testing.T, d *DB) (n int) {
	t.Helper()
	require.NoError(t, d.read.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM touched_log`).Scan(&n))
	return n
}

// TestLogIsMergedWithoutReaders: where nobody looks at the list, the log must not grow for ever.
func TestLogIsMergedWithoutReaders(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		const machines = 2000
		touches := make([]Touched, machines)
		for round := range mostLogged/machines + 1 {
			for i := range touches {
				touches[i] = Touched{Site: fmt.Sprintf("s-%d", i/20), Machine: fmt.Sprintf("m-%d", i%20), FromMs: int64(round), ToMs: int64(round + 1)}
			}
			require.NoError(t, d.Touch(t.Context(), touches))
		}
		require.Equal(t, 1, logPieces(t, d), "what came after the log was merged")
		rows, err := d.TouchedRows(t.Context())
		require.NoError(t, err)
		require.Zero(t, logPieces(t, d))
		require.Len(t, rows, machines)
		for _, r := range rows {
			require.EqualValues(t, 0, r.FromMs)
			require.EqualValues(t, mostLogged/machines+1, r.ToMs)
		}
	})
}

// TestDamagedLogStays: what cannot be read is not thrown away, and nothing else of the log is taken half.
func TestDamagedLogStays(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		good := Touched{Site: "s", Machine: "m", FromMs: 1, ToMs: 2}
		require.NoError(t, d.Touch(t.Context(), []Touched{good}))
		_, err := d.write.ExecContext(t.Context(), `INSERT INTO touched_log (id, stretches) VALUES (1, $1)`, []byte{3, 200, 1})
		require.NoError(t, err)
		_, err = d.ClaimTouched(t.Context(), "")
		require.ErrorIs(t, err, errStretches)
		require.Equal(t, 2, logPieces(t, d))
		require.NoError(t, d.Touch(t.Context(), []Touched{good}), "ingest goes on")
	})
}

func TestStretches(t *testing.T) {
	rows := []Touched{
		{Site: "a", Machine: "bc", FromMs: 5, ToMs: 7},
		{Site: "ab", Machine: "c", FromMs: math.MinInt64 / 2, ToMs: math.MaxInt64 / 2},
		{Site: "a", Machine: "bc", FromMs: 3, ToMs: 6},
	}
	m := stretchMerger{at: map[string]int{}}
	require.NoError(t, m.add(appendStretches(nil, rows)))
	require.NoError(t, m.add(nil))
	require.Equal(t, []Touched{{Site: "a", Machine: "bc", FromMs: 3, ToMs: 7}, rows[1]}, m.rows)
}

func FuzzStretches(f *testing.F) {
	f.Add(appendStretches(nil, []Touched{{Site: "s", Machine: "m", FromMs: 1, ToMs: 2}, {Site: "s", Machine: "n"}}))
	f.Add([]byte{3, 200, 1})
	f.Fuzz(func(t *testing.T, piece []byte) {
		m := stretchMerger{at: map[string]int{}}
		if m.add(piece) != nil {
			return
		}
		again := stretchMerger{at: map[string]int{}}
		require.NoError(t, again.add(appendStretches(nil, m.rows)))
		require.Equal(t, m.rows, again.rows)
	})
}

// BenchmarkTouch notes a thousand machines at a time, each time others of a nation's 20,000, and looks at the list once for
// each ten times.
func BenchmarkTouch(b *testing.B) {
	const machines, atOnce = 20_000, 1000
	d, err := Open(b.Context(), "sqlite://"+b.TempDir()+"/r.db")
	require.NoError(b, err)
	defer d.Close()
	touches := make([]Touched, machines)
	for i := range touches {
		k := i * 7919 % machines // a batch holds machines of all sites
		touches[i] = Touched{Site: fmt.Sprintf("s%04d", k/20), Machine: fmt.Sprintf("m%02d", k%20)}
	}
	for _, looked := range []int{0, 10} {
		b.Run(fmt.Sprintf("looked_each_%d", looked), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				k := i * atOnce % machines
				require.NoError(b, d.Touch(context.Background(), touches[k:k+atOnce]))
				if looked > 0 && i%looked == 0 {
					require.NoError(b, d.mergeLog(context.Background()))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*atOnce), "µs/machine")
		})
	}
}
