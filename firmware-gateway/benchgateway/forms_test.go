package main

import (
	"bytes"
	"compress/flate"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/pack"
	"karkhana/hardware/sim"
	"karkhana/internal/wire"
)

// packs returns an hour of a working day of the six simulated machines at 1 Hz in packs of 5 s: as SenML, and as the
// spool holds them.
func packs(t testing.TB) (senml, stored [][]byte, samples int) {
	t.Helper()
	epoch := time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC)
	w, err := sim.New(sim.Options{Seed: 7, Epoch: epoch})
	require.NoError(t, err)
	var machines []*sim.Machine
	for _, k := range sim.Kinds() {
		m, err := w.Machine(k)
		require.NoError(t, err)
		require.NoError(t, m.Seek(epoch.Add(5*time.Hour)))
		machines = append(machines, m)
	}
	seq := uint64(0)
	for at := epoch.Add(5 * time.Hour); at.Before(epoch.Add(6 * time.Hour)); at = at.Add(5 * time.Second) {
		for i, m := range machines {
			var b []byte
			p := wire.Pack{Site: "jodhpur-cfc", Machine: sim.Kinds()[i] + "-1", Spool: "0123456789abcdef", Boot: "0123456789ab", Clock: wire.ClockSynced}
			for s := range 5 {
				got, err := m.Sense(at.Add(time.Duration(s) * time.Second))
				require.NoError(t, err)
				b = pack.AppendRow(b, got)
				p.Samples = append(p.Samples, got...)
			}
			samples += len(p.Samples)
			seq++
			p.Seq = seq
			p.Sort()
			c, err := p.Encode(wire.FormatCBOR)
			require.NoError(t, err)
			senml = append(senml, c)
			stored = append(stored, pack.AppendTail(b, pack.Tail{Boot: p.Boot, Known: true, Clock: p.Clock}))
		}
	}
	return senml, stored, samples
}

// TestFormsAndCompressors prints the bytes per sample of what the spool could hold: the table of spool/FORMAT.md.
func TestFormsAndCompressors(t *testing.T) {
	if testing.Short() {
		t.Skip("a table for spool/FORMAT.md")
	}
	senml, stored, n := packs(t)
	compressors := map[string]func(b []byte) int{
		"none": func(b []byte) int { return len(b) },
		"s2":   func(b []byte) int { return len(s2.Encode(nil, b)) },
		"s2-2": func(b []byte) int { return len(s2.EncodeBetter(nil, b)) },
		"s2-3": func(b []byte) int { return len(s2.EncodeBest(nil, b)) },
		"flate": func(b []byte) int {
			var out bytes.Buffer
			w, _ := flate.NewWriter(&out, 6)
			_, _ = w.Write(b)
			_ = w.Close()
			return out.Len()
		},
	}
	for name, level := range map[string]zstd.EncoderLevel{"zstd-1": zstd.SpeedFastest, "zstd-3": zstd.SpeedDefault, "zstd-7": zstd.SpeedBetterCompression} {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(256<<10))
		require.NoError(t, err)
		compressors[name] = func(b []byte) int { return len(e.EncodeAll(b, nil)) }
	}
	for name, form := range map[string][][]byte{"senml": senml, "rows": stored} {
		for _, block := range []int{0, 16 << 10, 64 << 10, 128 << 10, 256 << 10} {
			for _, c := range []string{"none", "s2", "s2-2", "s2-3", "flate", "zstd-1", "zstd-3", "zstd-7"} {
				total, begin := 0, time.Now()
				var b []byte
				for i, p := range form {
					b = append(b, p...)
					if len(b) >= block || i == len(form)-1 {
						total += compressors[c](b)
						b = b[:0]
					}
				}
				t.Logf("%-6s block %3d KiB %-7s %6.2f B/sample  %5.0f ns/sample", name, block>>10, c, float64(total)/float64(n), float64(time.Since(begin).Nanoseconds())/float64(n))
			}
		}
	}
}
