package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSessions(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		s := func(machine string, start, end int64, group string) Session {
			return Session{Site: site, Machine: machine, StartMs: start, EndMs: end, Group: group, CardHash: "aa", EndReason: "tap"}
		}
		sessions := func(from, to int64, machine, group string) []Session {
			got, err := d.Sessions(ctx, site, from, to, machine, group)
			require.NoError(t, err)
			return got
		}
		a, b, open := s("furnace-1", 100, 200, "kumhar"), s("furnace-1", 200, 300, ""), s("furnace-1", 400, 0, "lohar")
		c := s("cutter-2", 150, 250, "kumhar")
		require.NoError(t, d.ReplaceSessions(ctx, site, "furnace-1", 0, []Session{open, a, b}))
		require.NoError(t, d.ReplaceSessions(ctx, site, "cutter-2", 0, []Session{c}))
		require.Equal(t, []Session{a, c, b, open}, sessions(0, 0, "", ""))
		require.Equal(t, []Session{c, b}, sessions(200, 400, "", ""), "half-open: what ends at 200 or begins at 400 is out")
		require.Equal(t, []Session{open}, sessions(5000, 6000, "", ""), "an open session goes on")
		require.Equal(t, []Session{a, c}, sessions(0, 1000, "", "kumhar"))
		require.Equal(t, []Session{c}, sessions(0, 1000, "cutter-2", ""))
		require.Empty(t, sessions(0, 1000, "cutter-2", "lohar"))

		b2 := s("furnace-1", 210, 300, "lohar")
		require.NoError(t, d.ReplaceSessions(ctx, site, "furnace-1", 200, []Session{b2}))
		require.Equal(t, []Session{a, b2}, sessions(0, 0, "furnace-1", ""), "earlier ones stay, later ones are replaced")
		require.NoError(t, d.ReplaceSessions(ctx, site, "furnace-1", 0, nil))
		require.Equal(t, []Session{c}, sessions(0, 0, "", ""), "other machines stay")

		require.ErrorContains(t, d.ReplaceSessions(ctx, site, "furnace-1", 200, []Session{a}), "does not belong there")
		require.ErrorContains(t, d.ReplaceSessions(ctx, site, "furnace-1", 0, []Session{c}), "does not belong there")
	})
}

func TestSameSessionsWriteNothing(t *testing.T) {
	d := open(t, "sqlite://"+t.TempDir()+"/r.db")
	s := []Session{{Site: site, Machine: "m", StartMs: 100, CardHash: "a\x00b"}, {Site: site, Machine: "m", StartMs: 200}}
	require.NoError(t, d.ReplaceSessions(t.Context(), site, "m", 0, s))
	changes := func() (n int64) {
		require.NoError(t, d.write.QueryRowContext(t.Context(), `SELECT total_changes()`).Scan(&n))
		return n
	}
	before := changes()
	s[0], s[1] = s[1], s[0]
	require.NoError(t, d.ReplaceSessions(t.Context(), site, "m", 50, s))
	require.Equal(t, before, changes())
}
