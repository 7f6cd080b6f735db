package ds3231_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"karkhana/hardware/chip/ds3231"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
)

// regs are the registers of a running chip at 25.25 °C with this time; the alarms and the control byte are as the chip
// wakes with them.
func regs(clock ...byte) [19]byte {
	var r [19]byte
	copy(r[:], clock)
	r[0x0E], r[0x0F], r[0x11], r[0x12] = 0x1C, 0x08, 0x19, 0x40
	return r
}

func read(r [19]byte) i2ctest.IO  { return i2ctest.IO{Addr: 0x68, W: []byte{0}, R: r[:]} }
func write(b ...byte) i2ctest.IO  { return i2ctest.IO{Addr: 0x68, W: b} }
func stopped(r [19]byte) [19]byte { r[0x0F] |= 0x80; return r }
func with(i int, v byte) [19]byte { r := noon; r[i] = v; return r }
func playback(ops ...i2ctest.IO) *i2ctest.Playback {
	return &i2ctest.Playback{Ops: ops, DontPanic: true}
}

// noon is 2026-11-22 12:34:56, a Sunday.
var noon = regs(0x56, 0x34, 0x12, 7, 0x22, 0x11, 0x26)

func TestSense(t *testing.T) {
	bus := playback(read(noon), read(noon))
	dev, err := ds3231.New(bus, nil)
	require.NoError(t, err)
	require.Equal(t, "ds3231{playback(104)}", dev.String())
	r, err := dev.Sense(t.Context())
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 22, 12, 34, 56, 0, time.UTC), r.Time)
	require.Equal(t, physic.ZeroCelsius+25250*physic.MilliKelvin, r.Temperature)
	require.NoError(t, dev.Halt())
	require.NoError(t, bus.Close())
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		regs [19]byte
		want string
	}{
		{regs(0x00, 0x00, 0x00, 6, 0x01, 0x01, 0x00), "2000-01-01 00:00:00"},
		{regs(0x59, 0x59, 0x23, 5, 0x31, 0x12, 0x99), "2099-12-31 23:59:59"},
		{regs(0x00, 0x00, 0x00, 5, 0x01, 0x81, 0x00), "2100-01-01 00:00:00"}, // the century bit
		{regs(0x59, 0x59, 0x23, 1, 0x31, 0x92, 0x99), "2199-12-31 23:59:59"},
		{regs(0x00, 0x00, 0x09, 4, 0x29, 0x02, 0x28), "2028-02-29 09:00:00"},
		{regs(0x00, 0x00, 0x40|0x12, 1, 0x01, 0x06, 0x26), "2026-06-01 00:00:00"},      // 12 at night
		{regs(0x00, 0x00, 0x40|0x01, 1, 0x01, 0x06, 0x26), "2026-06-01 01:00:00"},      // 1 in the morning
		{regs(0x00, 0x00, 0x40|0x11, 1, 0x01, 0x06, 0x26), "2026-06-01 11:00:00"},      // 11 in the morning
		{regs(0x00, 0x00, 0x40|0x20|0x12, 1, 0x01, 0x06, 0x26), "2026-06-01 12:00:00"}, // noon
		{regs(0x00, 0x00, 0x40|0x20|0x11, 1, 0x01, 0x06, 0x26), "2026-06-01 23:00:00"}, // 11 in the evening
	} {
		r, err := ds3231.Decode(c.regs)
		require.NoError(t, err, c.want)
		require.Equal(t, c.want, r.Time.Format(time.DateTime))
	}
}

// Temperatures of the datasheet's form: +25.25 is 0001 1001 01.
func TestTemperatures(t *testing.T) {
	for _, c := range []struct {
		hi, lo byte
		want   float64
	}{{0x19, 0x40, 25.25}, {0x00, 0x00, 0}, {0xFF, 0xC0, -0.25}, {0xD8, 0x00, -40}, {0x55, 0x00, 85}} {
		r := noon
		r[0x11], r[0x12] = c.hi, c.lo
		got, err := ds3231.Decode(r)
		require.NoError(t, err)
		require.InDelta(t, c.want, float64(got.Temperature-physic.ZeroCelsius)/float64(physic.Celsius), 1e-9)
	}
}

