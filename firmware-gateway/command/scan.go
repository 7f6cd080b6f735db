package command

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/conn/v3/spi/spireg"
	"periph.io/x/host/v3"

	"karkhana/firmware-gateway/scan"
	"karkhana/firmware-gateway/sensor"
	"karkhana/hardware/meter"
)

// Scan looks what is connected.
type Scan struct {
	Line   []string `help:"Modbus lines to ask, rtu:///dev/ttyUSB0 or tcp://host:502. Default: all USB serial adapters."`
	Baud   []uint   `help:"Speeds to try on serial lines." default:"9600"`
	Parity []string `help:"Parities to try on serial lines: none, even, odd." default:"none"`
	Units  byte     `help:"Modbus addresses 1 to this are asked. An address that does not answer takes a quarter of a second." default:"32"`
	Report string   `hidden:"" default:"/run/karkhana/health.json" type:"path"`
}

// Run prints a table of what answers, and what could not be asked below it.
func (s *Scan) Run(e *Env) error {
	if s.Units < 1 || s.Units > 247 {
		return fmt.Errorf("units %d: Modbus addresses are 1 to 247", s.Units)
	}
	if err := free(s.Report); err != nil {
		return err
	}
	buses := e.Buses
	var i2cs, spis []string
	if buses == nil {
		buses = &sensor.Host{}
		if _, err := host.Init(); err != nil {
			return fmt.Errorf("buses of this computer: %w", err)
		}
		for _, r := range i2creg.All() {
			i2cs = append(i2cs, r.Name)
		}
		for _, r := range spireg.All() {
			spis = append(spis, r.Name)
		}
	} else {
		i2cs, spis = []string{"I2C1"}, []string{"SPI0.0", "SPI0.1"}
	}
	var found []scan.Found
	var errs []error
	add := func(f []scan.Found, err error) {
		found = append(found, f...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, b := range i2cs {
		add(scan.I2C(e.Context, buses, b))
	}
	for _, b := range spis {
		add(scan.SPI(buses, b))
	}
	add(scan.OneWire(os.DirFS("/")))
	lines := s.Line
	if lines == nil {
		for _, pattern := range []string{"/dev/ttyUSB*", "/dev/ttyACM*"} {
			names, _ := filepath.Glob(pattern) // the pattern is right
			for _, n := range names {
				lines = append(lines, "rtu://"+n)
			}
		}
	}
	for _, url := range lines {
		s.line(e, buses, url, add)
	}
	t := table(e.Stdout)
	fmt.Fprintln(t, "BUS\tADDRESS\tLOOKS LIKE\tFOR gateway.yaml")
	for _, f := range found {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Bus, f.At, f.Looks, cmp.Or(f.Use, "-"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "%d found on %d I2C buses, %d SPI ports, 1-Wire and %d Modbus lines\n", len(found), len(i2cs), len(spis), len(lines))
	return errors.Join(errs...)
}

// line asks a line at each speed and parity until something answers.
func (s *Scan) line(e *Env, buses sensor.Buses, url string, add func([]scan.Found, error)) {
	serial := len(url) > 4 && url[:4] == "rtu:"
	bauds, parities := s.Baud, s.Parity
	if !serial {
		bauds, parities = []uint{0}, []string{""}
	}
	said := time.Now()
	for _, baud := range bauds {
		for _, parity := range parities {
			found, err := scan.Modbus(e.Context, buses, meter.Line{URL: url, Baud: baud, Parity: parity}, 1, s.Units, func(unit byte, n int) {
				if time.Since(said) < 2*time.Second {
					return
				}
				said = time.Now()
				e.progress("%s: unit %d of %d, %d found", url, unit, s.Units, n)
			})
			if serial {
				for i := range found {
					found[i].At += fmt.Sprintf(", %d baud, parity %s", baud, parity)
				}
			}
			if add(found, err); err != nil || len(found) > 0 {
				return
			}
		}
	}
}
