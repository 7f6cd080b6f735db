package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMonthChanges(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		site := SiteDefinition{Site: Site{ID: "s", Name: Name{Hi: "स", En: "S"}, Zone: "Asia/Kolkata"}, Groups: []GroupDefinition{{Group: Group{ID: "g", Name: Name{Hi: "ग", En: "G"}}}}}
		require.NoError(t, d.Apply(ctx, site, "test", 1))
		_, err := d.SaveStatement(ctx, Statement{Site: "s", Group: "g", Month: "2026-10", MadeMs: 100, BodyJSON: "{}"})
		require.NoError(t, err)
		stale, err := d.StaleMonths(ctx)
		require.NoError(t, err)
		require.Empty(t, stale)

		require.NoError(t, d.MonthsChanged(ctx, []SiteMonth{{"s", "2026-10"}, {"s", "2026-09"}}, 150))
		require.NoError(t, d.MonthsChanged(ctx, []SiteMonth{{"s", "2026-10"}}, 120), "it never goes back")
		changes, err := d.MonthChanges(ctx, "s")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"2026-09": 150, "2026-10": 150}, changes)
		stale, err = d.StaleMonths(ctx)
		require.NoError(t, err)
		require.Equal(t, []StaleMonth{{"s", "2026-10", 100, 150}}, stale)

		_, err = d.SaveStatement(ctx, Statement{Site: "s", Group: "g", Month: "2026-10", MadeMs: 151, BodyJSON: "{}"})
		require.NoError(t, err)
		stale, err = d.StaleMonths(ctx)
		require.NoError(t, err)
		require.Empty(t, stale, "made anew")

		require.NoError(t, d.Apply(ctx, site, "test", 200))
		stale, err = d.StaleMonths(ctx)
		require.NoError(t, err)
		require.Equal(t, []StaleMonth{{"s", "2026-10", 151, 200}}, stale, "a site file may change prices, groups and cards")
	})
}
