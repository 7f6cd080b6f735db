// Package scan looks what is connected to a gateway: addresses on I2C, chips on SPI, thermometers on 1-Wire, meters on
// Modbus lines. It names what it recognises by identity registers and by plausible values. It reads only, but for the one
// byte that some chips take as the number of a register.
package scan

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"karkhana/firmware-gateway/sensor"
	"karkhana/hardware/chip/ds18b20"
	"karkhana/hardware/chip/ds3231"
	"karkhana/hardware/chip/max31855"
	"karkhana/hardware/meter"

	"github.com/simonvetter/modbus"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// Found is one thing that answers.
type Found struct {
	Bus     string `json:"bus"`               // I2C1, SPI0.0, w1, rtu:///dev/ttyUSB0
	At      string `json:"at"`                // address, unit or name on the bus
	Looks   string `json:"looks"`             // what it looks like
	Use     string `json:"use,omitempty"`     // how to write it into gateway.yaml; "": not known
	Machine string `json:"machine,omitempty"` // the running gateway reads it for these; it was not asked
}

// I2C asks every address of a bus that a device may have (0x08 to 0x77).
func I2C(ctx context.Context, b sensor.Buses, name string) ([]Found, error) {
	bus, err := b.I2C(name)
	if err != nil {
		return nil, err
	}
	defer shut(bus)
	var out []Found
	for addr := uint16(0x08); addr <= 0x77; addr++ {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		var b [2]byte
		if bus.Tx(addr, nil, b[:1]) != nil && bus.Tx(addr, []byte{0}, b[:]) != nil {
			continue
		}
		f := Found{Bus: name, At: fmt.Sprintf("0x%02x", addr), Looks: "something, not recognised"}
		if chip := i2cChip(bus, addr); chip != "" {
			f.Looks = chip
			switch chip {
			case "adxl345", "lis3dh":
				f.Use = fmt.Sprintf("{chip: %s, bus: %s, addr: %s}", chip, name, f.At)
			case "ads1115":
				f.Use = fmt.Sprintf("{chip: ctclamp, bus: %s, addr: %s}", name, f.At)
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// i2cChip recognises a chip by what its registers hold.
func i2cChip(bus i2c.Bus, addr uint16) string {
	reg := func(r byte, n int) []byte {
		b := make([]byte, n)
		if bus.Tx(addr, []byte{r}, b) != nil {
			return make([]byte, n)
		}
		return b
	}
	switch addr {
	case 0x53, 0x1d:
		if reg(0x00, 1)[0] == 0xe5 { // DEVID
			return "adxl345"
		}
	case 0x18, 0x19:
		if reg(0x0f, 1)[0] == 0x33 { // WHO_AM_I
			return "lis3dh"
		}
	case 0x48, 0x49, 0x4a, 0x4b:
		// It has no identity: the configuration of a chip that rests has its highest bit set, after power-up it is 0x8583.
		if c := reg(0x01, 2); c[0]&0x80 != 0 && c[1] != 0xff {
			return "ads1115"
		}
	case 0x68:
		var regs [19]byte
		copy(regs[:], reg(0x00, len(regs)))
		if _, err := ds3231.Decode(regs); err == nil || errors.Is(err, ds3231.ErrTimeInvalid) {
			return "ds3231"
		}
	}
	return ""
}

// SPI asks a port for the chips that can be recognised: one at most hangs on a port.
func SPI(b sensor.Buses, name string) ([]Found, error) {
	for _, q := range []struct {
		chip string
		mode spi.Mode
		ask  []byte
		is   func(answer []byte) bool
	}{
		// In this order: none of the questions writes anything into a chip that is asked before it was recognised that it
		// would not have after power-up.
		{"adxl345", spi.Mode3, []byte{0x80, 0}, func(a []byte) bool { return a[1] == 0xe5 }},
		{"lis3dh", spi.Mode3, []byte{0x8f, 0}, func(a []byte) bool { return a[1] == 0x33 }},
		{"iis3dwb", spi.Mode3, []byte{0x8f, 0}, func(a []byte) bool { return a[1] == 0x7b }},
		{"max31856", spi.Mode1, []byte{0x03, 0, 0}, func(a []byte) bool { return a[1] == 0x7f && a[2] == 0xc0 }},
		{"mfrc522", spi.Mode0, []byte{0xee, 0}, func(a []byte) bool { return bytes.IndexByte([]byte{0x91, 0x92, 0x88, 0x12, 0xb2}, a[1]) >= 0 }},
		{"max31855", spi.Mode0, make([]byte, 4), func(a []byte) bool {
			_, err := max31855.Decode(binary.BigEndian.Uint32(a))
			return err == nil || errors.Is(err, max31855.ErrOpen) || errors.Is(err, max31855.ErrShortGND) || errors.Is(err, max31855.ErrShortVCC)
		}},
	} {
		answer, err := ask(b, name, q.mode, q.ask)
		if err != nil {
			return nil, err
		}
		if answer == nil || !q.is(answer) {
			continue
		}
		use := fmt.Sprintf("{chip: %s, bus: %s}", q.chip, name)
		if q.chip == "mfrc522" {
			use = fmt.Sprintf("{card_reader: mfrc522, bus: %s}", name)
		}
		return []Found{{Bus: name, At: "-", Looks: q.chip, Use: use}}, nil
	}
	return nil, nil
}

// ask opens a port for one question: a port is connected in one mode only. nil: this port does not know the mode.
func ask(b sensor.Buses, name string, mode spi.Mode, question []byte) ([]byte, error) {
	p, err := b.SPI(name)
	if err != nil {
		return nil, err
	}
	defer shut(p)
	c, err := p.Connect(physic.MegaHertz, mode, 8)
	if err != nil {
		return nil, nil //nolint:nilerr // simulated chips and some ports refuse modes
	}
	answer := make([]byte, len(question))
	if err := c.Tx(question, answer); err != nil {
		return nil, nil //nolint:nilerr // nothing to recognise
	}
	return answer, nil
}

func shut(x any) {
	if c, ok := x.(io.Closer); ok {
		_ = c.Close() // was only read
	}
}

// oneWire are the families of 1-Wire devices that a workshop may meet.
var oneWire = map[string]string{
	"28": "DS18B20 thermometer", "10": "DS18S20 thermometer", "22": "DS1822 thermometer", "3b": "MAX31850 thermocouple", "26": "DS2438 battery monitor",
}

// OneWire lists the devices that the kernel has found. root is "/". A computer without 1-Wire has none. read says whether
// temperatures are read, too: each keeps the bus for most of a second.
func OneWire(root fs.FS, read bool) ([]Found, error) {
	const dir = "sys/bus/w1/devices"
	entries, err := fs.ReadDir(root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("1-Wire: %w", err)
	}
	var out []Found
	for _, e := range entries {
		family, _, ok := strings.Cut(e.Name(), "-")
		if !ok || len(family) != 2 {
			continue
		}
		f := Found{Bus: "1-Wire", At: e.Name(), Looks: oneWire[family]}
		if f.Looks == "" {
			f.Looks = "family " + family
		}
		if ds18b20.CheckID(e.Name()) == nil {
			f.Use = fmt.Sprintf("{chip: ds18b20, id: %s}", e.Name())
		}
		if !read {
			out = append(out, f)
			continue
		}
		if t, err := fs.ReadFile(root, path.Join(dir, e.Name(), "temperature")); err == nil {
			var milli int
			if _, err := fmt.Sscan(string(t), &milli); err == nil {
				f.Looks += fmt.Sprintf(", %.1f °C", float64(milli)/1000)
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// unitTimeout is how long an address on a line is waited for. Meters answer within 100 ms.
const unitTimeout = 250 * time.Millisecond

// Modbus asks the units of a line, and tries on each that answers which profiles give a plausible supply. progress is
// called before each unit, ask says whether it is asked at all (nil: all are). A line that can't be opened is an error.
func Modbus(ctx context.Context, b sensor.Buses, l meter.Line, first, last byte, ask func(unit byte) bool, progress func(unit byte, found int)) ([]Found, error) {
	if l.Timeout == 0 {
		l.Timeout = unitTimeout
	}
	line, err := b.Line(l)
	if err != nil {
		return nil, err
	}
	defer shut(line)
	var out []Found
	for unit := int(first); unit <= int(last); unit++ {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if ask != nil && !ask(byte(unit)) {
			continue
		}
		progress(byte(unit), len(out))
		_, err := line.ReadInput(ctx, byte(unit), 0, 2)
		if err != nil && !answers(err) {
			if isOpening(err) {
				return out, err
			}
			continue
		}
		f := Found{Bus: l.URL, At: fmt.Sprintf("unit %d", unit), Looks: "a Modbus device, no profile fits"}
		if fits := profiles(ctx, line, byte(unit)); len(fits) > 0 {
			f.Looks = strings.Join(fits, " or ")
			f.Use = fmt.Sprintf("{meter: %s, line: {url: \"%s\"}, unit: %d}", strings.Fields(fits[0])[0], l.URL, unit)
		}
		out = append(out, f)
	}
	return out, nil
}

// answers tells whether an error is an answer of a device: an exception.
func answers(err error) bool {
	for _, e := range []error{modbus.ErrIllegalFunction, modbus.ErrIllegalDataAddress, modbus.ErrIllegalDataValue, modbus.ErrServerDeviceFailure, modbus.ErrServerDeviceBusy, modbus.ErrAcknowledge, modbus.ErrMemoryParityError} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isOpening tells whether the line itself is not there, so that asking on makes no sense.
func isOpening(err error) bool {
	var pe *fs.PathError
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.As(err, &pe) || strings.Contains(err.Error(), ": open: ") || errors.Is(err, sensor.ErrNoGap)
}

// profiles names the profiles whose whole table can be read from a unit and makes sense, with what it shows.
func profiles(ctx context.Context, line meter.Registers, unit byte) []string {
	var out []string
	for _, name := range meter.Profiles() {
		p, err := meter.LoadProfile(name)
		if err != nil {
			continue
		}
		r, err := meter.New(line, meter.Opts{Profile: p, Unit: unit})
		if err != nil {
			continue
		}
		values, err := r.Sense(ctx, nil)
		if err != nil {
			continue
		}
		seen := map[string]float64{}
		for _, v := range values {
			seen[v.Name] = v.Number
		}
		if meter.Plausible(seen) != nil {
			continue
		}
		volts, ok := seen["voltage"]
		if !ok {
			volts = seen["voltage_l1"]
		}
		out = append(out, fmt.Sprintf("%s (%.0f V, %.0f W)", name, volts, seen["power"]))
	}
	return out
}
