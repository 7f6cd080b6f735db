package kit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Pin is a GPIO by its Broadcom number, 2 to 27: gpio22 in a file.
type Pin int

var pinForm = regexp.MustCompile(`^gpio(\d{1,2})$`)

// ParsePin reads gpio2 to gpio27, in capitals, too. GPIO 0 and 1 belong to the identification of expansion boards.
func ParsePin(text string) (Pin, error) {
	if m := pinForm.FindStringSubmatch(strings.ToLower(text)); m != nil {
		if n, _ := strconv.Atoi(m[1]); n >= 2 && n <= 27 && m[1] == strconv.Itoa(n) {
			return Pin(n), nil
		}
	}
	return 0, fmt.Errorf("no pin %.40q on the header; use gpio2 to gpio27", text)
}

// UnmarshalText is ParsePin for files.
func (p *Pin) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePin(string(text))
	return err
}

// MarshalText writes the form that UnmarshalText reads.
func (p Pin) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String is the form in files.
func (p Pin) String() string { return fmt.Sprintf("gpio%d", int(p)) }

// Header is the number of the pin on the 40-pin header, counted as on the board: odd in the inner row.
func (p Pin) Header() int { return headerOf[p] }

// headerOf is the 40-pin header of every Raspberry Pi since the B+ (Raspberry Pi documentation, "GPIO and the 40-pin
// header").
var headerOf = map[Pin]int{
	2: 3, 3: 5, 4: 7, 14: 8, 15: 10, 17: 11, 18: 12, 27: 13, 22: 15, 23: 16, 24: 18, 10: 19, 9: 21, 25: 22, 11: 23,
	8: 24, 7: 26, 5: 29, 6: 31, 12: 32, 13: 33, 19: 35, 16: 36, 26: 37, 20: 38, 21: 40,
}

// Supplies of the header and the pin from which each is led to the terminal strip, where all boards take it.
var supplies = map[string]struct {
	Header int
	Label  string
}{"3v3": {1, "3V3"}, "5v": {2, "5 V"}, "gnd": {6, "GND"}}

// signal is one line of a bus.
type signal struct {
	pin    Pin
	shared bool // every sensor on the bus hangs on it
}

// signals are the lines that a bus has on the header. spi1 is the auxiliary port, enabled with dtoverlay=spi1-3cs.
func (b Bus) signals() map[string]signal {
	switch b.Kind {
	case SPI:
		if b.Number == 0 {
			return map[string]signal{"sclk": {11, true}, "mosi": {10, true}, "miso": {9, true}, "cs": {[]Pin{8, 7}[b.Select], false}}
		}
		return map[string]signal{"sclk": {21, true}, "mosi": {20, true}, "miso": {19, true}, "cs": {[]Pin{18, 17, 16}[b.Select], false}}
	case I2C:
		return map[string]signal{"sda": {2, true}, "scl": {3, true}}
	case GPIO:
		return map[string]signal{"signal": {Pin(b.Number), false}}
	case RS485:
	}
	return nil
}
