package mfrc522_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"karkhana/hardware/chip/mfrc522"
	"karkhana/hardware/chip/mfrc522/mfrc522test"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spitest"
)

const vectors = "../../../../shared/data/chip-vectors/"

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

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func w(reg byte, values ...byte) conntest.IO {
	return conntest.IO{W: append([]byte{reg << 1}, values...)}
}

func r(reg, value byte) conntest.IO {
	return conntest.IO{W: []byte{0x80 | reg<<1, 0}, R: []byte{0, value}}
}

// start is what New does with a version 2.0.
var start = []conntest.IO{
	w(0x01, 0x0F), r(0x01, 0x30), r(0x01, 0x20), r(0x37, 0x92), // the oscillator takes two looks
	w(0x12, 0x00), w(0x13, 0x00), w(0x24, 0x26), w(0x2A, 0x80), w(0x2B, 0xA9), w(0x2C, 0x00), w(0x2D, 0xC8),
	w(0x15, 0x40), w(0x11, 0x3D), w(0x26, 0x40), w(0x14, 0x80), r(0x11, 0x3D),
}

// exchange is a frame to the card and what comes back.
func exchange(frame []byte, lastBits byte, answer ...byte) []conntest.IO {
	ops := []conntest.IO{
		w(0x01, 0x00), w(0x04, 0x7F), w(0x0A, 0x80), w(0x09, frame...), w(0x0D, lastBits), w(0x01, 0x0C), w(0x0D, 0x80|lastBits),
		r(0x04, 0x44), // sent, nothing received yet
	}
	if answer == nil {
		return append(ops, r(0x04, 0x45))
	}
	fifo := conntest.IO{W: append(bytes.Repeat([]byte{0x92}, len(answer)), 0), R: append([]byte{0}, answer...)}
	return append(ops, r(0x04, 0x64), r(0x06, 0x00), r(0x0A, byte(len(answer))), r(0x0C, 0x10), fifo)
}

func playback(ops ...[]conntest.IO) *spitest.Playback {
	p := &spitest.Playback{Playback: conntest.Playback{DontPanic: true}}
	for _, o := range append([][]conntest.IO{start}, ops...) {
		p.Ops = append(p.Ops, o...)
	}
	return p
}

var fieldOn = []conntest.IO{r(0x11, 0x3D), w(0x14, 0x83)}
var fieldOff = []conntest.IO{w(0x14, 0x80)}

// The exchange that was sniffed between a reader and a card goes over the wire byte by byte. It ends with the select;
// the answer to that is ours.
func TestSniffedTrace(t *testing.T) {
	trace := rows(t, "iso14443a_trace.csv")
	require.Len(t, trace, 5)
	var frames [][]byte
	for _, row := range trace {
		frames = append(frames, unhex(t, row[1]))
	}
	synctest.Test(t, func(t *testing.T) {
		bus := playback(fieldOn, exchange(frames[0], 7, frames[1]...), exchange(frames[2], 0, frames[3]...),
			exchange(frames[4], 0, mfrc522.AppendCRC([]byte{0x08})...), fieldOff)
		dev, err := mfrc522.New(bus, nil)
		require.NoError(t, err)
		card, err := dev.Sense(t.Context())
		require.NoError(t, err)
		require.Equal(t, "9C599B32", card.UID)
		require.NoError(t, bus.Close())
	})
	selection := frames[4]
	require.Equal(t, [2]byte(selection[7:]), mfrc522.CRC(selection[:7]))
	require.Equal(t, [2]byte{0xA0, 0x1E}, mfrc522.CRC([]byte{0, 0}), "first example of ISO/IEC 14443-3, annex B")
	require.Equal(t, [2]byte{0x26, 0xCF}, mfrc522.CRC([]byte{0x12, 0x34}), "second example")
}

