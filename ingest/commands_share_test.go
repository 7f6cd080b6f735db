package ingest

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/pgtest"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/wire"
)

// worker is one of several ingest processes: a commander with a connection of its own to the registry, and what it sent.
type worker struct {
	c     *commander
	sent  int
	down  bool // no connection to the broker
	ended bool
}

// round lets seconds pass and all living workers work at the same moment; it returns how much they sent together.
func round(t *testing.T, p *post, workers []*worker, seconds int) (sent int) {
	t.Helper()
	p.at = p.at.Add(time.Duration(seconds) * time.Second)
	var all sync.WaitGroup
	errs := make([]error, len(workers))
	before := 0
	for i, w := range workers {
		before += w.sent
		if !w.ended {
			all.Go(func() { errs[i] = errors.Join(w.c.sendCommands(t.Context()), w.c.sendLists(t.Context())) })
		}
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	for _, w := range workers {
		sent += w.sent
	}
	return sent - before
}

// Several ingest processes share a registry: each command and each list of cards is sent by one of them, and what one
// leaves undone another does.
func TestSeveralIngestsSendACommandOnce(t *testing.T) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "r.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			at := url(t)
			p := newPostAt(t, at)
			workers := make([]*worker, 3)
			for i := range workers {
				db := registrytest.OpenAt(t, at)
				w := &worker{}
				w.c = newCommander(db, func(string, []byte) bool {
					if !w.down {
						w.sent++
					}
					return !w.down
				}, quiet(), func() time.Time { return p.at })
				w.c.connected = func() bool { return !w.down }
				workers[i] = w
			}
			p.says(nil)
			for range 5 {
				cmd := p.queue(wire.CommandReload)
				require.Equal(t, 1, round(t, p, workers, 1), "one sends it")
				require.Zero(t, round(t, p, workers, 9))
				require.Equal(t, 1, round(t, p, workers, 1), "lost, it seems")
				require.Equal(t, int64(2), p.state(cmd).Sendings)
				p.says(func(s *wire.Status) { s.Commands.Last = &wire.CommandOutcome{ID: cmd.ID, Done: true, OK: true} })
				require.Zero(t, round(t, p, workers, 1))
				require.Equal(t, registry.CommandDone, p.state(cmd).State)
			}
			p.apply(strings.Repeat("ab", 16))
			require.Equal(t, 1, round(t, p, workers, 1), "one sends the list of cards")
			require.Zero(t, round(t, p, workers, 29))
			require.Equal(t, 1, round(t, p, workers, 1))

			// Two have no connection to the broker: the third one sends.
			cmd := p.queue(wire.CommandReload)
			workers[0].down, workers[1].down = true, true
			require.Equal(t, 1, round(t, p, workers, 1))
			require.Zero(t, round(t, p, workers, 1))
			require.Equal(t, int64(1), p.state(cmd).Sendings, "what could not be sent is not counted")

			// The one that sent dies: another one sends again when it is due.
			workers[0].down, workers[2].ended = false, true
			require.Equal(t, 1, round(t, p, workers, 9))
		})
	}
}

// countingLists counts how often all gateways are looked through, and how often cards are read.
type countingLists struct {
	*registry.DB
	looked, cards *int
}

func (c countingLists) ListGateways(ctx context.Context) ([]registry.ListGateway, error) {
	*c.looked++
	return c.DB.ListGateways(ctx)
}

func (c countingLists) Cards(ctx context.Context, site string) ([]registry.Card, error) {
	*c.cards++
	return c.DB.Cards(ctx, site)
}

// Each five seconds one of several ingest processes looks whether gateways need a list of cards, one that has a connection.
func TestIngestsTakeTurnsAtLists(t *testing.T) {
	p := newPost(t)
	looked, cards, down := 0, 0, false
	workers := make([]*commander, 3)
	for i := range workers {
		workers[i] = newCommander(countingLists{p.db, &looked, &cards}, func(string, []byte) bool { return true }, quiet(), func() time.Time { return p.at })
		workers[i].connected = func() bool { return !down || i == 2 }
	}
	minute := func() int {
		looked = 0
		for range 60 {
			p.at = p.at.Add(time.Second)
			for _, w := range workers {
				require.NoError(t, w.listsTurn(t.Context()))
			}
		}
		return looked
	}
	require.Equal(t, 12, minute())
	down = true
	require.Equal(t, 12, minute(), "who has no connection takes no turn")
}
