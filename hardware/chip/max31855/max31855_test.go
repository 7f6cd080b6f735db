package max31855_test

import (
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"karkhana/hardware/chip/max31855"
	"karkhana/hardware/chip/max31855/max31855test"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spitest"
)

const vectors = "../../../../shared/data/chip-vectors/"

func celsius(t physic.Temperature) float64 {
	return float64(t-physic.ZeroCelsius) / float64(physic.Celsius)
}

// rows reads a recording without its header, or skips the test.
func rows(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(vectors + name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("recordings are not here: %s", vectors+name)
	}
	require.NoError(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	return all[1:]
}

func playback(words ...uint32) *spitest.Playback {
	p := &spitest.Playback{}
	for _, w := range words {
		p.Ops = append(p.Ops, conntest.IO{R: binary.BigEndian.AppendUint32(nil, w)})
	}
	return p
}

func TestDatasheetWords(t *testing.T) {
	var words []uint32
	var want [][2]float64
	for _, r := range rows(t, "max31855_composed_words.csv") {
		b, err := hex.DecodeString(r[0])
		require.NoError(t, err)
		hot, err := strconv.ParseFloat(r[1], 64)
		require.NoError(t, err)
		cold, err := strconv.ParseFloat(r[2], 64)
		require.NoError(t, err)
		words, want = append(words, binary.BigEndian.Uint32(b)), append(want, [2]float64{hot, cold})
	}
	bus := playback(words...)
	dev, err := max31855.New(bus, nil)
	require.NoError(t, err)
	require.Equal(t, "max31855{playback}", dev.String())
	for i, w := range want {
		r, err := dev.Sense(t.Context())
		require.NoError(t, err)
		require.InDelta(t, w[0], celsius(r.Raw), 1e-9, "word %08X", words[i])
		require.InDelta(t, w[1], celsius(r.ColdJunction), 1e-9, "word %08X", words[i])
	}
	require.NoError(t, dev.Halt())
	require.NoError(t, bus.Close())
}

func TestDatasheetCodes(t *testing.T) {
	for _, r := range rows(t, "max31855_datasheet_codes.csv") {
		code, err := strconv.ParseUint(r[2], 2, 32)
		require.NoError(t, err)
		want, err := strconv.ParseFloat(r[3], 64)
		require.NoError(t, err)
		// The other field holds 25 °C, so that no word is all zeros.
		if r[0] == "thermocouple" {
			got, err := max31855.Decode(uint32(code)<<18 | 0x1900)
			require.NoError(t, err)
			require.InDelta(t, want, celsius(got.Raw), 1e-9, r)
		} else {
			got, err := max31855.Decode(100<<18 | uint32(code)<<4)
			require.NoError(t, err)
			require.InDelta(t, want, celsius(got.ColdJunction), 1e-9, r)
		}
	}
}

func TestRefusedWords(t *testing.T) {
	for _, c := range []struct {
		name string
		word uint32
		want error
		text string
	}{
		{"data line low", 0x00000000, max31855.ErrNoChip, "check power, chip select and the data line"},
		{"data line high", 0xFFFFFFFF, max31855.ErrNoChip, "FFFFFFFF"},
		{"reserved bit 17", 0x01920000, max31855.ErrNoChip, ""},
		{"reserved bit 3", 0x01901908, max31855.ErrNoChip, ""},
		{"open", 0x01911901, max31855.ErrOpen, "broken or not connected"},
		{"short to ground", 0x01911902, max31855.ErrShortGND, "touches earth"},
		{"short to VCC", 0x01911904, max31855.ErrShortVCC, "touches the supply"},
		{"two faults", 0x01911903, max31855.ErrShortGND, "open"},
		{"fault without a cause", 0x01911900, max31855.ErrNoChip, "disagree"},
		{"cause without fault bit", 0x01901901, max31855.ErrNoChip, "disagree"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dev, err := max31855.New(playback(c.word), &max31855.DefaultOpts)
			require.NoError(t, err)
			r, err := dev.Sense(t.Context())
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "max31855{playback}")
			require.Zero(t, r)
		})
	}
}