func TestUIDLengths(t *testing.T) {
	for _, uid := range []string{"9C599B32", "04A1B2C3D4E5F6", "04010203040506070809", "00000001", "0812345678AB90"} {
		synctest.Test(t, func(t *testing.T) {
			chip := &mfrc522test.Chip{}
			dev, err := mfrc522.New(chip, nil)
			require.NoError(t, err)
			require.Equal(t, "mfrc522{SPIsim}", dev.String())
			require.Equal(t, byte(0x92), dev.Version())
			_, err = dev.Sense(t.Context())
			require.ErrorIs(t, err, mfrc522.ErrNoCard)
			chip.Place(unhex(t, uid))
			for range 3 { // it stays and is found again
				card, err := dev.Sense(t.Context())
				require.NoError(t, err)
				require.Equal(t, uid, card.UID)
			}
			chip.Place()
			_, err = dev.Sense(t.Context())
			require.ErrorIs(t, err, mfrc522.ErrNoCard)
			require.NoError(t, dev.Halt())
			chip.Place(unhex(t, uid))
			_, err = dev.Sense(t.Context())
			require.NoError(t, err, "awake again")
		})
	}
}

// uid is a card's number in the tests of errors: no part of it may show.
const uid = "04DEADBEEF8899"

func TestRefusedCards(t *testing.T) {
	flip := func(n, at int) func(_, a []byte, f byte) ([]byte, byte) {
		return func(frame, a []byte, f byte) ([]byte, byte) {
			if len(frame) == n && len(a) > at {
				a[at] ^= 1
			}
			return a, f
		}
	}
	silentTo := func(n int) func(_, a []byte, f byte) ([]byte, byte) {
		return func(frame, a []byte, f byte) ([]byte, byte) {
			if len(frame) == n {
				return nil, 0
			}
			return a, f
		}
	}
	flag := func(v byte) func(_, a []byte, f byte) ([]byte, byte) {
		return func(_, a []byte, _ byte) ([]byte, byte) { return a, v }
	}
	for _, c := range []struct {
		name   string
		cards  []string
		answer func(frame, answer []byte, flags byte) ([]byte, byte)
		want   error
		text   string
	}{
		{"none", nil, nil, mfrc522.ErrNoCard, "no card"},
		{"two", []string{uid, "9C599B32"}, nil, mfrc522.ErrTwoCards, "hold only one"},
		{"phone", []string{"08DEADBE"}, nil, mfrc522.ErrNoIdentity, "plain card"},
		{"zeros", []string{"00000000"}, nil, mfrc522.ErrUnclear, "zeros"},
		{"seven zeros", []string{"00000000000000"}, nil, mfrc522.ErrUnclear, "zeros"},
		{"check byte", []string{uid}, flip(2, 4), mfrc522.ErrUnclear, "check byte"},
		{"number", []string{uid}, flip(2, 1), mfrc522.ErrUnclear, "check byte"},
		{"SAK", []string{uid}, flip(9, 0), mfrc522.ErrUnclear, "checksum"},
		{"CRC", []string{uid}, flip(9, 2), mfrc522.ErrUnclear, "checksum"},
		{"taken away before the number", []string{uid}, silentTo(2), mfrc522.ErrUnclear, "fell silent"},
		{"taken away before the select", []string{uid}, silentTo(9), mfrc522.ErrUnclear, "fell silent"},
		{"parity", []string{uid}, flag(0x02), mfrc522.ErrUnclear, "error flags 02"},
		{"overflow", []string{uid}, flag(0x10), mfrc522.ErrUnclear, "error flags 10"},
		{"collision at the request", []string{uid}, flag(0x08), mfrc522.ErrTwoCards, ""},
		{"long request answer", []string{uid}, func(_, a []byte, f byte) ([]byte, byte) { return append(a, 0), f }, mfrc522.ErrUnclear, "3 bytes to the request"},
		{"empty answer", []string{uid}, func(_, _ []byte, f byte) ([]byte, byte) { return []byte{}, f }, mfrc522.ErrUnclear, "0 bytes"},
		{"short number", []string{uid}, func(frame, a []byte, f byte) ([]byte, byte) {
			if len(frame) == 2 {
				a = a[:4]
			}
			return a, f
		}, mfrc522.ErrUnclear, "check byte"},
		{"short SAK", []string{uid}, func(frame, a []byte, f byte) ([]byte, byte) {
			if len(frame) == 9 {
				a = a[:1]
			}
			return a, f
		}, mfrc522.ErrUnclear, "checksum"},
		{"more parts without the tag", []string{"9C599B32"}, func(frame, a []byte, f byte) ([]byte, byte) {
			if len(frame) == 9 {
				a = mfrc522.AppendCRC([]byte{0x04})
			}
			return a, f
		}, mfrc522.ErrUnclear, "length"},
		{"tag without more parts", []string{uid}, func(frame, a []byte, f byte) ([]byte, byte) {
			if len(frame) == 9 {
				a = mfrc522.AppendCRC([]byte{0x08})
			}
			return a, f
		}, mfrc522.ErrUnclear, "length"},
		{"parts without end", []string{"04010203040506070809"}, func(frame, a []byte, f byte) ([]byte, byte) {
			switch len(frame) {
			case 2:
				a = []byte{0x88, 1, 2, 3, 0x88}
			case 9:
				a = mfrc522.AppendCRC([]byte{0x04})
			}
			return a, f
		}, mfrc522.ErrUnclear, "fourth part"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				chip := &mfrc522test.Chip{Answer: c.answer}
				var cards [][]byte
				for _, u := range c.cards {
					cards = append(cards, unhex(t, u))
				}
				chip.Place(cards...)
				dev, err := mfrc522.New(chip, nil)
				require.NoError(t, err)
				card, err := dev.Sense(t.Context())
				require.ErrorIs(t, err, c.want)
				require.ErrorContains(t, err, c.text)
				require.ErrorContains(t, err, "mfrc522{SPIsim}")
				require.Zero(t, card)
				for _, part := range []string{"DEAD", "dead", "222", "9C59", "9c59", "156"} {
					require.NotContains(t, err.Error(), part)
				}
			})
		})
	}
}

