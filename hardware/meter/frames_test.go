package meter_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
)

const recordings = "../../../shared/data/modbus-meter-frames/frames.jsonl"

// frame is one line of the recordings.
type frame struct {
	Seq       int            `json:"seq"`
	Device    string         `json:"device"`
	Direction string         `json:"direction"`
	Hex       string         `json:"hex"`
	CRC       bool           `json:"crc_ok"`
	Decoded   map[string]any `json:"decoded"`
	Reported  map[string]any `json:"reported_by_origin"`
	bytes     []byte
}

func frames(t *testing.T) []frame {
	t.Helper()
	f, err := os.Open(recordings)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("recordings are not here: %s", recordings)
	}
	require.NoError(t, err)
	defer f.Close()
	var out []frame
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var fr frame
		require.NoError(t, json.Unmarshal(lines.Bytes(), &fr))
		fr.bytes, err = hex.DecodeString(strings.ReplaceAll(fr.Hex, " ", ""))
		require.NoError(t, err)
		if fr.CRC {
			out = append(out, fr)
		}
	}
	require.Len(t, out, 33)
	return out
}

// registers takes the registers out of a good answer to function 4 or 3.
func registers(b []byte) []uint16 {
	var out []uint16
	for i := 3; i < 3+int(b[2]); i += 2 {
		out = append(out, binary.BigEndian.Uint16(b[i:]))
	}
	return out
}

// profileOf tells which profile reads a recorded device: nil for those that are not energy meters we know.
func profileOf(t *testing.T, device string) *meter.Profile {
	switch {
	case strings.HasPrefix(device, "PZEM"):
		return profile(t, "pzem004t")
	case strings.HasPrefix(device, "Eastron SDM630"):
		return profile(t, "sdm630")
	case strings.HasPrefix(device, "Applent"): // no energy meter, but a holding register with a stated value
		p, err := meter.ParseProfile("applent.yaml", []byte("name: applent\ntable: holding\nrows:\n  - {name: pulses, at: 0x300c, type: uint16}\n"))
		require.NoError(t, err)
		return p
	}
	return nil
}

// The stated names are those of the recordings; ours are those of the wire.
var stated = map[string]string{
	"voltage_v": "voltage", "current_a": "current", "power_w": "power", "energy_wh": "energy",
	"frequency_hz": "frequency", "power_factor": "power_factor", "float32": "voltage_l1", "uint16": "pulses",
}

// All recorded answers of energy meters decode to the stated values.
func TestRecordedFrames(t *testing.T) {
	checked := 0
	for _, f := range frames(t) {
		p := profileOf(t, f.Device)
		if p == nil || f.Direction != "response" {
			continue
		}
		values, err := p.Decode(p.Rows[0].Address, registers(f.bytes))
		require.NoError(t, err, "frame %d", f.Seq)
		got := numbers(values)
		for name, want := range f.Decoded {
			if name == "alarm" {
				require.Equal(t, want == true, got["over_power"] == 1, "frame %d", f.Seq)
				continue
			}
			require.Contains(t, got, stated[name], "frame %d", f.Seq)
			require.InDelta(t, want, got[stated[name]], 1e-4, "frame %d: %s", f.Seq, name)
			checked++
		}
		if volts, ok := f.Reported["volts"]; ok {
			require.InDelta(t, volts, got["voltage_l1"], 1e-4, "frame %d", f.Seq)
		}
	}
	require.Greater(t, checked, 140)
}

// The recorded requests are those that a reader makes.
func TestRecordedRequests(t *testing.T) {
	want := map[int][]string{1: nil, 27: {"voltage_l1"}, 32: nil}
	for _, f := range frames(t) {
		if f.Direction != "request" {
			continue
		}
		names, ok := want[f.Seq]
		require.True(t, ok, "frame %d", f.Seq)
		p := profileOf(t, f.Device)
		if f.Seq == 1 {
			for _, r := range p.Rows { // with the alarm, ten registers
				names = append(names, r.Name)
			}
		}
		got := &asked{function: 4}
		r, err := meter.New(got, meter.Opts{Profile: p, Unit: f.bytes[0], Names: names})
		require.NoError(t, err)
		_, err = r.Sense(t.Context(), nil)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, f.bytes, got.frame, "frame %d", f.Seq)
	}
}

// asked is a line that keeps the request as a frame and then ends.
type asked struct {
	function byte
	frame    []byte
}

func (a *asked) ReadInput(_ context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	a.frame = metertest.Frame(unit, a.function, byte(addr>>8), byte(addr), byte(n>>8), byte(n))
	return nil, io.EOF
}

func (a *asked) ReadHolding(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	a.function = 3
	return a.ReadInput(ctx, unit, addr, n)
}

// Through the whole line: a client over a socket meets the recorded frames, CRC and all.
func TestRecordedFramesOverALine(t *testing.T) {
	for _, f := range frames(t) {
		p := profileOf(t, f.Device)
		if p == nil || f.Direction != "response" || len(f.bytes) != 25 {
			continue
		}
		line := serve(t, time.Minute, f.bytes)
		r, err := meter.New(line, meter.Opts{Profile: p, Unit: f.bytes[0], Names: []string{"voltage", "current", "power", "energy", "frequency", "power_factor", "over_power"}})
		require.NoError(t, err)
		values, err := r.Sense(t.Context(), nil)
		require.NoError(t, err, "frame %d", f.Seq)
		require.InDelta(t, f.Decoded["energy_wh"], numbers(values)["energy"], 1e-9)
		require.NoError(t, line.Close())
	}
}

// The recorded exception, a flipped bit and silence refuse the reading and leave the line usable.
func TestBadFramesOverALine(t *testing.T) {
	all := frames(t)
	good := all[13].bytes
	var exception []byte
	for _, f := range all {
		if f.bytes[1] == 0x84 {
			exception = f.bytes
		}
	}
	require.NotNil(t, exception)
	flipped := append([]byte(nil), good...)
	flipped[9] ^= 0x10

	p := profile(t, "pzem004t")
	const unit = 1
	line := serve(t, time.Minute, exception, flipped, nil, good)
	r, err := meter.New(line, meter.Opts{Profile: p, Unit: unit, Names: []string{"voltage", "over_power"}})
	require.NoError(t, err)
	_, err = r.Sense(t.Context(), nil)
	require.ErrorIs(t, err, modbus.ErrServerDeviceFailure)
	_, err = r.Sense(t.Context(), nil)
	require.ErrorIs(t, err, modbus.ErrBadCRC)
	line.SetTimeout(unit, 100*time.Millisecond)
	_, err = r.Sense(t.Context(), nil)
	require.ErrorIs(t, err, modbus.ErrRequestTimedOut)
	line.SetTimeout(unit, time.Minute)
	values, err := r.Sense(t.Context(), nil)
	require.NoError(t, err)
	require.InDelta(t, 242.9, numbers(values)["voltage"], 1e-9)
	require.NoError(t, line.Close())
	require.NoError(t, line.Close())
}

// serve answers requests on a serial-over-TCP line with the given frames in turn; nil stays silent. timeout is the line's.
func serve(t *testing.T, timeout time.Duration, answers ...[]byte) *meter.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		next := 0
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 8) // unit, function, address, count, CRC
			for next < len(answers) {
				if _, err := io.ReadFull(c, request); err != nil {
					break
				}
				if _, err := c.Write(answers[next]); err != nil {
					break
				}
				next++
			}
			c.Close()
		}
	}()
	line, err := meter.NewClient(meter.Line{URL: "rtuovertcp://" + l.Addr().String(), Timeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() { _ = line.Close() })
	return line
}
