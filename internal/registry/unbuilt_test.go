package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnbuilt(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		unbuilt := func() (out [][3]any) {
			got, err := d.Unbuilt(ctx, "s")
			require.NoError(t, err)
			for _, u := range got {
				out = append(out, [3]any{u.Machine, u.FromMs, u.ToMs})
			}
			return out
		}
		require.NoError(t, d.Touch(ctx, []Touched{
			{Site: "s", Machine: "b", FromMs: 10, ToMs: 20}, {Site: "other", Machine: "b", FromMs: 1, ToMs: 2}, {Site: "s", Machine: "a", FromMs: 5, ToMs: 15},
		}))
		require.Equal(t, [][3]any{{"a", int64(5), int64(15)}, {"b", int64(10), int64(20)}}, unbuilt())
		claims, err := d.ClaimTouched(ctx, "")
		require.NoError(t, err)
		require.Len(t, unbuilt(), 2, "being built is not built")
		require.NoError(t, d.Touch(ctx, []Touched{{Site: "s", Machine: "a", FromMs: 30, ToMs: 40}}))
		require.ElementsMatch(t, [][3]any{{"a", int64(5), int64(15)}, {"a", int64(30), int64(40)}, {"b", int64(10), int64(20)}}, unbuilt())
		require.NoError(t, d.ClaimsDone(ctx, "", claims...))
		require.Equal(t, [][3]any{{"a", int64(30), int64(40)}}, unbuilt())
	})
}