func TestReadingHidesTheUID(t *testing.T) {
	card := mfrc522.Reading{UID: uid}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("tap", "card", card)
	slog.New(slog.NewTextHandler(&b, nil)).Info("tap", "card", card)
	fmt.Fprintf(&b, "%v %+v %s %#v %q", card, card, card, card, []mfrc522.Reading{card})
	require.NotContains(t, strings.ToUpper(b.String()), "DEAD")
	require.Contains(t, b.String(), "card with a number of 7 bytes")
}

func TestRefusedChips(t *testing.T) {
	all := func(v byte, ops []conntest.IO) []conntest.IO {
		var out []conntest.IO
		for _, o := range ops {
			if o.R != nil {
				o.R = bytes.Repeat([]byte{v}, len(o.R))
			}
			out = append(out, o)
		}
		return out
	}
	var neverStarts []conntest.IO
	neverStarts = append(neverStarts, w(0x01, 0x0F))
	for range 50 {
		neverStarts = append(neverStarts, r(0x01, 0x30))
	}
	lost := append([]conntest.IO{}, start[:len(start)-1]...)
	for _, c := range []struct {
		name string
		ops  []conntest.IO
		want error
		text string
	}{
		{"data line low", all(0, append([]conntest.IO{start[0], start[1], start[3]}, start[4:]...)), mfrc522.ErrNoChip, "version 00"},
		{"data line high", all(255, neverStarts), mfrc522.ErrNoChip, "reset"},
		{"oscillator", neverStarts, mfrc522.ErrNoChip, "reset"},
		{"version FF", []conntest.IO{start[0], start[2], r(0x37, 0xFF)}, mfrc522.ErrNoChip, "version FF"},
		{"not written", append(lost, r(0x11, 0x3F)), mfrc522.ErrReset, "mode 3F"},
		{"gone meanwhile", append(lost, r(0x11, 0x00)), mfrc522.ErrNoChip, "mode 00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := mfrc522.New(&spitest.Playback{Playback: conntest.Playback{Ops: c.ops, DontPanic: true}}, nil)
				require.ErrorIs(t, err, c.want)
				require.ErrorContains(t, err, c.text)
			})
		})
	}
}

