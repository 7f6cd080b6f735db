package registry

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"karkhana/internal/electricity"
)

// TestJobsMoveToTheirTables starts from a database in which jobs' heats stood among the electricity and their corrections
// among those of sessions, and goes up, down and up again.
func TestJobsMoveToTheirTables(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ctx := t.Context()
		d := open(t, url)
		dialect := goose.DialectSQLite3
		if strings.HasPrefix(url, "postgres") {
			dialect = goose.DialectPostgres
		}
		files, err := fs.Sub(migrations, "migration")
		require.NoError(t, err)
		p, err := goose.NewProvider(dialect, d.write, files, goose.WithDisableGlobalRegistry(true))
		require.NoError(t, err)
		_, err = p.DownTo(ctx, 15)
		require.NoError(t, err)
		for _, query := range []string{
			`INSERT INTO site (id, name_hi, name_en, zone) VALUES ('jodhpur-cfc', 'ज', 'J', 'Asia/Kolkata'), ('other', 'अ', 'O', 'Asia/Kolkata')`,
			`INSERT INTO job (site, number, title, buyer, group_id, weight_g, pieces, author, made_ms) VALUES
				('jodhpur-cfc', 'J-17', 'lamps', '', '', 12500, 40, 'asha', 7), ('jodhpur-cfc', 'J-18', '', '', '', 0, 0, 'asha', 8),
				('jodhpur-cfc', 'J-19', '', '', '', 0, 0, 'asha', 9), ('other', 'J-17', '', '', '', 0, 0, 'ravi', 10)`,
			`INSERT INTO electricity (site, kind, id, body, author) VALUES
				('jodhpur-cfc', 'job', 'J-17', '{"metal":"brass","start_c":30,"end_c":1050}', 'asha'),
				('jodhpur-cfc', 'job', 'J-18', '{"metal":"d-end_c-304","start_c":-12,"end_c":0}', 'asha'),
				('jodhpur-cfc', 'metal', 'J-17', '{"id":"brass"}', 'asha')`,
			`INSERT INTO correction (id, site, machine, kind, from_ms, to_ms, at_ms, card_hash, group_was, group_id, reverses, author, reason, made_ms) VALUES
				(1, 'jodhpur-cfc', 'furnace-1', 'training', 100, 200, 0, 'aa', 'kumhar', '', 0, 'asha', 'asked', 300),
				(2, 'jodhpur-cfc', '', 'job-said', 0, 0, 0, '', 'J-17', '', 0, 'asha', 'weighed again', 301),
				(3, 'other', 'furnace-1', 'job-withdraw', 100, 0, 0, '', 'J-17', '', 0, 'ravi', 'another job', 302),
				(4, 'jodhpur-cfc', 'furnace-1', 'reverse', 0, 0, 0, '', '', '', 1, 'asha', 'no', 303),
				(5, 'jodhpur-cfc', 'furnace-1', 'job-cut', 100, 200, 0, '', 'J-17', '', 0, 'asha', 'trial', 304)`,
			`UPDATE counter SET value = 5 WHERE name = 'correction'`,
		} {
			_, err := d.write.ExecContext(ctx, query)
			require.NoError(t, err)
		}
		check := func() {
			t.Helper()
			jobs, err := d.Jobs(ctx, site)
			require.NoError(t, err)
			require.Equal(t, []Job{
				{Site: site, Number: "J-19", Author: "asha", MadeMs: 9},
				{Site: site, Number: "J-18", Heat: electricity.Heat{Metal: "d-end_c-304", StartC: -12}, Author: "asha", MadeMs: 8},
				{Site: site, Number: "J-17", Title: "lamps", WeightG: 12_500, Pieces: 40, Heat: electricity.Heat{Metal: "brass", StartC: 30, EndC: 1050}, Author: "asha", MadeMs: 7},
			}, jobs)
			other, err := d.Job(ctx, "other", "J-17")
			require.NoError(t, err)
			require.Zero(t, other.Heat)
			rows, err := electricityRows(ctx, d.read, site)
			require.NoError(t, err)
			require.Len(t, rows, 1, "the metal of the site's file stays")
			sessions, err := d.Corrections(ctx, site, "")
			require.NoError(t, err)
			require.Len(t, sessions, 2)
			require.EqualValues(t, 1, sessions[1].Reverses)
			got, err := d.JobCorrections(ctx, site, "")
			require.NoError(t, err)
			for i := range got {
				got[i].ID = 0
			}
			require.Equal(t, []JobCorrection{
				{Site: site, Job: "J-17", Kind: JobSaid, Author: "asha", Reason: "weighed again", MadeMs: 301},
				{Site: site, Job: "J-17", Machine: "furnace-1", Kind: JobCut, FromMs: 100, ToMs: 200, Author: "asha", Reason: "trial", MadeMs: 304},
			}, got)
			elsewhere, err := d.JobCorrections(ctx, "other", "J-17")
			require.NoError(t, err)
			require.Len(t, elsewhere, 1)
			require.Equal(t, JobWithdraw, elsewhere[0].Kind)
		}
		up := func() {
			t.Helper()
			require.NoError(t, migrate(ctx, d.write, dialect))
		}
		up()
		check()
		_, err = p.DownTo(ctx, 15)
		require.NoError(t, err)
		up()
		check()

		require.NoError(t, d.SaveJob(ctx, Job{Site: site, Number: "J-19", MadeMs: 400}, "ids go on"))
		_, err = d.AddCorrection(ctx, Correction{Site: site, Machine: "furnace-1", Kind: "training"}, 0)
		require.NoError(t, err)
	})
}
