package varint

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReader(t *testing.T) {
	b := binary.AppendUvarint(nil, math.MaxUint64)
	b = binary.AppendVarint(b, math.MinInt64)
	b = append(b, 7, 2, 'a', 'b')
	r := NewReader(b)
	require.True(t, r.More())
	require.Equal(t, uint64(math.MaxUint64), r.Uvarint())
	require.Equal(t, int64(math.MinInt64), r.Varint())
	require.Equal(t, byte(7), r.Byte())
	ab := r.Bytes()
	require.Equal(t, "ab", string(ab))
	require.Equal(t, 2, cap(ab)) // appending to it writes over nothing
	require.False(t, r.More())
	require.False(t, r.Bad())
	require.NotNil(t, r.Take(0))
	require.Zero(t, r.Byte())
	require.True(t, r.Bad())
}

func TestReaderStaysBad(t *testing.T) {
	for name, b := range map[string][]byte{
		"too few bytes":  {5, 1, 2},
		"no length":      {},
		"endless number": {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 1},
	} {
		r := NewReader(b)
		require.Nil(t, r.Bytes(), name)
		require.True(t, r.Bad(), name)
		require.Zero(t, r.Uvarint(), name)
		require.Zero(t, r.Varint(), name)
		require.Zero(t, r.Byte(), name)
		require.Nil(t, r.Take(0), name)
		require.False(t, r.More(), name)
	}
	r := NewReader([]byte{1, 2})
	r.Spoil()
	require.Zero(t, r.Byte())
	require.Equal(t, 2, r.Left())
}