// A chip that loses its supply says so once and works again.
func TestLostSupply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := &mfrc522test.Chip{}
		chip.Place(unhex(t, uid))
		dev, err := mfrc522.New(chip, nil)
		require.NoError(t, err)
		chip.Reset()
		_, err = dev.Sense(t.Context())
		require.ErrorIs(t, err, mfrc522.ErrReset)
		card, err := dev.Sense(t.Context())
		require.NoError(t, err)
		require.Equal(t, uid, card.UID)
	})
	for name, answers := range map[string][]conntest.IO{ // while a card is asked
		"no interrupt":   nil,
		"data line high": {r(0x04, 0xFF), r(0x06, 0xFF), r(0x0A, 0xFF), r(0x0C, 0xFF)},
	} {
		synctest.Test(t, func(t *testing.T) {
			ops := exchange([]byte{0x26}, 7)[:7]
			if answers == nil {
				for range 100 {
					ops = append(ops, r(0x04, 0x00))
				}
			}
			dev, err := mfrc522.New(playback(fieldOn, append(ops, answers...), fieldOff), nil)
			require.NoError(t, err)
			_, err = dev.Sense(t.Context())
			want := mfrc522.ErrReset
			if answers != nil {
				want = mfrc522.ErrNoChip
			}
			require.ErrorIs(t, err, want, name)
		})
	}
}

func TestPartialBits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ops := exchange([]byte{0x26}, 7, 0x04, 0x00)
		ops = ops[:len(ops)-1]
		ops[len(ops)-1] = r(0x0C, 0x13)
		dev, err := mfrc522.New(playback(fieldOn, ops, fieldOff), nil)
		require.NoError(t, err)
		_, err = dev.Sense(t.Context())
		require.ErrorIs(t, err, mfrc522.ErrUnclear)
		require.ErrorContains(t, err, "3 bits")
	})
}

// The published answers of the self-test.
func TestSelfTest(t *testing.T) {
	for _, row := range rows(t, "mfrc522_selftest.csv") {
		version := unhex(t, strings.TrimPrefix(row[0], "0x"))[0]
		want := unhex(t, row[2])
		got, ok := mfrc522.SelfTestAnswer(version)
		require.True(t, ok)
		require.Equal(t, want, got)
		synctest.Test(t, func(t *testing.T) {
			begin := append([]conntest.IO{}, start...)
			begin[3] = r(0x37, version)
			test := []conntest.IO{
				w(0x01, 0x0F), r(0x01, 0x20), w(0x0A, 0x80), w(0x09, make([]byte, 25)...), w(0x01, 0x01), w(0x36, 0x09), w(0x09, 0x00),
				w(0x01, 0x03), r(0x0A, 13), r(0x0A, 64), w(0x01, 0x00),
				{W: append(bytes.Repeat([]byte{0x92}, 64), 0), R: append([]byte{0}, want...)}, w(0x36, 0x40),
			}
			bus := &spitest.Playback{Playback: conntest.Playback{DontPanic: true, Ops: append(append([]conntest.IO{}, begin...), test...)}}
			dev, err := mfrc522.New(bus, nil)
			require.NoError(t, err)
			require.NoError(t, dev.SelfTest(t.Context()))
			require.NoError(t, bus.Close())

			test[11].R = append([]byte{0}, want...)
			test[11].R[40] ^= 0x10
			bus = &spitest.Playback{Playback: conntest.Playback{DontPanic: true, Ops: append(append([]conntest.IO{}, begin...), test...)}}
			dev, err = mfrc522.New(bus, nil)
			require.NoError(t, err)
			require.ErrorIs(t, dev.SelfTest(t.Context()), mfrc522.ErrSelfTest)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		chip := &mfrc522test.Chip{}
		dev, err := mfrc522.New(chip, nil)
		require.NoError(t, err)
		require.NoError(t, dev.SelfTest(t.Context()))
		chip.Place(unhex(t, uid))
		_, err = dev.Sense(t.Context())
		require.NoError(t, err, "works after the test")

		dev, err = mfrc522.New(&mfrc522test.Chip{Version: 0x88}, nil)
		require.NoError(t, err, "a copy is no fault")
		require.ErrorContains(t, dev.SelfTest(t.Context()), "version 88")
	})
}

// The bus fails at the n-th transaction of a call: an error, no UID, and the next call works.
func TestBusErrors(t *testing.T) {
	gone := errors.New("gone")
	count := 0
	left := -1
	chip := &mfrc522test.Chip{}
	chip.Fail = func() error {
		count++
		if left--; left == 0 {
			return gone
		}
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		chip.Place(unhex(t, uid))
		dev, err := mfrc522.New(chip, nil)
		require.NoError(t, err)
		begin := count
		_, err = dev.Sense(t.Context())
		require.NoError(t, err)
		sense := count - begin
		require.Greater(t, sense, 60)
		for n := 1; n <= sense; n++ {
			left = n
			card, err := dev.Sense(t.Context())
			require.ErrorIs(t, err, gone, n)
			require.Zero(t, card)
			card, err = dev.Sense(t.Context())
			require.NoError(t, err)
			require.Equal(t, uid, card.UID)
		}
		for n := 1; n <= begin; n++ {
			left = n
			_, err := mfrc522.New(chip, nil)
			require.ErrorIs(t, err, gone, n)
		}
		begin = count
		require.NoError(t, dev.SelfTest(t.Context()))
		for n := 1; n <= count-begin && n < 13; n++ {
			left = n
			require.ErrorIs(t, dev.SelfTest(t.Context()), gone, n)
		}
		left = 1
		require.ErrorIs(t, dev.Halt(), gone)
		left = 1
		_, err = dev.Sense(t.Context())
		require.ErrorIs(t, err, gone)
	})
}

