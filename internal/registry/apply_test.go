package registry

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

const site = "jodhpur-cfc"

func TestApplyAndRead(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		sites, err := d.Sites(ctx)
		require.NoError(t, err)
		require.Equal(t, []Site{definition().Site}, sites)
		s, err := d.Site(ctx, site)
		require.NoError(t, err)
		loc, err := s.Location()
		require.NoError(t, err)
		require.Equal(t, "Asia/Kolkata", loc.String())
		_, err = d.Site(ctx, "nowhere")
		require.ErrorIs(t, err, ErrNotFound)

		ms, err := d.Machines(ctx, site)
		require.NoError(t, err)
		require.Equal(t, []string{"furnace-1", "cutter-10", "cutter-2"}, []string{ms[0].ID, ms[1].ID, ms[2].ID}, "order of the file")
		require.Equal(t, Machine{Site: site, ID: "furnace-1", Class: "furnace", Name: Name{Hi: "भट्ठी", En: "Furnace"}}, ms[0])

		known, err := d.MachineKnown(ctx, site, "furnace-1")
		require.NoError(t, err)
		require.True(t, known)
		known, err = d.MachineKnown(ctx, site, "furnace-2")
		require.NoError(t, err)
		require.False(t, known)

		settings, err := d.SettingsAt(ctx, site, "furnace-1")
		require.NoError(t, err)
		require.Equal(t, definition().Machines[0].Settings, settings)

		gws, err := d.Gateways(ctx, site)
		require.NoError(t, err)
		require.Equal(t, []Gateway{{Site: site, ID: "gw-1"}, {Site: site, ID: "gw-2"}}, gws)

		groups, err := d.Groups(ctx, site)
		require.NoError(t, err)
		require.Len(t, groups, 2)
		cards, err := d.Cards(ctx, site)
		require.NoError(t, err)
		require.Equal(t, []Card{
			{Site: site, Hash: "aa", Group: "kumhar"}, {Site: site, Hash: "bb", Group: "kumhar"}, {Site: site, Hash: "cc", Group: "lohar"},
		}, cards)
		tariffs, err := d.Tariffs(ctx, site)
		require.NoError(t, err)
		require.Equal(t, []Tariff{{Site: site, Class: "furnace", PaisePerRunHour: 12_000, Author: "asha"}}, tariffs)

		none, err := d.Machines(ctx, "nowhere")
		require.NoError(t, err)
		require.Empty(t, none)
	})
}

func TestApplyAgainChangesNothing(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		before, err := d.countAudit(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1+3+4+2+2+3+1, before, "one audit row for each thing added")
		require.NoError(t, d.Apply(t.Context(), definition(), "ravi", 2_000_000))
		after, err := d.countAudit(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, after)
		touched, err := d.TouchedRows(t.Context())
		require.NoError(t, err)
		require.Empty(t, touched)
	})
}

func TestApplyChanges(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		require.NoError(t, d.SetGatewayKey(ctx, site, "gw-1", HashSecret("key")))
		def := definition()
		def.Site.Name.En = "Jodhpur CFC"
		def.Machines = def.Machines[:1] // the others stay
		def.Machines[0].Settings[1].RunAbove = 700
		def.Gateways = []string{"gw-3"}
		def.Groups = def.Groups[:1]
		def.Tariffs = []Tariff{{Class: "furnace", PaisePerRunHour: 15_000}, {Class: "furnace", ValidFromMs: 9000, PaisePerRunHour: 16_000}}
		require.NoError(t, d.Apply(ctx, def, "ravi", 2_000_000))

		ms, err := d.Machines(ctx, site)
		require.NoError(t, err)
		require.Len(t, ms, 3)
		gw, err := d.Gateway(ctx, site, "gw-1")
		require.NoError(t, err)
		require.Equal(t, HashSecret("key"), gw.KeyHash)
		gws, err := d.Gateways(ctx, site)
		require.NoError(t, err)
		require.Len(t, gws, 3)
		cards, err := d.Cards(ctx, site)
		require.NoError(t, err)
		require.Len(t, cards, 3, "a group left out keeps its cards")
		require.Zero(t, cards[2].ValidTo)
		tariffs, err := d.Tariffs(ctx, site)
		require.NoError(t, err)
		require.Equal(t, []Tariff{
			{Site: site, Class: "furnace", PaisePerRunHour: 15_000, Author: "ravi"},
			{Site: site, Class: "furnace", ValidFromMs: 9000, PaisePerRunHour: 16_000, Author: "ravi"},
		}, tariffs)

		touched, err := d.TouchedRows(ctx)
		require.NoError(t, err)
		require.Equal(t, []Touched{{Site: site, Machine: "furnace-1", FromMs: 5000, ToMs: 2_000_000, Version: 1}}, touched,
			"changed settings are rebuilt from their start on")

		log, err := d.AuditLog(ctx, 2)
		require.NoError(t, err)
		require.Len(t, log, 2)
		require.Equal(t, "tariff added", log[0].What)
		require.Equal(t, "tariff changed", log[1].What)
		require.Equal(t, "ravi", log[1].Who)
		require.EqualValues(t, 2_000_000, log[1].AtMs)
		var detail struct{ Before, After Tariff }
		require.NoError(t, json.Unmarshal([]byte(log[1].Detail), &detail))
		require.EqualValues(t, 12_000, detail.Before.PaisePerRunHour)
		require.Equal(t, "asha", detail.Before.Author)
		require.EqualValues(t, 15_000, detail.After.PaisePerRunHour)
		require.NoError(t, d.VerifyAudit(ctx))
	})
}

