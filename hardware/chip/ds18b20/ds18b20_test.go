package ds18b20

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const id = "28-0316a2794cff"

// slave writes w1_slave as the kernel does (drivers/w1/slaves/w1_therm.c).
func slave(b []byte, ok string) string {
	h := strings.TrimSpace(fmt.Sprintf("% x", b))
	return fmt.Sprintf("%s : crc=%02x %s\n%s t=%d\n", h, b[len(b)-1], ok, h, int(int16(uint16(b[1])<<8|uint16(b[0])))*1000/16)
}

// pad is a scratchpad with its check sum.
func pad(raw int16, six byte) []byte {
	b := []byte{byte(raw), byte(uint16(raw) >> 8), 0x4B, 0x46, 0x7F, 0xFF, six, 0x10}
	return append(b, crc(b))
}

// bus is a folder of the kernel with one device.
func bus(text string) fstest.MapFS { return fstest.MapFS{id + "/w1_slave": {Data: []byte(text)}} }

// The power-up scratchpad and its check sum 1C stand in the datasheet's figure and in every manual.
func TestCheckSum(t *testing.T) {
	b, err := hex.DecodeString("50054b467fff0c10")
	require.NoError(t, err)
	require.Equal(t, byte(0x1C), crc(b))
}

// Temperatures of the datasheet, table 1 on page 6.
func TestTemperatures(t *testing.T) {
	for raw, want := range map[uint16]float64{0x07D0: 125, 0x0191: 25.0625, 0x00A2: 10.125, 0x0008: 0.5, 0xFFF8: -0.5, 0xFF5E: -10.125, 0xFE6F: -25.0625, 0xFC90: -55} {
		dev, err := New(bus(slave(pad(int16(raw), 0x0C), "YES")), id, nil)
		require.NoError(t, err)
		r, err := dev.Sense(t.Context())
		require.NoError(t, err)
		require.InDelta(t, want, r.Temperature.Celsius(), 1e-6)
	}
	dev, err := New(bus("5b 01 4b 46 7f ff 05 10 a3 : crc=a3 YES\n5b 01 4b 46 7f ff 05 10 a3 t=21687\n"), id, &DefaultOpts)
	require.NoError(t, err)
	require.Equal(t, "ds18b20{"+id+"}", dev.String())
	require.NoError(t, dev.Halt())
}

func TestRefused(t *testing.T) {
	broken := pad(400, 8)
	broken[0] ^= 4
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"kernel says NO":                 {slave(pad(400, 8), "NO"), ErrCRC},
		"kernel says YES and errs":       {slave(broken, "YES"), ErrCRC},
		"shorted wire":                   {slave(make([]byte, 9), "YES"), ErrShort},
		"nothing on the wire":            {slave([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255}, "NO"), ErrCRC},
		"power-up":                       {slave(pad(85*16, 0x0C), "YES"), ErrPowerOn},
		"85 of a copy, nothing before":   {slave(pad(85*16, 0x02), "YES"), ErrPowerOn},
		"-127":                           {slave(pad(-127*16, 0x10), "YES"), ErrRange},
		"126":                            {slave(pad(126*16, 0x10), "YES"), ErrRange},
		"pulled off while it was listed": {"", ErrNoChip},
		"one line":                       {"5b 01 4b 46 7f ff 05 10 a3 : crc=a3 YES\n", ErrFormat},
		"no verdict":                     {slave(pad(400, 8), "MAYBE"), ErrFormat},
		"no hex":                         {strings.Replace(slave(pad(400, 8), "YES"), "4b", "zz", 1), ErrFormat},
		"short":                          {"5b 01\nt=1\n", ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			dev, err := New(bus(c.text), id, nil)
			require.NoError(t, err)
			r, err := dev.Sense(t.Context())
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, id)
			require.Zero(t, r)
		})
	}
	files := bus(slave(pad(400, 8), "YES"))
	dev, err := New(files, id, nil)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = dev.Sense(ctx)
	require.ErrorIs(t, err, context.Canceled)
	delete(files, id+"/w1_slave")
	_, err = dev.Sense(t.Context())
	require.ErrorIs(t, err, ErrNoChip)
	_, err = New(files, id, nil)
	require.ErrorIs(t, err, ErrNoChip)
	for _, bad := range []string{"", "28-", "28-0316A2794CFF", "10-0316a2794cff", "28-0316a2794cff/../../x", "28-0316a2794cf"} {
		_, err = New(files, bad, nil)
		require.ErrorIs(t, err, ErrID, bad)
	}
}

// A true 85 °C is told from that of power-up by byte 6, or, of copies, by the reading before.
func TestTrue85(t *testing.T) {
	files := bus(slave(pad(85*16, 0x10), "YES"))
	dev, err := New(files, id, nil)
	require.NoError(t, err)
	set := func(raw int16, six byte) { files[id+"/w1_slave"].Data = []byte(slave(pad(raw, six), "YES")) }
	_, err = dev.Sense(t.Context())
	require.NoError(t, err)
	set(85*16, 0x02)
	_, err = dev.Sense(t.Context())
	require.NoError(t, err, "a copy, and 85 °C before")
	set(85*16, 0x0C)
	_, err = dev.Sense(t.Context())
	require.ErrorIs(t, err, ErrPowerOn)
	set(20*16, 0x10)
	_, err = dev.Sense(t.Context())
	require.NoError(t, err)
	set(85*16, 0x02)
	_, err = dev.Sense(t.Context())
	require.ErrorIs(t, err, ErrPowerOn)
}

func FuzzDecode(f *testing.F) {
	f.Add("5b 01 4b 46 7f ff 05 10 a3 : crc=a3 YES\n5b 01 4b 46 7f ff 05 10 a3 t=21687\n")
	f.Add(slave(pad(85*16, 0x0C), "YES"))
	f.Fuzz(func(t *testing.T, text string) {
		got, _, err := Decode(text)
		if err == nil {
			require.GreaterOrEqual(t, got.Celsius(), -55.0)
			require.LessOrEqual(t, got.Celsius(), 125.0)
		}
	})
}
