package pack

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

func TestEveryQuantityThatExistedHasItsCode(t *testing.T) {
	for i, name := range codes[1:] {
		_, ok := quantity.Get(name)
		require.True(t, ok, "code %d: %q", i+1, name)
	}
}

func TestThereAndBack(t *testing.T) {
	rows := [][]wire.Sample{
		{
			{TimeMs: 1000, Quantity: "power", Number: 1234.5}, {TimeMs: 1000, Quantity: "voltage", Number: 231.4},
			{TimeMs: 1000, Quantity: "energy", Number: 123456789}, {TimeMs: 1000, Quantity: "power_factor", Number: 0.87},
			{TimeMs: 700, Quantity: "card", Text: "abc"}, {TimeMs: 1000, Quantity: "supply", Bool: true},
		},
		{{TimeMs: -5, Quantity: "supply"}, {TimeMs: 2000, Quantity: "current_l1", Number: math.Pi, Quality: "saturated"}},
		{{TimeMs: 1_800_000_000_000, Quantity: "temperature", Quality: "fault:open"}, {TimeMs: 3000, Quantity: "vibration", Number: float64(float32(.0123))}},
		{{TimeMs: 3000, Quantity: "power", Number: -0.1}, {TimeMs: 3000, Quantity: "energy", Number: 1e15 + .5}},
	}
	var b []byte
	var want []wire.Sample
	for _, r := range rows {
		b = AppendRow(b, r)
		want = append(want, r...)
	}
	for _, tail := range []Tail{{Boot: "b1"}, {Boot: "b1", Known: true, OffsetMs: -77, Clock: wire.ClockRepaired}} {
		whole := AppendTail(append([]byte(nil), b...), tail)
		require.True(t, Is(whole))
		got, err := Parse(whole)
		require.NoError(t, err)
		require.Equal(t, Stored{Tail: tail, Samples: want}, got)
	}
}

// A gateway that is put back to its former version can't read a code that it does not know, and would lose the pack. So a
// quantity that is new gets no code: it is written by its name, which every version reads.
func TestNoNewCodes(t *testing.T) {
	require.Len(t, codes, 20)
	b := AppendTail(AppendRow(nil, []wire.Sample{{TimeMs: 5, Quantity: "quantity_of_tomorrow", Number: 7}}), Tail{Boot: "b"})
	s, err := Parse(b)
	require.NoError(t, err)
	require.Equal(t, "quantity_of_tomorrow", s.Samples[0].Quantity)
	require.InDelta(t, 7, s.Samples[0].Number, 0)
}

// What meters send costs few bytes: decimals are not written as 8-byte floats.
func TestShortForms(t *testing.T) {
	for v, want := range map[float64]int{0: 1, 63: 1, 231.4: 2, 0.87: 2, 1234.567: 4, 50.01: 2, 4e9: 4, 12345678.9: 4} {
		base := len(AppendRow(nil, []wire.Sample{{Quantity: "power", Quality: "fault:x"}})) - len("fault:x") - 1
		require.Equal(t, want, len(AppendRow(nil, []wire.Sample{{Quantity: "power", Number: v}}))-base, "%v", v)
	}
}

func TestShortenKeepsRegisters(t *testing.T) {
	s := []wire.Sample{
		{Quantity: "voltage", Number: 231.4}, {Quantity: "energy", Number: 123_456_789.1}, {Quantity: "pulses", Number: 1<<40 + 1},
		{Quantity: "power", Number: 4_200_000.3}, {Quantity: "card", Text: "x"}, {Quantity: "supply", Bool: true},
	}
	was := append([]wire.Sample(nil), s...)
	Shorten(s)
	require.InEpsilon(t, 231.4, s[0].Number, 6e-8)
	require.InEpsilon(t, 4_200_000.3, s[3].Number, 6e-8)
	for _, i := range []int{1, 2, 4, 5} {
		require.Equal(t, was[i], s[i])
	}
	again := append([]wire.Sample(nil), s...)
	Shorten(again)
	require.Equal(t, s, again)
}

func TestThin(t *testing.T) {
	samples := []wire.Sample{
		{TimeMs: 1, Quantity: "power", Number: 5}, {TimeMs: 1, Quantity: "energy", Number: 100}, {TimeMs: 2, Quantity: "card", Text: "x"},
		{TimeMs: 2, Quantity: "energy", Number: 101}, {TimeMs: 3, Quantity: "energy", Quality: "fault:dead"}, {TimeMs: 3, Quantity: "card", Text: "y"},
	}
	tail := Tail{Boot: "b", Known: true, Clock: wire.ClockSynced}
	want := []wire.Sample{samples[2], samples[3], samples[5]}
	require.True(t, Precious(samples))
	require.False(t, Precious(samples[:1]))

	thin, ok, err := Thin(AppendTail(AppendRow(nil, samples), tail))
	require.NoError(t, err)
	require.True(t, ok)
	got, err := Parse(thin)
	require.NoError(t, err)
	require.Equal(t, Stored{Tail: tail, Samples: want}, got)

	for i := range samples {
		samples[i].TimeMs += 1_800_000_000_000
	}
	p := wire.Pack{Site: "s", Machine: "m", Spool: "sp", Boot: "b", Seq: 1, Clock: wire.ClockSynced, Samples: samples}
	old, err := p.Encode(wire.FormatCBOR)
	require.NoError(t, err)
	thin, ok, err = Thin(old)
	require.NoError(t, err)
	require.True(t, ok, "packs of a former version, too")
	got, err = Parse(thin)
	require.NoError(t, err)
	require.Len(t, got.Samples, 3)
	require.Equal(t, tail, got.Tail)

	_, ok, err = Thin(AppendTail(AppendRow(nil, samples[:1]), tail))
	require.NoError(t, err)
	require.False(t, ok)
	_, _, err = Thin([]byte{1, 2, 3})
	require.ErrorIs(t, err, ErrFormat)
}

func FuzzParse(f *testing.F) {
	f.Add(AppendTail(AppendRow(nil, []wire.Sample{{TimeMs: 5, Quantity: "power", Number: 1.5}, {TimeMs: 6, Quantity: "card", Text: "x", Quality: "stale"}}), Tail{Boot: "b", Known: true}))
	f.Add([]byte{1, 0, 255, 255, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(AppendTail(appendRows(s.Samples), s.Tail))
		require.NoError(t, err)
		require.Len(t, again.Samples, len(s.Samples))
	})
}

func appendRows(samples []wire.Sample) (b []byte) {
	for i := range samples {
		b = AppendRow(b, samples[i:i+1])
	}
	return b
}
