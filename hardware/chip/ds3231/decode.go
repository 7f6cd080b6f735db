package ds3231

import (
	"encoding/binary"
	"fmt"
	"time"

	"periph.io/x/conn/v3/physic"
)

// zeros are the bits that always read as 0, by register (figure 1 on page 11 of the datasheet).
var zeros = [numRegs]byte{
	0x00: 0x80, 0x01: 0x80, 0x02: 0x80, 0x03: 0xF8, 0x04: 0xC0, 0x05: 0x60, regStatus: 0x70, 0x12: 0x3F,
}

// Decode takes the registers 0x00 to 0x12 apart. It refuses what no DS3231 holds, digits above 9 and days that no
// month has; a clock that stood still gives ErrTimeInvalid whatever its digits are.
func Decode(regs [numRegs]byte) (Reading, error) {
	if constant(regs, 0x00) || constant(regs, 0xFF) {
		return Reading{}, fmt.Errorf("all registers read %02X: %w", regs[0], ErrNoChip)
	}
	for i, z := range zeros {
		if regs[i]&z != 0 {
			return Reading{}, fmt.Errorf("register %02X reads %02X: %w", i, regs[i], ErrOtherChip)
		}
	}
	if regs[regStatus]&statusStopped != 0 {
		return Reading{}, ErrTimeInvalid
	}
	t, err := decodeTime([7]byte(regs[:]))
	if err != nil {
		return Reading{}, fmt.Errorf("%w: %w", err, ErrOtherChip)
	}
	// Signed 10 bits left-justified in 16, 0.25 °C (page 15).
	quarters := physic.Temperature(int16(binary.BigEndian.Uint16(regs[0x11:])) >> 6)
	if quarters < -45*4 || quarters > 90*4 {
		return Reading{}, fmt.Errorf("temperature of %d °C, the chip bears −40 to 85: %w", quarters/4, ErrOtherChip)
	}
	return Reading{Time: t, Temperature: physic.ZeroCelsius + quarters*physic.Celsius/4}, nil
}

func constant(regs [numRegs]byte, v byte) bool {
	for _, r := range regs {
		if r != v {
			return false
		}
	}
	return true
}

// decodeTime reads the seven registers of the time.
func decodeTime(b [7]byte) (time.Time, error) {
	hour, err := decodeHour(b[2])
	if err != nil {
		return time.Time{}, err
	}
	var v [7]int
	for i, f := range [...]struct {
		name    string
		digits  byte
		min, to int
	}{
		{"second", b[0], 0, 59}, {"minute", b[1], 0, 59}, {"weekday", b[3], 1, 7},
		{"day", b[4], 1, 31}, {"month", b[5] & 0x1F, 1, 12}, {"year", b[6], 0, 99},
	} {
		if v[i], err = bcd(f.name, f.digits, f.min, f.to); err != nil {
			return time.Time{}, err
		}
	}
	year := 2000 + v[5]
	if b[5]&0x80 != 0 {
		year += 100
	}
	t := time.Date(year, time.Month(v[4]), v[3], hour, v[1], v[0], 0, time.UTC)
	if t.Day() != v[3] {
		return time.Time{}, fmt.Errorf("day %d of month %d in %d", v[3], v[4], year)
	}
	return t, nil
}

// decodeHour reads the register of the hour: bit 6 stands for 12 hours with bit 5 for the afternoon.
func decodeHour(b byte) (int, error) {
	if b&0x40 == 0 {
		return bcd("hour", b, 0, 23)
	}
	h, err := bcd("hour of twelve", b&0x1F, 1, 12)
	if err != nil {
		return 0, err
	}
	h %= 12
	if b&0x20 != 0 {
		h += 12
	}
	return h, nil
}

// bcd reads two decimal digits.
func bcd(name string, b byte, lowest, highest int) (int, error) {
	v := int(b>>4)*10 + int(b&0xF)
	if b>>4 > 9 || b&0xF > 9 || v < lowest || v > highest {
		return 0, fmt.Errorf("%s reads %02X", name, b)
	}
	return v, nil
}

// encode writes the seven registers of the time, with 24 hours and Monday as day 1.
func encode(t time.Time) ([7]byte, error) {
	year := t.Year()
	if year < 2000 || year > 2199 {
		return [7]byte{}, fmt.Errorf("the year %d: the clock holds 2000 to 2199", year)
	}
	digits := func(v int) byte { return byte(v/10<<4 | v%10) }
	month := digits(int(t.Month()))
	if year >= 2100 {
		month |= 0x80
	}
	return [7]byte{
		digits(t.Second()), digits(t.Minute()), digits(t.Hour()), byte((t.Weekday()+6)%7) + 1,
		digits(t.Day()), month, digits(year % 100),
	}, nil
}