func TestBusErrors(t *testing.T) {
	_, err := max31855.New(&spitest.Playback{}, &max31855.Opts{Frequency: 6 * physic.MegaHertz})
	require.ErrorContains(t, err, "give 0 to 5MHz")
	_, err = max31855.New(&spitest.Playback{Initialized: true}, nil)
	require.ErrorContains(t, err, "max31855: connect")

	dev, err := max31855.New(&spitest.Playback{Playback: conntest.Playback{DontPanic: true}}, nil)
	require.NoError(t, err)
	_, err = dev.Sense(t.Context())
	require.ErrorContains(t, err, "read")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = dev.Sense(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// The chip's straight-line error at a cold junction of 25 °C, from the reference functions; a user's reading of
// 1183.5 at a true 1200 °C agrees.
var straightLine = []struct{ true, err float64 }{
	{200, -2.1}, {300, -3.5}, {400, -2.0}, {500, 0.9}, {600, 4.2}, {700, 6.5},
	{800, 6.9}, {900, 5.1}, {1000, 0.8}, {1100, -6.1}, {1200, -16.0}, {1300, -29.5},
}

func TestLinearization(t *testing.T) {
	for _, c := range straightLine {
		require.InDelta(t, c.true+c.err, max31855.ReadingK(c.true, 25), 0.06, "%v °C", c.true)
		require.InDelta(t, c.true, max31855.LinearizeK(max31855.ReadingK(c.true, 25), 25), 0.06, "%v °C", c.true)
		require.InDelta(t, c.true, max31855.LinearizeK(c.true+c.err, 25), 0.11, "%v °C", c.true)
	}
	for _, c := range []struct{ t, mv float64 }{
		{-200, -5.891}, {-100, -3.554}, {0, 0}, {100, 4.0962}, {500, 20.6443}, {1000, 41.2756}, {1372, 54.8864},
	} {
		require.InDelta(t, c.mv, max31855.VoltageK(c.t), 0.0005, "%v °C", c.t)
	}
	for x := -199.0; x < 1371; x += 7 {
		require.InDelta(t, x, max31855.TemperatureK(max31855.VoltageK(x)), 0.06)
	}
	require.InDelta(t, 1700, max31855.LinearizeK(1700, 25), 0, "no reference function there")
}

// The simulated chip and the driver agree to the chip's step.
func TestSimulatedChip(t *testing.T) {
	chip := &max31855test.Chip{}
	dev, err := max31855.New(chip, nil)
	require.NoError(t, err)
	for x := -50.0; x < 1300; x += 12.3 {
		chip.Set(x, 31.5)
		r, err := dev.Sense(t.Context())
		require.NoError(t, err)
		require.InDelta(t, x, celsius(r.Temperature), 0.25)
		require.InDelta(t, 31.5, celsius(r.ColdJunction), 1e-9)
	}
	chip.SetFault(1)
	_, err = dev.Sense(t.Context())
	require.ErrorIs(t, err, max31855.ErrOpen)
	_, err = chip.Connect(10*physic.MegaHertz, spi.Mode3, 16)
	require.ErrorContains(t, err, "at most 5 MHz")
	require.True(t, strings.HasPrefix(dev.String(), "max31855{"))
}

func FuzzDecode(f *testing.F) {
	f.Add(uint32(0x3E801900))
	f.Add(uint32(0xFFFFFFFF))
	f.Fuzz(func(t *testing.T, w uint32) {
		r, err := max31855.Decode(w)
		if err != nil {
			require.Zero(t, r)
			return
		}
		require.Equal(t, w, max31855test.Word(celsius(r.Raw), celsius(r.ColdJunction), 0))
	})
}

func BenchmarkSense(b *testing.B) {
	chip := &max31855test.Chip{}
	dev, err := max31855.New(chip, nil)
	require.NoError(b, err)
	for b.Loop() {
		chip.Set(850, 30)
		if _, err := dev.Sense(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
