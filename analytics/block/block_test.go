package block

import (
	"encoding/base64"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const start = int64(1_767_204_000_000)

func newHour(t require.TestingT, fields ...string) *Hour {
	h, err := New(fields)
	require.NoError(t, err)
	return h
}

type row struct {
	ms      int64
	bits    []uint64
	quality []string
}

func rows(h *Hour) (out []row) {
	n := len(h.fields)
	for i := range h.Len() {
		values, r := make([]float64, n), row{quality: make([]string, n)}
		r.ms = h.Row(i, values, r.quality)
		for _, v := range values {
			r.bits = append(r.bits, math.Float64bits(v))
		}
		out = append(out, r)
	}
	return out
}

// What was packed comes back with the same bits, whatever the numbers are, also when fewer fields are wanted.
func TestSameBits(t *testing.T) {
	h, part, both := newHour(t, "a", "b"), newHour(t, "b"), newHour(t, "b", "c")
	defer h.Close()
	defer part.Close()
	defer both.Close()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(
			rapid.Map(rapid.IntRange(-50_000, 50_000), func(i int) float64 { return float64(i) / 10 }),
			rapid.Map(rapid.IntRange(0, 3000), func(i int) float64 { return float64(i) / 1000 }),
			rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, 1e15, 1 << 53, 0.1 + 0.2, 5e-324, math.MaxFloat64}),
			rapid.SampledFrom([]float64{math.NaN()}),
			rapid.Float64(),
		)
		kind := rapid.SliceOfN(number, 1, 4).Draw(t, "kind")
		h.Reset()
		at := start + rapid.Int64Range(0, 1000).Draw(t, "begin")
		step := rapid.SampledFrom([]int64{1, 1000, 10_000}).Draw(t, "step")
		for n := rapid.IntRange(1, 300).Draw(t, "rows"); n > 0 && at < start+Ms; n-- {
			a, b := rapid.SampledFrom(kind).Draw(t, "a"), rapid.SampledFrom(kind).Draw(t, "b")
			h.Add(at, []float64{a, b}, []string{"", rapid.SampledFrom([]string{"", "", "stale", "fault:open"}).Draw(t, "quality")})
			at += step + rapid.SampledFrom([]int64{0, 0, 0, 1, 77}).Draw(t, "jitter")
		}
		want, sums := rows(h), h.Sums(nil)
		text := h.Pack(start)
		require.NoError(t, h.Unpack(start, text))
		require.Equal(t, want, rows(h))
		got := h.Sums(nil)
		for i := range got {
			require.Equal(t, math.Float64bits(sums[i].Total), math.Float64bits(got[i].Total))
			require.Equal(t, sums[i].Count, got[i].Count)
			require.Equal(t, sums[i].Qualities, got[i].Qualities)
		}
		require.NoError(t, part.Unpack(start, text))
		for i, r := range rows(part) {
			require.Equal(t, row{want[i].ms, want[i].bits[1:], want[i].quality[1:]}, r)
		}
		require.ErrorIs(t, both.Unpack(start, text), ErrOtherFields)
		require.ErrorIs(t, h.Unpack(start+Ms, text), ErrDamaged)
	})
}

func workday(h *Hour) {
	rng := rand.New(rand.NewPCG(1, 2))
	register := 120_000.0
	for i := range int64(3600) {
		power := 1800 + float64(rng.IntN(4000))/10
		register += power / 3600
		h.Add(start+i*1000, []float64{math.Round(register), power}, []string{"", ""})
	}
}

// No change of a byte goes unseen.
func TestDamage(t *testing.T) {
	h := newHour(t, "energy_wh", "power_w")
	defer h.Close()
	workday(h)
	text := h.Pack(start)
	t.Logf("%d characters for 3,600 samples of two values", len(text))
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		raw := []byte(text)
		switch rng.IntN(3) {
		case 0:
			raw = raw[:rng.IntN(len(raw))]
		case 1:
			raw[rng.IntN(len(raw))] ^= byte(1 + rng.IntN(255))
		default:
			i := rng.IntN(len(raw))
			raw = append(raw[:i], raw[min(len(raw), i+1+rng.IntN(9)):]...)
		}
		if string(raw) != text {
			require.ErrorIs(t, h.Unpack(start, string(raw)), ErrDamaged)
			require.Zero(t, h.Len())
		}
	}
	for _, nonsense := range []string{"", "AQ", "void", base64.RawStdEncoding.EncodeToString([]byte{2, 1, 2})} {
		require.ErrorIs(t, h.Unpack(start, nonsense), ErrDamaged)
	}
}

// Nothing that a sound frame may hold makes unpacking fail otherwise than with an error.
func FuzzUnpack(f *testing.F) {
	h := newHour(f, "a", "b")
	defer h.Close()
	h.Add(start, []float64{1, math.NaN()}, []string{"", "stale"})
	h.Add(start+5, []float64{0.3, math.Pi}, []string{"", ""})
	h.Pack(start)
	f.Add(append([]byte(nil), h.buf...))
	f.Fuzz(func(t *testing.T, plain []byte) {
		packed := h.enc.EncodeAll(plain, []byte{version})
		err := h.Unpack(start, base64.RawStdEncoding.EncodeToString(packed))
		if err != nil {
			require.Zero(t, h.Len())
			return
		}
		want := rows(h)
		require.NoError(t, h.Unpack(start, h.Pack(start)))
		require.Equal(t, len(want), h.Len())
	})
}

func BenchmarkPack(b *testing.B) {
	h := newHour(b, "energy_wh", "power_w")
	defer h.Close()
	workday(h)
	for b.Loop() {
		h.Pack(start)
	}
	b.ReportMetric(float64(len(h.Pack(start)))/7200, "characters/value")
}

func BenchmarkUnpack(b *testing.B) {
	h := newHour(b, "energy_wh", "power_w")
	defer h.Close()
	workday(h)
	text := h.Pack(start)
	for b.Loop() {
		require.NoError(b, h.Unpack(start, text))
	}
}
