package ds18b20

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
)

// Errors of New, Sense and Decode. Use errors.Is.
var (
	ErrID      = errors.New("not the id of a DS18B20: write it as 28- and twelve hex digits, as scan shows it")
	ErrNoChip  = errors.New("no such DS18B20 on the bus: check its wires and that 1-Wire is switched on (dtoverlay=w1-gpio)")
	ErrCRC     = errors.New("the check sum does not fit: the wire is disturbed, too long, or its pull-up is too weak")
	ErrShort   = errors.New("all zeros: the data wire touches ground")
	ErrPowerOn = errors.New("85 °C as after power-up: the chip loses its supply while it measures")
	ErrRange   = errors.New("outside −55 to 125 °C: not a measurement")
	ErrFormat  = errors.New("not what the kernel writes for a DS18B20")
)

// Opts are the settings. There are none: the resolution is the chip's own, 12 bits from the factory.
type Opts struct{}

// DefaultOpts are the only ones.
var DefaultOpts = Opts{}

// Reading is a temperature.
type Reading struct {
	Temperature physic.Temperature
}

// Dev is one thermometer. It is not safe for concurrent use.
type Dev struct {
	devices fs.FS
	id      string
	last    physic.Temperature // 0: none yet
}

var idForm = regexp.MustCompile(`^28-[0-9a-f]{12}$`)

// CheckID tells whether a device may be a DS18B20 by its id.
func CheckID(id string) error {
	if !idForm.MatchString(id) {
		return fmt.Errorf("%q: %w", id, ErrID)
	}
	return nil
}

// New looks for the device. devices is the folder /sys/bus/w1/devices. opts nil stands for DefaultOpts.
func New(devices fs.FS, id string, _ *Opts) (*Dev, error) {
	if err := CheckID(id); err != nil {
		return nil, fmt.Errorf("ds18b20: %w", err)
	}
	d := &Dev{devices: devices, id: id}
	if _, err := fs.Stat(devices, d.file()); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", d, ErrNoChip, err)
	}
	return d, nil
}

func (d *Dev) file() string { return path.Join(d.id, "w1_slave") }

// Sense lets the chip measure, which takes up to 750 ms and as long again for each other device on its bus that is read
// at the same time. ctx is looked at before. On an error the reading is zero.
func (d *Dev) Sense(ctx context.Context) (Reading, error) {
	if err := ctx.Err(); err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d, err)
	}
	text, err := fs.ReadFile(d.devices, d.file())
	if err != nil || len(text) == 0 { // the kernel gives nothing of a chip that was pulled off
		return Reading{}, errors.Join(fmt.Errorf("%s: %w", d, ErrNoChip), err)
	}
	t, powerOn, err := Decode(string(text))
	if err == nil && (powerOn == surely || powerOn == perhaps && (d.last == 0 || max(t-d.last, d.last-t) > near)) {
		err = ErrPowerOn
	}
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %w", d, err)
	}
	d.last = t
	return Reading{Temperature: t}, nil
}

// near is how close the reading before must be to believe a doubtful 85 °C.
const near = 5 * physic.Kelvin

// PowerOn tells whether a reading may be what stands in the chip after power-up.
type PowerOn int

// Whether a reading is that of power-up.
const (
	never PowerOn = iota
	perhaps
	surely
)

const sixteenth = physic.Kelvin / 16

// Decode reads the two lines of w1_slave.
func Decode(text string) (physic.Temperature, PowerOn, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) != 2 || len(lines[0]) < 27 || !strings.Contains(lines[1], " t=") {
		return 0, never, ErrFormat
	}
	b, err := hex.DecodeString(strings.ReplaceAll(lines[0][:26], " ", ""))
	if err != nil || len(b) != 9 {
		return 0, never, ErrFormat
	}
	switch {
	case strings.HasSuffix(lines[0], " NO"):
		return 0, never, ErrCRC
	case !strings.HasSuffix(lines[0], " YES"):
		return 0, never, ErrFormat
	case [9]byte(b) == [9]byte{}:
		return 0, never, ErrShort
	case crc(b[:8]) != b[8]:
		return 0, never, ErrCRC
	}
	raw := int16(uint16(b[1])<<8 | uint16(b[0]))
	if raw < -55*16 || raw > 125*16 {
		return 0, never, ErrRange
	}
	power := never
	if raw == 85*16 {
		if power = surely; b[6] != 0x0C {
			power = never
			if b[6] != 0x10 {
				power = perhaps
			}
		}
	}
	return physic.ZeroCelsius + physic.Temperature(raw)*sixteenth, power, nil
}

// crc is the check sum of the bus: x⁸ + x⁵ + x⁴ + 1, low bit first (page 9 of the datasheet).
func crc(b []byte) (c byte) {
	for _, v := range b {
		c ^= v
		for range 8 {
			low := c & 1
			if c >>= 1; low != 0 {
				c ^= 0x8C
			}
		}
	}
	return c
}

// Halt does nothing: the chip rests between readings.
func (d *Dev) Halt() error { return nil }

// String names the chip.
func (d *Dev) String() string { return "ds18b20{" + d.id + "}" }

var _ conn.Resource = &Dev{}
