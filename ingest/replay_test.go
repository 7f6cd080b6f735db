package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// ask marks every quarantined pack to be tried again.
func (r *fakeRegistry) ask() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replays = nil
	for i := range r.quarantine {
		r.quarantine[i].ReplayMs = 1
	}
}

func (r *fakeRegistry) outcomes() []registry.QuarantineReplay {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.replays)
	slices.SortFunc(out, func(a, b registry.QuarantineReplay) int { return int(a.ID - b.ID) })
	return out
}

func TestPacksAreTriedAgainWhenSomebodyAsks(t *testing.T) {
	w := newWorld(t, sources["embedded by nats"])
	put := func(machine, reason string, payload []byte) {
		require.NoError(t, w.registry.Quarantine(t.Context(), registry.Quarantined{
			Topic: wire.PackTopic("s", "gw-1", machine, wire.LaneLive), Site: "s", Gateway: "gw-1", Machine: machine, Reason: reason, Payload: payload,
		}))
	}
	put("m1", wire.ReasonAbsurdTime, encode(t, packOf(1, "m1"), wire.FormatCBOR)) // the rule was mended since
	put("m1", wire.ReasonAbsurdTime, []byte("[rubbish"))
	put("m2", "unknown-unit", encode(t, packOf(1, "m1"), wire.FormatCBOR)) // of another machine than its topic
	require.NoError(t, w.registry.Quarantine(t.Context(), registry.Quarantined{Topic: "x/y", Reason: ReasonBadTopic, Payload: []byte("[]")}))
	w.registry.ask()
	require.Eventually(t, func() bool { return len(w.registry.outcomes()) == 4 }, patience, every)
	var got []string
	for _, o := range w.registry.outcomes() {
		got = append(got, o.Outcome+" "+o.Reason)
	}
	require.Equal(t, []string{"stored ", "refused " + wire.ReasonNotSenML, "refused " + ReasonForeignTopic, "refused " + ReasonBadTopic}, got)
	require.Equal(t, wantLines(1), w.store.dump(t, "m1", "power_w", "energy_wh"))
	require.Equal(t, []string{ReasonBadTopic, ReasonForeignTopic, wire.ReasonNotSenML}, w.registry.reasons())
	require.Contains(t, w.registry.touches(), machineID{"s", "m1"})
}

func TestTooLongMessageKeepsItsBeginning(t *testing.T) {
	w := newWorld(t, sources["embedded by nats"])
	payload := bytes.Repeat([]byte("[ "), wire.MaxPackBytes/2+1000)
	g := newGateway(t, w)
	g.send("m1", wire.LaneLive, payload)
	require.Eventually(t, func() bool { return len(w.registry.reasons()) == 1 }, patience, every)
	q, err := w.registry.QuarantinedFor(t.Context(), "s", "m1", wire.ReasonTooLarge, 1)
	require.NoError(t, err)
	require.Len(t, q, 1)
	sum := sha256.Sum256(payload)
	require.Equal(t, []any{payload[:keptOfTooLong], int64(len(payload)), hex.EncodeToString(sum[:]), false},
		[]any{q[0].Payload, q[0].Length, q[0].SHA256, q[0].Whole()})
}
