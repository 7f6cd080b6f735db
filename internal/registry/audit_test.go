package registry

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestAuditChain(t *testing.T) {
	withDB(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.now = func() time.Time { return time.UnixMilli(42) }
		require.NoError(t, d.VerifyAudit(ctx), "empty")
		var g errgroup.Group
		for i := range 12 {
			g.Go(func() error { return d.Audit(ctx, "asha", "token made", fmt.Sprint(i)) })
		}
		require.NoError(t, g.Wait())
		require.NoError(t, d.VerifyAudit(ctx))
		log, err := d.AuditLog(ctx, 0)
		require.NoError(t, err)
		require.Len(t, log, 12)
		require.EqualValues(t, 12, log[0].ID)
		require.EqualValues(t, 42, log[0].AtMs)
		require.Equal(t, log[1].Hash, log[0].PreviousHash)
	})
}

func TestTamperingShows(t *testing.T) {
	for name, tamper := range map[string]string{
		"changed":       `UPDATE audit SET detail = 'other' WHERE id = 2`,
		"author":        `UPDATE audit SET who = 'ravi' WHERE id = 1`,
		"taken out":     `DELETE FROM audit WHERE id = 2`,
		"first gone":    `DELETE FROM audit WHERE id = 1`,
		"last gone":     `DELETE FROM audit WHERE id = 3`,
		"hash replaced": `UPDATE audit SET hash = 'x' WHERE id = 3`,
		"inserted":      `INSERT INTO audit (id, at_ms, who, what, detail, previous_hash, hash) VALUES (4, 0, 'a', 'b', 'c', '', '')`,
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, "sqlite://"+t.TempDir()+"/r.db")
			for range 3 {
				require.NoError(t, d.Audit(t.Context(), "asha", "token made", "viewer"))
			}
			require.NoError(t, d.VerifyAudit(t.Context()))
			_, err := d.write.ExecContext(t.Context(), tamper)
			require.NoError(t, err)
			require.ErrorIs(t, d.VerifyAudit(t.Context()), ErrTampered)
		})
	}
}
