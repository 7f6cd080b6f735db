package billing

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/session"
	"karkhana/internal/registry"
)

// corrected makes the November statements of both groups with corrections on the furnace and the lathe.
func corrected(t *testing.T, corrections ...registry.Correction) (one, two Statement) {
	t.Helper()
	d, f := november(t)
	for i := range corrections {
		c := &corrections[i]
		c.ID, c.Site, c.Author, c.Reason = int64(i+1), "jodhpur-cfc", "asha", "asked the group"
	}
	f.corrections = corrections
	all, err := MakeAll(context.Background(), d, "jodhpur-cfc", "2026-11", ist(t, "2026-12-20 12:00:00"))
	require.NoError(t, err)
	for _, s := range all {
		for _, b := range s.Balance {
			if b.Machine == "lathe-1" {
				require.True(t, b.Balanced)
			}
		}
	}
	return all[0], all[1]
}

func TestCorrectionsMoveSecondsAndPaise(t *testing.T) {
	lathe := func(kind, from, to, card, was string) registry.Correction {
		return registry.Correction{Machine: "lathe-1", Kind: kind, FromMs: ist(t, from), ToMs: ist(t, to), CardHash: card, GroupWas: was}
	}
	furnace := func(kind, from, to string) registry.Correction {
		return registry.Correction{Machine: "furnace-1", Kind: kind, FromMs: ist(t, from), ToMs: ist(t, to)}
	}

	t.Run("as it was", func(t *testing.T) {
		one, two := corrected(t)
		require.EqualValues(t, 5401+6000+2400+1800, one.Total.RunS)
		require.EqualValues(t, 53_003, one.Total.AmountPaise)
		require.EqualValues(t, 3000, two.Total.RunS)
	})
	t.Run("a stretch of nobody is assigned", func(t *testing.T) {
		c := furnace(session.KindAssign, "2026-11-01 04:00:00", "2026-11-01 04:20:00")
		c.Group = "pg-2"
		one, two := corrected(t, c)
		require.EqualValues(t, 53_003, one.Total.AmountPaise, "nobody else pays for it")
		require.Len(t, two.Lines, 2)
		l := two.Lines[0]
		require.EqualValues(t, 900_250, l.RunMs)
		require.EqualValues(t, 900, l.RunS)
		require.EqualValues(t, 3750, l.AmountPaise) // 900 s × 150.00/h
		require.Equal(t, session.EndCorrection, l.EndReason)
		require.Equal(t, []LineCorrection{{ID: 1, Kind: session.KindAssign, Author: "asha", Reason: "asked the group", Made: at(0)}}, l.Corrections)
		var csv bytes.Buffer
		require.NoError(t, two.WriteCSV(&csv, "en"))
		require.Contains(t, csv.String(), "Correction 1: asked the group (asha)")
	})
	t.Run("a card of nobody is assigned", func(t *testing.T) {
		c := furnace(session.KindAssign, "2026-11-01 12:10:00", "2026-11-01 13:20:00")
		c.Group = "pg-2"
		_, two := corrected(t, c)
		require.EqualValues(t, 3600, two.Lines[0].RunS)
		require.EqualValues(t, 15_000, two.Lines[0].AmountPaise)
	})
	t.Run("split and given to the other group", func(t *testing.T) {
		c := lathe(session.KindSplit, "2026-11-02 10:10:00", "2026-11-02 11:00:00", "bbb", "pg-2")
		c.AtMs, c.Group = ist(t, "2026-11-02 10:20:00")+500, "pg-1"
		one, two := corrected(t, c)
		require.EqualValues(t, 600_500, two.Total.RunMs)
		require.EqualValues(t, 601, two.Total.RunS)
		require.EqualValues(t, 5401+6000+2400+2400+1800, one.Total.RunS, "39 min 59.5 s bill 2400 s: each session is rounded once")
	})
	t.Run("cut", func(t *testing.T) {
		c := lathe(session.KindEnd, "2026-11-02 11:00:00", "2026-11-02 11:30:00", "aaa", "pg-1")
		c.AtMs = ist(t, "2026-11-02 11:10:00")
		one, _ := corrected(t, c)
		require.EqualValues(t, 5401+6000+2400+600, one.Total.RunS)
	})
	t.Run("training is shown and costs nothing", func(t *testing.T) {
		c := furnace(session.KindTraining, "2026-10-31 19:55:00", "2026-11-01 04:00:00")
		c.CardHash, c.GroupWas = "aaa", "pg-1"
		one, _ := corrected(t, c)
		require.EqualValues(t, 10_000, one.Total.AmountPaise, "only the open session is left of the furnace")
		require.Len(t, one.Training, 1, "training has no tariff, so a change of tariff does not cut it")
		require.EqualValues(t, 5_400_500+6_000_000, one.Training[0].RunMs)
		require.Zero(t, one.Training[0].AmountPaise)
		require.Empty(t, one.Training[0].Problem)
		b := one.Balance[0]
		require.EqualValues(t, 11_400_500, b.TrainingRunMs)
		require.True(t, b.Balanced)
		var csv bytes.Buffer
		require.NoError(t, one.WriteCSV(&csv, "en"))
		require.Contains(t, csv.String(), "Training, not billed")
	})
	t.Run("reversed, it is as it was", func(t *testing.T) {
		c := lathe(session.KindGroup, "2026-11-02 10:10:00", "2026-11-02 11:00:00", "bbb", "pg-2")
		c.Group = "pg-1"
		one, two := corrected(t, c)
		require.EqualValues(t, 5401+6000+2400+1800+3000, one.Total.RunS)
		require.Zero(t, two.Total.RunS)
		one, two = corrected(t, c, registry.Correction{Machine: "lathe-1", Kind: session.KindReverse, Reverses: 1})
		require.EqualValues(t, 53_003, one.Total.AmountPaise)
		require.EqualValues(t, 3000, two.Total.RunS)
	})
	t.Run("a conflict is a problem of the statement", func(t *testing.T) {
		c := lathe(session.KindGroup, "2026-11-02 10:12:00", "2026-11-02 11:00:00", "bbb", "pg-2")
		c.Group = "pg-1"
		one, two := corrected(t, c)
		from := at(c.FromMs)
		require.Contains(t, one.Problems, Problem{ProblemCorrection, "lathe-1", &from, nil})
		require.Contains(t, two.Problems, Problem{ProblemCorrection, "lathe-1", &from, nil})
	})
}
