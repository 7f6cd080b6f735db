package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMembers(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		def := definition()
		group := def.Groups[0].Group.ID
		def.Groups[0].Members = []Members{{Members: 10, Women: 9, SC: 2, ST: NotGiven}, {ValidFromMs: 5000, Members: 12, Women: 11, SC: 3, ST: 0}}
		require.NoError(t, d.Apply(t.Context(), def, "asha", 1))
		first := []Members{{group, 0, 10, 9, 2, NotGiven}, {group, 5000, 12, 11, 3, 0}}
		rows, err := d.Members(t.Context(), site)
		require.NoError(t, err)
		require.Equal(t, first, rows)

		audited := func() (n int) {
			require.NoError(t, d.read.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM audit WHERE what LIKE 'members of group%'`).Scan(&n))
			return n
		}
		require.Equal(t, 2, audited())
		require.NoError(t, d.Apply(t.Context(), def, "asha", 2))
		require.Equal(t, 2, audited(), "the same again changes nothing")

		def.Groups[0].Members = []Members{{ValidFromMs: 5000, Members: 13, Women: 11, SC: 3, ST: 0}}
		require.NoError(t, d.Apply(t.Context(), def, "asha", 3))
		rows, err = d.Members(t.Context(), site)
		require.NoError(t, err)
		first[1].Members = 13
		require.Equal(t, first, rows, "what is left out stays")
		require.Equal(t, 3, audited())
	})
}
