package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatements(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		s := Statement{Site: "s", Group: "kumhar", Month: "2026-11", MadeMs: 1, TotalPaise: 12_345, BodyJSON: `{"lines":[]}`}
		first, err := d.SaveStatement(ctx, s)
		require.NoError(t, err)
		s.ID = 1
		require.Equal(t, s, first)
		s.MadeMs, s.TotalPaise, s.ID = 2, 99, 0
		second, err := d.SaveStatement(ctx, s)
		require.NoError(t, err)
		s.ID = 1
		require.Equal(t, s, second, "replaced, with its id")
		other, err := d.SaveStatement(ctx, Statement{Site: "s", Group: "lohar", Month: "2026-11"})
		require.NoError(t, err)
		require.EqualValues(t, 2, other.ID)
		older, err := d.SaveStatement(ctx, Statement{Site: "s", Group: "kumhar", Month: "2026-10"})
		require.NoError(t, err)

		november, err := d.Statements(ctx, "s", "2026-11")
		require.NoError(t, err)
		require.Equal(t, []Statement{second, other}, november)
		all, err := d.Statements(ctx, "s", "")
		require.NoError(t, err)
		require.Equal(t, []Statement{second, other, older}, all)

		got, err := d.Statement(ctx, "s", 1)
		require.NoError(t, err)
		require.Equal(t, second, got)
		_, err = d.Statement(ctx, "elsewhere", 1)
		require.ErrorIs(t, err, ErrNotFound)
	})
}
