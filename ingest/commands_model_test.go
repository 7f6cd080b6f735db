package ingest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/remote"
	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// Whatever a broker loses, repeats and reorders, and however often the gateway is started anew: a command is done at
// most once, in order, each one ends, and what the server shows is what the gateway did.
func TestCommandsThroughABadBroker(t *testing.T) {
	p := newPost(t)
	for seed := range uint64(15) {
		dir, random := t.TempDir(), rand.New(rand.NewPCG(seed, 1))
		done := map[int64]int{}
		var order []int64
		var air [][]byte // on its way to the gateway
		open := func() *remote.Remote {
			return remote.Open(remote.Options{
				Site: postSite, Gateway: postGW, Dir: dir,
				Key:  func() ed25519.PublicKey { return p.key.Public().(ed25519.PublicKey) },
				Date: func() (time.Time, bool) { return p.at, true },
				Do: map[string]func(context.Context, []byte) (string, error){wire.CommandReplay: func(_ context.Context, body []byte) (string, error) {
					replay, err := wire.DecodeReplay(body)
					done[replay.FromMs]++
					order = append(order, replay.FromMs)
					return fmt.Sprint("did ", replay.FromMs), err
				}},
			})
		}
		gateway := open()
		p.c.publish = func(_ string, payload []byte) bool { air = append(air, payload); return true }
		say := func() { p.says(func(s *wire.Status) { s.Commands = gateway.Status() }) }
		var queued []registry.Command
		step := func(bad bool) {
			p.at = p.at.Add(time.Second)
			require.NoError(t, p.c.sendCommands(t.Context()))
			random.Shuffle(len(air), func(i, j int) { air[i], air[j] = air[j], air[i] })
			var later [][]byte
			for _, payload := range air {
				chance := random.IntN(10)
				if bad && chance < 4 {
					continue // lost
				}
				if bad && chance < 7 {
					later = append(later, payload) // comes again, in another order
				}
				gateway.Handle(t.Context(), payload)
			}
			air = later
			if !bad || random.IntN(3) > 0 {
				say()
			}
		}
		for range 5 + random.IntN(35) {
			switch random.IntN(6) {
			case 0:
				p.at = p.at.Add(time.Millisecond)
				n := int64(len(queued) + 1)
				body, err := wire.Replay{FromMs: n}.Encode()
				require.NoError(t, err)
				c, err := p.db.QueueCommand(t.Context(), registry.Command{Site: postSite, Gateway: postGW, Kind: wire.CommandReplay,
					Body: string(body), By: "asha", QueuedMs: p.at.UnixMilli(), ExpiresMs: p.at.Add(10 * time.Minute).UnixMilli()})
				if !errors.Is(err, registry.ErrTooMany) {
					require.NoError(t, err)
					queued = append(queued, c)
				}
			case 1:
				gateway = open()
			default:
				step(true)
			}
		}
		for range 25*len(queued) + 25 { // the broker has come to its senses
			step(false)
		}
		require.IsIncreasing(t, append([]int64{0}, order...))
		for i, c := range queued {
			got, err := p.db.Command(t.Context(), postSite, postGW, c.ID)
			require.NoError(t, err)
			n := int64(i + 1)
			require.Equal(t, registry.CommandDone, got.State, got.Detail)
			require.Equal(t, fmt.Sprint("did ", n), got.Detail)
			require.Equal(t, 1, done[n])
		}
	}
}
