package spool

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The spool behaves as a list of packs from which receipts delete, however it is opened and closed in between.
func TestAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		require.NoError(rt, err)
		o := Options{
			SegmentBytes: rapid.Int64Range(500, 5000).Draw(rt, "segment"),
			BlockBytes:   rapid.Int64Range(1, 3000).Draw(rt, "block"), JournalBytes: 1,
		}
		s, err := open(dir, o, fastDisk{})
		require.NoError(rt, err)
		defer func() { _ = s.Close() }()
		queued, unsynced := []uint64{}, []uint64(nil)
		highest := uint64(0)
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				for range rapid.IntRange(1, 30).Draw(rt, "n") {
					seq, err := s.Append("furnace-1", 1, func(seq uint64) ([]byte, error) { return payload(seq), nil })
					require.NoError(rt, err)
					require.Greater(rt, seq, highest)
					highest = seq
					unsynced = append(unsynced, seq)
				}
			},
			"sync": func(rt *rapid.T) {
				refs, err := s.Sync()
				require.NoError(rt, err)
				require.Len(rt, refs, len(unsynced))
				queued, unsynced = append(queued, unsynced...), nil
				for _, r := range refs {
					got, err := s.Read(r)
					require.NoError(rt, err)
					require.Equal(rt, payload(r.Seq), got.Payload)
				}
			},
			"receipt": func(rt *rapid.T) {
				from := rapid.Uint64Range(0, highest+2).Draw(rt, "from")
				to := from + rapid.Uint64Range(0, 40).Draw(rt, "len")
				before := len(queued)
				queued = slices.DeleteFunc(queued, func(q uint64) bool { return from <= q && q <= to })
				require.Equal(rt, before-len(queued), s.Receipt([2]uint64{from, to}))
			},
			"reopen": func(rt *rapid.T) {
				require.NoError(rt, s.Close())
				queued, unsynced = append(queued, unsynced...), nil
				if s, err = open(dir, o, fastDisk{}); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				require.Equal(rt, len(queued)+len(unsynced), s.Stats().Packs)
				require.Equal(rt, queued, append([]uint64{}, drain(rt, s)...))
			},
		})
	})
}

// fixHeader puts the CRC of a segment header right.
func fixHeader(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[32:], crc32.Checksum(b[:32], castagnoli))
	return b
}

// Whatever stands in a segment file, reading it ends, without a panic, and gives only records whose CRC is right.
func FuzzScan(f *testing.F) {
	whole := appendFileHeader(nil, "0123456789abcdef", 1)
	for seq := uint64(1); seq < 6; seq++ {
		whole = appendRecord(whole, kindPack, seq, 5, "furnace-1", payload(seq))
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Add(appendRecord(whole, kindSeal, 5, 5, "", []byte{5, 0, 0, 0, 0, 0, 0, 0}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, everything := range []bool{true, false} {
			got, err := scan(readerAt(b), int64(len(b)), 1, ^uint64(0), everything)
			if err != nil {
				continue
			}
			require.LessOrEqual(t, got.seg.size, int64(max(len(b), fileHeaderSize)))
			require.LessOrEqual(t, got.seg.pending, got.seg.packs)
			require.GreaterOrEqual(t, got.seg.pending, 0)
		}
	})
}
