package registry

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/electricity"
)

func TestCorrections(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		add := func(c Correction, touchFromMs int64) Correction {
			c.Site, c.Author, c.Reason = site, "asha", "asked"
			saved, err := d.AddCorrection(ctx, c, touchFromMs)
			require.NoError(t, err)
			return saved
		}
		before, err := d.TouchedRows(ctx)
		require.NoError(t, err)
		a := add(Correction{Machine: "furnace-1", Kind: "group", FromMs: 100, ToMs: 200, CardHash: "aa", GroupWas: "kumhar", Group: "lohar", MadeMs: 5}, 0)
		after, err := d.TouchedRows(ctx)
		require.NoError(t, err)
		require.Equal(t, before, after)
		b := add(Correction{Machine: "cutter-2", Kind: "void", AtMs: 150, CardHash: "bb"}, 150)
		rows, err := d.TouchedRows(ctx)
		require.NoError(t, err)
		require.Contains(t, rows, Touched{Site: site, Machine: "cutter-2", FromMs: 150, ToMs: 150, Version: 1})
		r := add(Correction{Machine: "furnace-1", Kind: "reverse", Reverses: a.ID}, 0)
		_, err = d.AddCorrection(ctx, Correction{Site: site, Machine: "furnace-1", Kind: "reverse", Reverses: a.ID}, 0)
		require.ErrorIs(t, err, ErrReversed)
		back := add(Correction{Machine: "furnace-1", Kind: "reverse", Reverses: r.ID}, 0)
		again := add(Correction{Machine: "furnace-1", Kind: "reverse", Reverses: a.ID}, 0)

		all, err := d.Corrections(ctx, site, "")
		require.NoError(t, err)
		require.Equal(t, []Correction{a, b, r, back, again}, all)
		one, err := d.Corrections(ctx, site, "cutter-2")
		require.NoError(t, err)
		require.Equal(t, []Correction{b}, one)
		log, err := d.AuditLog(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, "correct session", log[0].What)
		require.Equal(t, "asha", log[0].Who)
		require.NoError(t, d.VerifyAudit(ctx))
	})
}

func TestJobs(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		j := Job{Site: site, Number: "J-17", Title: "lamps", Buyer: "exporter", Group: "kumhar", WeightG: 12_500, Pieces: 40, Author: "asha", MadeMs: 7}
		require.NoError(t, d.SaveJob(ctx, j, ""))
		j.Pieces, j.MadeMs, j.Heat = 41, 9, electricity.Heat{Metal: "brass", StartC: 30, EndC: 1050}
		require.NoError(t, d.SaveJob(ctx, j, "weighed again"))
		j.MadeMs = 7
		got, err := d.Job(ctx, site, "J-17")
		require.NoError(t, err)
		require.Equal(t, j, got)
		_, err = d.Job(ctx, site, "J-18")
		require.ErrorIs(t, err, ErrNotFound)
		config, err := d.Electricity(ctx, site)
		require.NoError(t, err, "heats of jobs are no part of it")
		require.Empty(t, config.Metals)
		require.NoError(t, d.SaveJob(ctx, Job{Site: site, Number: "J-18", MadeMs: 8}, ""))
		all, err := d.Jobs(ctx, site)
		require.NoError(t, err)
		require.Equal(t, "J-18", all[0].Number)

		w, err := d.AddJobWork(ctx, JobWork{Site: site, Job: "J-17", Machine: "furnace-1", FromMs: 100, ToMs: 200, Author: "asha", MadeMs: 300})
		require.NoError(t, err)
		_, err = d.AddJobWork(ctx, JobWork{Site: site, Job: "J-18", Machine: "furnace-1", FromMs: 199})
		require.ErrorIs(t, err, ErrBusy)
		open, err := d.AddJobWork(ctx, JobWork{Site: site, Job: "J-18", Machine: "furnace-1", FromMs: 200})
		require.NoError(t, err)
		_, err = d.AddJobWork(ctx, JobWork{Site: site, Job: "J-17", Machine: "furnace-1", FromMs: 900, ToMs: 950})
		require.ErrorIs(t, err, ErrBusy, "an open one goes on")
		require.ErrorIs(t, d.EndJobWork(ctx, site, "J-17", open.ID, 400), ErrNotFound)
		require.NoError(t, d.EndJobWork(ctx, site, "J-18", open.ID, 400))
		require.ErrorIs(t, d.EndJobWork(ctx, site, "J-18", open.ID, 500), ErrNotFound)

		said := JobCorrection{Site: site, Machine: "furnace-1", Kind: JobWithdraw, FromMs: 100, ToMs: 200, Job: "J-17", Author: "ravi", Reason: "began later", MadeMs: 500}
		late := JobWork{Site: site, Job: "J-17", Machine: "furnace-1", FromMs: 300, ToMs: 350, Author: "ravi", MadeMs: 500}
		require.ErrorIs(t, d.CorrectJobWork(ctx, said, w.ID, &late), ErrBusy, "J-18 is on the machine then")
		instead := late
		instead.FromMs, instead.ToMs = 150, 200
		require.NoError(t, d.CorrectJobWork(ctx, said, w.ID, &instead), "what it replaces is no hindrance")
		require.ErrorIs(t, d.CorrectJobWork(ctx, said, w.ID, nil), ErrNotFound, "withdrawn already")
		rows, err := d.JobWorks(ctx, site, "J-17")
		require.NoError(t, err)
		w.WithdrawnMs, w.WithdrawnBy = 500, "ravi"
		instead.ID = rows[1].ID
		require.Equal(t, []JobWork{w, instead}, rows)
		cuts, err := d.JobCorrections(ctx, site, "J-17")
		require.NoError(t, err)
		require.Len(t, cuts, 2, "the one refused is not kept")
		require.Equal(t, "weighed again", cuts[0].Reason)
		require.Equal(t, said.Reason, cuts[1].Reason)
		of, err := d.Corrections(ctx, site, "")
		require.NoError(t, err)
		require.Empty(t, of, "they are none of sessions")
		require.NoError(t, d.VerifyAudit(ctx))

		require.NoError(t, d.GiveJobCard(ctx, site, "ff", "J-17", 1000))
		require.NoError(t, d.GiveJobCard(ctx, site, "ff", "J-18", 2000))
		require.NoError(t, d.GiveJobCard(ctx, site, "ff", "", 3000))
		cs, err := d.Cards(ctx, site)
		require.NoError(t, err)
		require.Equal(t, []Card{
			{Site: site, Hash: "ff", Job: "J-17", ValidFromMs: 1000, ValidTo: 2000}, {Site: site, Hash: "ff", Job: "J-18", ValidFromMs: 2000, ValidTo: 3000},
		}, cs[len(cs)-2:])

		taps := []Session{{Site: site, Machine: "furnace-1", StartMs: 1100, EndMs: 1200, Group: "J-17", CardHash: "ff", EndReason: "tap"}}
		held := []Session{{Site: site, Machine: "furnace-1", StartMs: 1100, Group: "kumhar", CardHash: "aa", EndReason: "open", Training: true}}
		require.NoError(t, d.ReplaceJobTaps(ctx, site, "furnace-1", 0, taps))
		require.NoError(t, d.ReplaceSessions(ctx, site, "furnace-1", 0, held))
		got2, err := d.JobTaps(ctx, site, 0, 0, "", "J-17")
		require.NoError(t, err)
		require.Equal(t, taps, got2)
		got2, err = d.Sessions(ctx, site, 0, 0, "", "")
		require.NoError(t, err)
		require.Equal(t, held, got2)
	})
}
