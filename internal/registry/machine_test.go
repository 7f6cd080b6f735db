package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMachineRemembersWhoReadsIt(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		for _, gateway := range []string{"gw-1", "gw-1", "gw-2"} {
			known, err := d.MachineReadBy(ctx, site, "furnace-1", gateway)
			require.NoError(t, err)
			require.True(t, known)
			ms, err := d.Machines(ctx, site)
			require.NoError(t, err)
			require.Equal(t, gateway, ms[0].Gateway)
		}
		known, err := d.MachineReadBy(ctx, site, "furnace-9", "gw-1")
		require.NoError(t, err)
		require.False(t, known)

		before, err := d.AuditLog(ctx, 100)
		require.NoError(t, err)
		require.NoError(t, d.Apply(ctx, definition(), "asha", 1))
		after, err := d.AuditLog(ctx, 100)
		require.NoError(t, err)
		require.Len(t, after, len(before), "the same site file changes nothing")
		ms, err := d.Machines(ctx, site)
		require.NoError(t, err)
		require.Equal(t, "gw-2", ms[0].Gateway)
	})
}
