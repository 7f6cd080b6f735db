package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestGaps(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		g := func(from, to, filled int64) Gap {
			return Gap{Site: site, Machine: "furnace-1", FromMs: from, ToMs: to, FilledMs: filled}
		}
		replace := func(from, late, at int64, gaps ...Gap) {
			t.Helper()
			require.NoError(t, d.ReplaceGaps(ctx, site, "furnace-1", from, gaps, late, at))
		}
		all := func(from, to int64) []Gap {
			t.Helper()
			got, err := d.Gaps(ctx, site, from, to)
			require.NoError(t, err)
			return got
		}
		replace(0, 1000, 1000, g(700, 0, 0), g(100, 200, 0))
		require.Equal(t, []Gap{g(100, 200, 0), g(700, 0, 0)}, all(0, 5000))
		require.Equal(t, []Gap{g(700, 0, 0)}, all(200, 5000), "half-open")
		require.Empty(t, all(200, 700))

		// The open one is closed by a live sample: nothing came late.
		replace(650, 1940, 2000, g(700, 2000, 0))
		require.Equal(t, []Gap{g(100, 200, 0), g(700, 2000, 0)}, all(0, 5000))
		// The backlog fills it from the front.
		replace(700, 2940, 3000, g(1000, 2000, 0))
		replace(1000, 2990, 3050, g(1500, 2000, 0))
		require.Equal(t, []Gap{g(100, 200, 0), g(700, 1500, 3050), g(1500, 2000, 0)}, all(0, 5000))
		replace(1500, 3100, 3150)
		require.Equal(t, []Gap{g(100, 200, 0), g(700, 2000, 3150)}, all(0, 5000))
		holes, err := d.HolesBeyond(ctx, site, "furnace-1", 150)
		require.NoError(t, err)
		require.Equal(t, []Gap{g(100, 200, 0)}, holes)

		require.Error(t, d.ReplaceGaps(ctx, site, "furnace-1", 0, []Gap{{Site: site, Machine: "cutter-2"}}, 0, 0))
		require.Error(t, d.ReplaceGaps(ctx, site, "furnace-1", 0, []Gap{g(1, 2, 3)}, 0, 0))
		replace(0, filledKept+10_000, filledKept+10_000, g(100, 200, 0), g(9000, 0, 0))
		require.Equal(t, []Gap{g(100, 200, 0), g(9000, 0, 0)}, all(0, 9500), "what was filled is remembered for 400 days")
	})
}

func TestFilledParts(t *testing.T) {
	g := func(from, to int64) Gap { return Gap{FromMs: from, ToMs: to} }
	for _, c := range []struct {
		name     string
		old, now []Gap
		lateMs   int64
		want     []Gap
	}{
		{"the same", []Gap{g(10, 20)}, []Gap{g(10, 20)}, 99, nil},
		{"gone", []Gap{g(10, 20)}, nil, 99, []Gap{g(10, 20)}},
		{"split", []Gap{g(10, 50)}, []Gap{g(20, 30), g(35, 40)}, 99, []Gap{g(10, 20), g(30, 35), g(40, 50)}},
		{"open, closed by live data", []Gap{g(10, 0)}, []Gap{g(10, 90)}, 60, nil},
		{"open, all of it came late", []Gap{g(10, 0)}, nil, 60, []Gap{g(10, 60)}},
		{"grown", []Gap{g(10, 20)}, []Gap{g(5, 0)}, 99, nil},
	} {
		require.Equal(t, c.want, filled(c.old, c.now, c.lateMs), c.name)
	}
}

func TestBoots(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		b := func(boot string, from int64) MachineBoot {
			return MachineBoot{Site: site, Machine: "furnace-1", Gateway: "gw-1", Boot: boot, FromMs: from}
		}
		var g errgroup.Group
		for _, from := range []int64{300, 100, 200} {
			g.Go(func() error {
				return d.NoteBoots(ctx, []MachineBoot{b("two", from+1000), b("one", from+1), b("one", from)})
			})
		}
		require.NoError(t, g.Wait())
		got, err := d.MachineBoots(ctx, site, 5000)
		require.NoError(t, err)
		require.Equal(t, []MachineBoot{b("one", 100), b("two", 1100)}, got)
		got, err = d.MachineBoots(ctx, site, 1100)
		require.NoError(t, err)
		require.Equal(t, []MachineBoot{b("one", 100)}, got)
		moved := MachineBoot{Site: site, Machine: "furnace-1", Gateway: "gw-0", Boot: "three", FromMs: 1200}
		require.NoError(t, d.NoteBoots(ctx, []MachineBoot{moved}))
		gateways, err := d.MachineGateways(ctx, site)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"furnace-1": "gw-0"}, gateways)
		var many []MachineBoot
		for i := range int64(bootsKept + 5) {
			many = append(many, b(string(rune('a'+i%26))+string(rune('a'+i/26)), 10_000+i))
		}
		require.NoError(t, d.NoteBoots(ctx, many))
		got, err = d.MachineBoots(ctx, site, 1<<40)
		require.NoError(t, err)
		require.Len(t, got, bootsKept)
		require.Equal(t, many[5], got[0])
	})
}

func TestGatewayEvents(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		note := func(kind string, at int64) GatewayEvent {
			e := GatewayEvent{Site: site, Gateway: "gw-1", AtMs: at, Kind: kind}
			require.NoError(t, d.NoteGatewayEvent(ctx, e))
			return e
		}
		a := note(GatewayOnline, 100)
		note(GatewayOnline, 150)
		s := note(GatewaySupplyLost, 160)
		l := note(GatewayLost, 200)
		note(GatewayLost, 210)
		note(GatewaySupplyLost, 220)
		b := note(GatewayOnline, 300)
		got, err := d.GatewayEvents(ctx, site, 0, 1000)
		require.NoError(t, err)
		require.Equal(t, []GatewayEvent{a, s, l, b}, got)
	})
}
