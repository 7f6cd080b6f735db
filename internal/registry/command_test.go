package registry

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func command(kind string) Command {
	return Command{Site: "jodhpur-cfc", Gateway: "gw-1", Kind: kind, By: "asha", QueuedMs: 5_000_000, ExpiresMs: 5_600_000}
}

func TestCommandLife(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		a, err := d.QueueCommand(ctx, command("reload"))
		require.NoError(t, err)
		require.Equal(t, int64(5_000_000), a.ID)
		require.Equal(t, CommandQueued, a.State)
		b, err := d.QueueCommand(ctx, command("self-test"))
		require.NoError(t, err)
		require.Equal(t, a.ID+1, b.ID, "the same millisecond")
		other := command("reload")
		other.Gateway = "gw-2"
		c, err := d.QueueCommand(ctx, other)
		require.NoError(t, err)

		next, err := d.NextCommands(ctx)
		require.NoError(t, err)
		require.Equal(t, []Command{a, c}, next, "the oldest of each gateway")

		claim := func(c Command, atMs int64) bool {
			ok, err := d.ClaimCommand(ctx, c, atMs)
			require.NoError(t, err)
			return ok
		}
		require.True(t, claim(a, 5_990_000))
		require.NoError(t, d.UnclaimCommand(ctx, a))
		got, err := d.Command(ctx, a.Site, a.Gateway, a.ID)
		require.NoError(t, err)
		require.Equal(t, a, got, "as before")
		require.True(t, claim(a, 6_000_000))
		require.False(t, claim(a, 6_000_001), "another was before us")
		got, err = d.Command(ctx, a.Site, a.Gateway, a.ID)
		require.NoError(t, err)
		require.True(t, claim(got, 6_010_000))
		require.NoError(t, d.UnclaimCommand(ctx, a))
		got, err = d.Command(ctx, a.Site, a.Gateway, a.ID)
		require.NoError(t, err)
		require.Equal(t, CommandSent, got.State)
		require.Equal(t, int64(2), got.Sendings)
		require.Equal(t, int64(6_010_000), got.SentMs)

		require.NoError(t, d.EndCommand(ctx, a.Site, a.Gateway, a.ID, CommandDone, "read again\x00", 6_020_000))
		require.NoError(t, d.EndCommand(ctx, a.Site, a.Gateway, a.ID, CommandExpired, "too late", 6_030_000))
		require.False(t, claim(got, 6_040_000))
		got, err = d.Command(ctx, a.Site, a.Gateway, a.ID)
		require.NoError(t, err)
		require.Equal(t, CommandDone, got.State, "the first end stays")
		require.Equal(t, "read again\uFFFD", got.Detail)
		require.Equal(t, int64(6_020_000), got.EndedMs)

		next, err = d.NextCommands(ctx)
		require.NoError(t, err)
		require.Equal(t, []Command{b, c}, next)
		all, err := d.Commands(ctx, a.Site, a.Gateway, 0)
		require.NoError(t, err)
		require.Equal(t, []Command{b, got}, all)
		log, err := d.AuditLog(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, "command to gateway", log[0].What)
		require.Contains(t, log[0].Detail, "jodhpur-cfc/gw-2 reload")
	})
}

func TestCommandRefused(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		c := command("reload")
		c.Gateway = "gw-9"
		_, err := d.QueueCommand(ctx, c)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = d.Command(ctx, "jodhpur-cfc", "gw-1", 7)
		require.ErrorIs(t, err, ErrNotFound)
		for range maxOpenCommands {
			_, err := d.QueueCommand(ctx, command("reload"))
			require.NoError(t, err)
		}
		_, err = d.QueueCommand(ctx, command("reload"))
		require.ErrorIs(t, err, ErrTooMany)
	})
}

// Ids of commands that come at the same moment from several processes are all different.
func TestCommandIDsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		a, b := open(t, url), open(t, url)
		require.NoError(t, a.Apply(t.Context(), definition(), "asha", 1_000_000))
		ids := make([]int64, 12)
		errs := make([]error, len(ids))
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				c, err := []*DB{a, b}[i%2].QueueCommand(t.Context(), command("reload"))
				ids[i], errs[i] = c.ID, err
			})
		}
		all.Wait()
		seen := map[int64]bool{}
		for i, id := range ids {
			require.NoError(t, errs[i])
			require.False(t, seen[id])
			seen[id] = true
		}
	})
}

func TestAllowListVersion(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		version := func(digest string, nowMs int64) int64 {
			v, err := d.AllowListVersion(ctx, "jodhpur-cfc", digest, nowMs)
			require.NoError(t, err)
			return v
		}
		require.Zero(t, version("", 50), "no cards, no list")
		require.Equal(t, int64(100), version("a", 100))
		require.Equal(t, int64(100), version("a", 200))
		require.Equal(t, int64(300), version("b", 300))
		require.Equal(t, int64(301), version("a", 250), "the clock was set back")
		require.Equal(t, int64(400), version("", 400), "the last card is gone: an empty list")
		_, err := d.AllowListVersion(ctx, "nowhere", "a", 1)
		require.Error(t, err)
	})
}

// Of many processes that want to send the same at the same moment, one may.
func TestOneClaims(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		cmd, err := d.QueueCommand(t.Context(), command("reload"))
		require.NoError(t, err)
		for name, claim := range map[string]func() (bool, error){
			"command": func() (bool, error) { return d.ClaimCommand(t.Context(), cmd, 6_000_000) },
			"list":    func() (bool, error) { return d.ClaimList(t.Context(), cmd.Site, cmd.Gateway, 7, 6_000_000, 30_000) },
		} {
			var all sync.WaitGroup
			won, errs := make([]bool, 8), make([]error, 8)
			for i := range won {
				all.Go(func() { won[i], errs[i] = claim() })
			}
			all.Wait()
			count := 0
			for i := range won {
				require.NoError(t, errs[i])
				if won[i] {
					count++
				}
			}
			require.Equal(t, 1, count, name)
		}
	})
}

func TestClaimList(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		claim := func(version, atMs int64) bool {
			ok, err := d.ClaimList(t.Context(), "jodhpur-cfc", "gw-1", version, atMs, 30_000)
			require.NoError(t, err)
			return ok
		}
		require.True(t, claim(1, 6_000_000))
		require.False(t, claim(1, 6_029_999))
		require.True(t, claim(1, 6_030_000))
		require.True(t, claim(2, 6_030_001), "another version")
		require.NoError(t, d.UnclaimList(t.Context(), "jodhpur-cfc", "gw-1", 2, 6_030_001))
		require.True(t, claim(2, 6_030_002))
		require.True(t, claim(2, 5_000_000), "the clock was set back")
		require.False(t, claim(2, 4_990_000), "the clocks of two machines differ a little")
		ok, err := d.ClaimList(t.Context(), "jodhpur-cfc", "nobody", 1, 1, 30_000)
		require.NoError(t, err)
		require.False(t, ok)
	})
}
