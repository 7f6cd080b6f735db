package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLeases(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		leases := func() map[string]string {
			got, err := d.Leases(ctx)
			require.NoError(t, err)
			return got
		}
		require.NoError(t, d.JoinAnalytics(ctx, "a", "one"))
		require.NoError(t, d.JoinAnalytics(ctx, "b", "two"))
		require.NoError(t, d.TakeSites(ctx, "a", []string{"s1", "s2"}))
		require.NoError(t, d.TakeSites(ctx, "b", []string{"s1", "s3"}))
		require.NoError(t, d.TakeSites(ctx, "nobody", []string{"s4"}))
		require.Equal(t, map[string]string{"s1": "a", "s2": "a", "s3": "b"}, leases())
		require.NoError(t, d.DropSites(ctx, "a", []string{"s2", "s3"}))
		require.Equal(t, map[string]string{"s1": "a", "s2": "", "s3": "b"}, leases())

		require.NoError(t, d.Touch(ctx, []Touched{{Site: "s1", Machine: "m", FromMs: 1, ToMs: 2}, {Site: "s3", Machine: "m", FromMs: 3, ToMs: 4}}))
		claims, err := d.ClaimTouched(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, []Claim{{"s1", "m", 1, 2, 2, 1, 0}}, claims)

		before, err := d.AnalyticsMembers(ctx)
		require.NoError(t, err)
		require.Equal(t, []Member{{"a", "one", 0}, {"b", "two", 0}}, before)
		alive, err := d.Beat(ctx, "a")
		require.NoError(t, err)
		require.True(t, alive)
		require.NoError(t, d.RemoveMember(ctx, before[0]))
		alive, err = d.Beat(ctx, "a")
		require.NoError(t, err)
		require.True(t, alive, "its beat has gone on")

		members, err := d.AnalyticsMembers(ctx)
		require.NoError(t, err)
		require.NoError(t, d.RemoveMember(ctx, members[0]))
		alive, err = d.Beat(ctx, "a")
		require.NoError(t, err)
		require.False(t, alive)
		require.NoError(t, d.TakeSites(ctx, "b", []string{"s1"}))
		require.Equal(t, "b", leases()["s1"])
		require.NoError(t, d.ClaimsDone(ctx, "a", claims...), "the former holder changes nothing")
		claims, err = d.ClaimTouched(ctx, "b")
		require.NoError(t, err)
		require.ElementsMatch(t, []Claim{{"s1", "m", 1, 2, 2, 1, 0}, {"s3", "m", 3, 4, 4, 1, 0}}, claims)
		require.NoError(t, d.ClaimsDone(ctx, "b", claims...))
		rows, err := d.TouchedRows(ctx)
		require.NoError(t, err)
		require.Empty(t, rows)
		require.NoError(t, d.LeaveAnalytics(ctx, "b"))
		members, err = d.AnalyticsMembers(ctx)
		require.NoError(t, err)
		require.Empty(t, members)
	})
}