func TestApplyIsAllOrNothing(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		def := definition()
		def.Site.Name.En = "Other"
		def.Tariffs[0].PaisePerRunHour = 1
		def.Groups[1].Cards = append(def.Groups[1].Cards, "aa") // in two groups
		require.ErrorContains(t, d.Apply(t.Context(), def, "ravi", 2_000_000), "card aa is in group kumhar and in group lohar")
		s, err := d.Site(t.Context(), site)
		require.NoError(t, err)
		require.Equal(t, "Jodhpur", s.Name.En)
	})
}

func TestApplyRefusesWhatBreaksOthers(t *testing.T) {
	d := open(t, "sqlite://"+t.TempDir()+"/r.db")
	for want, spoil := range map[string]func(*SiteDefinition){
		"site id":      func(s *SiteDefinition) { s.Site.ID = "Jodhpur" },
		"machine id":   func(s *SiteDefinition) { s.Machines[0].Machine.ID = "a/b" },
		"gateway id":   func(s *SiteDefinition) { s.Gateways[0] = "" },
		"group id":     func(s *SiteDefinition) { s.Groups[0].Group.ID = "ü" },
		"unknown zone": func(s *SiteDefinition) { s.Site.Zone = "Asia/Jodhpur" },
	} {
		def := definition()
		spoil(&def)
		require.ErrorContains(t, d.Apply(t.Context(), def, "ravi", 1), want)
	}
}

func TestCardsChangeHands(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		apply := func(nowMs int64, kumhar, lohar []string) {
			def := definition()
			def.Groups[0].Cards, def.Groups[1].Cards = kumhar, lohar
			require.NoError(t, d.Apply(ctx, def, "ravi", nowMs))
		}
		apply(2_000_000, []string{"bb"}, []string{"cc", "aa"}) // aa goes over
		apply(3_000_000, []string{"bb"}, []string{"cc"})       // and is taken away
		apply(4_000_000, []string{"bb", "aa"}, []string{"cc"}) // and comes back
		apply(4_000_000, []string{"bb"}, []string{"cc", "aa"}) // in the same millisecond elsewhere

		cards, err := d.Cards(ctx, site)
		require.NoError(t, err)
		require.Equal(t, []Card{
			{Site: site, Hash: "aa", Group: "kumhar", ValidTo: 2_000_000},
			{Site: site, Hash: "aa", Group: "lohar", ValidFromMs: 2_000_000, ValidTo: 3_000_000},
			{Site: site, Hash: "aa", Group: "lohar", ValidFromMs: 4_000_000},
			{Site: site, Hash: "bb", Group: "kumhar"},
			{Site: site, Hash: "cc", Group: "lohar"},
		}, cards)
	})
}

func TestNewCardHasItsSessionsRebuilt(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		require.NoError(t, d.ReplaceSessions(ctx, site, "furnace-1", 0, []Session{
			{Site: site, Machine: "furnace-1", StartMs: 1000, EndMs: 2000, CardHash: "zz"},
			{Site: site, Machine: "furnace-1", StartMs: 3000, EndMs: 4000, CardHash: "zz"},
			{Site: site, Machine: "furnace-1", StartMs: 5000, EndMs: 6000, CardHash: "aa", Group: "kumhar"},
		}))
		def := definition()
		def.Groups[0].Cards = append(def.Groups[0].Cards, "zz")
		require.NoError(t, d.Apply(ctx, def, "ravi", 2_000_000))
		touched, err := d.TouchedRows(ctx)
		require.NoError(t, err)
		require.Equal(t, []Touched{{Site: site, Machine: "furnace-1", FromMs: 1000, ToMs: 2_000_000, Version: 1}}, touched)
	})
}
