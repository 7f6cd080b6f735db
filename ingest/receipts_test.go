package ingest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/internal/wire"
)

func TestRangesAreJoined(t *testing.T) {
	require.Empty(t, ranges(nil))
	require.Equal(t, [][2]uint64{{1, 3}, {5, 5}, {7, 8}}, ranges([]uint64{8, 1, 3, 2, 2, 5, 7, 7}))
	rapid.Check(t, func(t *rapid.T) {
		seqs := rapid.SliceOf(rapid.Uint64Range(1, 50)).Draw(t, "seqs")
		want, got := map[uint64]bool{}, map[uint64]bool{}
		for _, s := range seqs {
			want[s] = true
		}
		last := uint64(0)
		for _, r := range ranges(seqs) {
			require.True(t, last == 0 || r[0] > last+1, "ranges must not touch")
			for s := r[0]; s <= r[1]; s++ {
				got[s] = true
			}
			last = r[1]
		}
		require.Equal(t, want, got)
	})
}

func TestReceiptsHaveABoundedSize(t *testing.T) {
	p := &pendingReceipt{}
	for i := range uint64(5000) {
		p.stored = append(p.stored, 2*i+1)
		p.refused = append(p.refused, wire.Refusal{Seq: 2*i + 2, Reason: "unknown-quantity"}, wire.Refusal{Seq: 2*i + 2, Reason: "unknown-quantity"})
	}
	var stored, refused int
	all := messages("sp", p)
	require.Len(t, all, 3)
	for _, m := range all {
		payload, err := m.Encode()
		require.NoError(t, err)
		again, err := wire.DecodeReceipt(payload)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(&m, again))
		stored, refused = stored+len(m.Stored), refused+len(m.Refused)
	}
	require.Equal(t, 5000, stored)
	require.Equal(t, 5000, refused)
}