func TestOptsAndContext(t *testing.T) {
	_, err := mfrc522.New(&mfrc522test.Chip{}, &mfrc522.Opts{Frequency: 11 * physic.MegaHertz})
	require.ErrorContains(t, err, "give 0 to 10MHz")
	_, err = mfrc522.New(&mfrc522test.Chip{}, &mfrc522.Opts{GainDB: 40})
	require.ErrorContains(t, err, "gain of 40 dB")
	_, err = mfrc522.New(&mfrc522test.Chip{}, &mfrc522.Opts{Reset: gpio.INVALID})
	require.ErrorContains(t, err, "to RST")
	_, err = mfrc522.New(&spitest.Playback{Initialized: true}, nil)
	require.ErrorContains(t, err, "mfrc522: connect")
	_, err = (&mfrc522test.Chip{}).Connect(physic.MegaHertz, spi.Mode1, 8)
	require.ErrorContains(t, err, "mode 0")

	synctest.Test(t, func(t *testing.T) {
		pin := &gpiotest.Pin{N: "RST"}
		dev, err := mfrc522.New(&mfrc522test.Chip{}, &mfrc522.Opts{Reset: pin, GainDB: 48})
		require.NoError(t, err)
		require.Equal(t, gpio.High, pin.Read())
		for _, limit := range []time.Duration{0, time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			_, err = dev.Sense(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
		}
		require.NoError(t, dev.Halt())
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancel()
		_, err = dev.Sense(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, dev.SelfTest(ctx), context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) {
		dev, err := mfrc522.New(playback(fieldOn, exchange([]byte{0x26}, 7)[:8], fieldOff), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5200*time.Microsecond)
		defer cancel()
		_, err = dev.Sense(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "while the card is asked")
	})
}

func FuzzDecodePart(f *testing.F) {
	f.Add([]byte{0x9C, 0x59, 0x9B, 0x32, 0x6C}, []byte{0x08, 0xB6, 0xDD})
	f.Add([]byte{0x88, 0x04, 1, 2, 0x8F}, []byte{0x04, 0xDA, 0x17})
	f.Fuzz(func(t *testing.T, part, sak []byte) {
		uid, more, err := mfrc522.DecodePart(part, sak)
		if err != nil {
			require.Nil(t, uid)
			return
		}
		if more {
			require.Equal(t, part[1:4], uid)
			return
		}
		require.Equal(t, part[:4], uid)
		require.NotEqual(t, byte(0x88), uid[0])
	})
}

// Whatever comes from the card, there is a UID that all checks agree with, or an error.
func FuzzCard(f *testing.F) {
	f.Add([]byte{2, 4, 0, 5, 0x9C, 0x59, 0x9B, 0x32, 0x6C, 3, 8, 0xB6, 0xDD})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			chip := &mfrc522test.Chip{Answer: func(_, _ []byte, _ byte) ([]byte, byte) {
				if len(b) == 0 {
					return nil, 0
				}
				n := min(int(b[0]), len(b)-1)
				a := b[1 : 1+n]
				b = b[1+n:]
				return a, 0
			}}
			dev, err := mfrc522.New(chip, nil)
			require.NoError(t, err)
			card, err := dev.Sense(t.Context())
			if err != nil {
				require.Zero(t, card)
				return
			}
			require.Contains(t, []int{8, 14, 20}, len(card.UID))
		})
	})
}