func TestRefused(t *testing.T) {
	var ones [19]byte
	for i := range ones {
		ones[i] = 0xFF
	}
	for _, c := range []struct {
		name string
		regs [19]byte
		want error
		text string
	}{
		{"zeros", [19]byte{}, ds3231.ErrNoChip, "all registers read 00"},
		{"ones", ones, ds3231.ErrNoChip, "all registers read FF"},
		{"stopped", stopped(noon), ds3231.ErrTimeInvalid, "replace the battery"},
		{"stopped with impossible digits", stopped(with(0, 0x7A)), ds3231.ErrTimeInvalid, "set the time"},
		{"DS1307 with its clock halted", with(0, 0xD6), ds3231.ErrOtherChip, "register 00 reads D6"},
		{"status bits", with(0x0F, 0x40), ds3231.ErrOtherChip, "register 0F"},
		{"low bits of the temperature", with(0x12, 0x41), ds3231.ErrOtherChip, "register 12"},
		{"units of the second", with(0, 0x1A), ds3231.ErrOtherChip, "second reads 1A"},
		{"60 seconds", with(0, 0x60), ds3231.ErrOtherChip, "second reads 60"},
		{"60 minutes", with(1, 0x60), ds3231.ErrOtherChip, "minute reads 60"},
		{"24 hours", with(2, 0x24), ds3231.ErrOtherChip, "hour reads 24"},
		{"0 of twelve", with(2, 0x40), ds3231.ErrOtherChip, "hour of twelve reads 00"},
		{"13 of twelve", with(2, 0x53), ds3231.ErrOtherChip, "hour of twelve reads 13"},
		{"no weekday", with(3, 0), ds3231.ErrOtherChip, "weekday reads 00"},
		{"no day", with(4, 0), ds3231.ErrOtherChip, "day reads 00"},
		{"31 November", with(4, 0x31), ds3231.ErrOtherChip, "day 31 of month 11"},
		{"29 February 2026", regs(0, 0, 0, 1, 0x29, 0x02, 0x26), ds3231.ErrOtherChip, "day 29 of month 2"},
		{"no month", with(5, 0), ds3231.ErrOtherChip, "month reads 00"},
		{"13 months", with(5, 0x13), ds3231.ErrOtherChip, "month reads 13"},
		{"tens of the year", with(6, 0xA0), ds3231.ErrOtherChip, "year reads A0"},
		{"too hot", with(0x11, 0x7F), ds3231.ErrOtherChip, "127 °C"},
		{"too cold", with(0x11, 0x80), ds3231.ErrOtherChip, "temperature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dev, err := ds3231.New(playback(read(noon), read(c.regs)), nil)
			require.NoError(t, err)
			r, err := dev.Sense(t.Context())
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "ds3231{playback(104)}")
			require.Zero(t, r)

			_, err = ds3231.New(playback(read(c.regs)), nil)
			if errors.Is(c.want, ds3231.ErrTimeInvalid) {
				require.NoError(t, err, "a stopped clock can be set")
				return
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestSet(t *testing.T) {
	before := stopped(with(0x0E, 0x9C)) // stops on battery
	bus := playback(read(before),
		read(before), write(0x00, 0x56, 0x34, 0x12, 7, 0x22, 0x11, 0x26), write(0x0E, 0x1C, 0x0B), read(noon),
		read(noon), write(0x00, 0x00, 0x00, 0x00, 5, 0x01, 0x81, 0x00), write(0x0E, 0x1C, 0x0B), read(regs(0x01, 0, 0, 5, 1, 0x81, 0)),
	)
	dev, err := ds3231.New(bus, nil)
	require.NoError(t, err)
	ist := time.FixedZone("IST", 19800)
	require.NoError(t, dev.Set(t.Context(), time.Date(2026, 11, 22, 18, 4, 55, 600e6, ist)), "rounded, as UTC")
	require.NoError(t, dev.Set(t.Context(), time.Date(2099, 12, 31, 23, 59, 59, 500e6, time.UTC)), "a second passes meanwhile")
	require.NoError(t, bus.Close())
}

func TestSetFails(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 34, 56, 0, time.UTC)
	for text, ops := range map[string][]i2ctest.IO{
		"does not show the time": {read(noon), write(0x00, 0x56, 0x34, 0x12, 7, 0x22, 0x11, 0x26), write(0x0E, 0x1C, 0x0B), read(with(1, 0x35))},
		"before":                 {read(noon), write(0x00, 0x56, 0x34, 0x12, 7, 0x22, 0x11, 0x26), write(0x0E, 0x1C, 0x0B), read(with(0, 0x55))},
		"read back: the clock":   {read(noon), write(0x00, 0x56, 0x34, 0x12, 7, 0x22, 0x11, 0x26), write(0x0E, 0x1C, 0x0B), read(stopped(noon))},
		"no DS3231 answers":      {read([19]byte{})},
	} {
		dev, err := ds3231.New(playback(append([]i2ctest.IO{read(noon)}, ops...)...), nil)
		require.NoError(t, err)
		err = dev.Set(t.Context(), at)
		if text == "before" {
			require.ErrorIs(t, err, ds3231.ErrNotSet)
			continue
		}
		require.ErrorContains(t, err, text)
	}
	dev, err := ds3231.New(playback(read(noon)), nil)
	require.NoError(t, err)
	require.ErrorContains(t, dev.Set(t.Context(), time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)), "holds 2000 to 2199")
	require.ErrorContains(t, dev.Set(t.Context(), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)), "the year 2200")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, dev.Set(ctx, at), context.Canceled)
	_, err = dev.Sense(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// The bus fails at each transaction in turn.
func TestBusErrors(t *testing.T) {
	_, err := ds3231.New(playback(), nil)
	require.True(t, conntest.IsErr(root(err)))
	dev, err := ds3231.New(playback(read(noon)), nil)
	require.NoError(t, err)
	r, err := dev.Sense(t.Context())
	require.True(t, conntest.IsErr(root(err)))
	require.Zero(t, r)
	ops := []i2ctest.IO{read(noon), read(noon), write(0x00, 0x56, 0x34, 0x12, 7, 0x22, 0x11, 0x26), write(0x0E, 0x1C, 0x0B), read(noon)}
	for n := 1; n < len(ops); n++ {
		dev, err := ds3231.New(playback(ops[:n]...), nil)
		require.NoError(t, err)
		err = dev.Set(t.Context(), time.Date(2026, 11, 22, 12, 34, 56, 0, time.UTC))
		require.True(t, conntest.IsErr(root(err)), "%d: %v", n, err)
	}
}

func root(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

// What is set is what is read, for any second of the two centuries.
func FuzzSet(f *testing.F) {
	f.Add(int64(1795350896))
	f.Fuzz(func(t *testing.T, unix int64) {
		at := time.Unix(unix, 0).UTC()
		bus := &i2ctest.Record{Bus: &chip{regs: noon}}
		dev, err := ds3231.New(bus, nil)
		require.NoError(t, err)
		if err := dev.Set(t.Context(), at); err != nil {
			require.True(t, at.Year() < 2000 || at.Year() > 2199, "%s: %v", at, err)
			return
		}
		r, err := dev.Sense(t.Context())
		require.NoError(t, err)
		require.Equal(t, at, r.Time)
	})
}

// chip holds what was written.
type chip struct{ regs [19]byte }

func (c *chip) String() string                  { return "chip" }
func (c *chip) SetSpeed(physic.Frequency) error { return nil }
func (c *chip) Tx(_ uint16, w, r []byte) error {
	copy(c.regs[w[0]:], w[1:])
	copy(r, c.regs[w[0]:])
	return nil
}

func FuzzDecode(f *testing.F) {
	f.Add(noon[:])
	f.Add(make([]byte, 19))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 19 {
			return
		}
		r, err := ds3231.Decode([19]byte(b))
		if err != nil {
			require.Zero(t, r)
			return
		}
		require.Zero(t, b[0x0F]&0x80)
		require.True(t, r.Time.Year() >= 2000 && r.Time.Year() <= 2199)
		require.Equal(t, int(b[0]>>4)*10+int(b[0]&15), r.Time.Second())
		require.Equal(t, int(b[4]>>4)*10+int(b[4]&15), r.Time.Day())
	})
}
