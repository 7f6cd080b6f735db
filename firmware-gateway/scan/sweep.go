package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/conn/v3/spi/spireg"
	"periph.io/x/host/v3"

	"karkhana/firmware-gateway/sensor"
	"karkhana/hardware/meter"
)

// Ask says what to look at.
type Ask struct {
	Lines    []string `json:"lines,omitempty"`    // Modbus lines; none: all USB serial adapters, and what the gateway reads
	Bauds    []uint   `json:"bauds,omitempty"`    // to try on serial lines; none: 9600
	Parities []string `json:"parities,omitempty"` // to try on serial lines; none: none
	Units    byte     `json:"units,omitempty"`    // addresses 1 to this are asked; 0: 32
}

// Check refuses what can't be asked.
func (a *Ask) Check() error {
	if a.Units == 0 {
		a.Units = 32
	}
	if a.Units > 247 {
		return fmt.Errorf("units %d: Modbus addresses are 1 to 247", a.Units)
	}
	if len(a.Bauds) == 0 {
		a.Bauds = []uint{9600}
	}
	if len(a.Parities) == 0 {
		a.Parities = []string{"none"}
	}
	return nil
}

// Sweeper looks at all buses.
type Sweeper struct {
	Buses sensor.Buses // nil: the computer's
	// I2C and SPI are the names of the buses; nil: those of the computer.
	I2C, SPI []string
	// InUse are read by the running gateway; they are named and not touched.
	InUse    []sensor.Use
	Root     fs.FS                // for 1-Wire; nil: "/"
	Progress func(message string) // what takes long; may be nil
}

// Report is what a sweep found.
type Report struct {
	Found  []Found  `json:"found"`
	Errors []string `json:"errors,omitempty"` // what could not be looked at, and why
	I2C    int      `json:"i2c"`              // buses looked at
	SPI    int      `json:"spi"`              // ports
	Lines  int      `json:"lines"`
}

// Sweep looks at all buses. What can't be looked at is in the report; the error is the context's, or that of the ask.
func (s *Sweeper) Sweep(ctx context.Context, a Ask) (*Report, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	if s.Buses == nil {
		s.Buses = &sensor.Host{}
	}
	if s.Root == nil {
		s.Root = os.DirFS("/")
	}
	if s.I2C == nil && s.SPI == nil {
		if err := s.host(); err != nil {
			return nil, err
		}
	}
	r := &Report{I2C: len(s.I2C), SPI: len(s.SPI)}
	add := func(f []Found, err error) {
		r.Found = append(r.Found, f...)
		if err != nil {
			r.Errors = append(r.Errors, err.Error())
		}
	}
	for _, b := range s.I2C {
		s.say("%s", b)
		add(I2C(ctx, s.Buses, b))
		s.used(r, b)
	}
	for _, b := range s.SPI {
		if !s.used(r, b) {
			add(SPI(s.Buses, b))
		}
	}
	s.oneWire(add)
	lines := s.lines(a)
	r.Lines = len(lines)
	for _, url := range lines {
		s.line(ctx, a, url, r)
	}
	return r, ctx.Err()
}

// host takes the buses of the computer.
func (s *Sweeper) host() error {
	if _, err := host.Init(); err != nil {
		return fmt.Errorf("buses of this computer: %w", err)
	}
	for _, r := range i2creg.All() {
		s.I2C = append(s.I2C, r.Name)
	}
	for _, r := range spireg.All() {
		s.SPI = append(s.SPI, r.Name)
	}
	return nil
}

// oneWire lists what is on 1-Wire. While the gateway reads something there, nothing else is.
func (s *Sweeper) oneWire(add func([]Found, error)) {
	reads := map[string]string{}
	for _, u := range s.InUse {
		if u.Bus == sensor.OneWire {
			reads[u.At] = u.Machine
		}
	}
	found, err := OneWire(s.Root, len(reads) == 0)
	for i := range found {
		found[i].Machine = reads[found[i].At]
	}
	add(found, err)
}

// used names what the gateway reads on a bus. Several readings of one chip are one.
func (s *Sweeper) used(r *Report, bus string) (any bool) {
	for _, u := range s.InUse {
		if u.Bus != bus {
			continue
		}
		any = true
		i := slices.IndexFunc(r.Found, func(f Found) bool { return f.Bus == bus && f.At == u.At && f.Machine != "" })
		switch {
		case i < 0:
			r.Found = append(r.Found, Found{Bus: bus, At: u.At, Looks: u.Sensor, Machine: u.Machine})
		case !slices.Contains(strings.Split(r.Found[i].Machine, ", "), u.Machine):
			r.Found[i].Machine += ", " + u.Machine
		}
	}
	return any
}

// lines are the Modbus lines to ask: each once, whatever its names.
func (s *Sweeper) lines(a Ask) []string {
	if a.Lines != nil {
		return a.Lines
	}
	var out []string
	seen := map[string]bool{}
	add := func(url string) {
		if p := sensor.Place(url); !seen[p] {
			seen[p] = true
			out = append(out, url)
		}
	}
	for _, u := range s.InUse {
		if strings.HasPrefix(u.At, "unit ") {
			add(u.Bus)
		}
	}
	for _, pattern := range []string{"/dev/ttyUSB*", "/dev/ttyACM*"} {
		names, _ := filepath.Glob(pattern) // the pattern is right
		for _, n := range names {
			add("rtu://" + n)
		}
	}
	return out
}

// line asks a line at each speed and parity until something answers. One that the gateway reads keeps its own.
func (s *Sweeper) line(ctx context.Context, a Ask, url string, r *Report) {
	taken := map[string]bool{}
	for _, u := range s.InUse {
		if strings.HasPrefix(u.At, "unit ") && sensor.Place(u.Bus) == sensor.Place(url) {
			taken[u.At] = true
			s.used(r, u.Bus)
		}
	}
	serial := strings.HasPrefix(url, "rtu:") && len(taken) == 0
	bauds, parities := a.Bauds, a.Parities
	if !serial {
		bauds, parities = []uint{0}, []string{""}
	}
	said := time.Now()
	for _, baud := range bauds {
		for _, parity := range parities {
			ask := func(unit byte) bool { return !taken[fmt.Sprintf("unit %d", unit)] }
			found, err := Modbus(ctx, s.Buses, meter.Line{URL: url, Baud: baud, Parity: parity}, 1, a.Units, ask, func(unit byte, n int) {
				if time.Since(said) >= 2*time.Second {
					said = time.Now()
					s.say("%s: unit %d of %d, %d found", url, unit, a.Units, n)
				}
			})
			if serial {
				for i := range found {
					found[i].At += fmt.Sprintf(", %d baud, parity %s", baud, parity)
				}
			}
			r.Found = append(r.Found, found...)
			if err != nil {
				r.Errors = append(r.Errors, err.Error())
			}
			if err != nil || len(found) > 0 {
				return
			}
		}
	}
}

func (s *Sweeper) say(format string, args ...any) {
	if s.Progress != nil {
		s.Progress(fmt.Sprintf(format, args...))
	}
}

// Print writes the report as a table; its error is what could not be looked at.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BUS\tADDRESS\tLOOKS LIKE\tFOR gateway.yaml")
	for _, f := range r.Found {
		use := cmp.Or(f.Use, "-")
		if f.Machine != "" {
			use = "is read for " + f.Machine
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Bus, f.At, f.Looks, use)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print what was found: %w", err)
	}
	fmt.Fprintf(w, "%d found on %d I2C buses, %d SPI ports, 1-Wire and %d Modbus lines\n", len(r.Found), r.I2C, r.SPI, r.Lines)
	if len(r.Errors) > 0 {
		return errors.New(strings.Join(r.Errors, "\n"))
	}
	return nil
}
