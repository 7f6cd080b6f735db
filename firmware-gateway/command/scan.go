package command

import (
	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/scan"
)

// Scan looks what is connected.
type Scan struct {
	file
	running
	Line   []string `help:"Modbus lines to ask, rtu:///dev/ttyUSB0 or tcp://host:502. Default: all USB serial adapters, and the lines that the running gateway reads."`
	Baud   []uint   `help:"Speeds to try on serial lines." default:"9600"`
	Parity []string `help:"Parities to try on serial lines: none, even, odd." default:"none"`
	Units  byte     `help:"Modbus addresses 1 to this are asked. An address that does not answer takes a quarter of a second." default:"32"`
}

// Run prints a table of what answers, and what could not be asked below it. A running gateway looks itself, between its
// readings.
func (s *Scan) Run(e *Env) error {
	ask := scan.Ask{Lines: s.Line, Bauds: s.Baud, Parities: s.Parity, Units: s.Units}
	if err := ask.Check(); err != nil {
		return err
	}
	data := ""
	if c, err := config.Load(s.Path); err == nil { // a scan is also for those who have none yet
		data = c.Data
	}
	gateway, err := s.find(e.Context, data)
	if err != nil {
		return err
	}
	say := func(message string) { e.progress("%s", message) }
	var r *scan.Report
	if gateway != nil {
		r, err = gateway.Scan(e.Context, ask, say)
	} else {
		sweeper := scan.Sweeper{Buses: e.Buses, Progress: say}
		if e.Buses != nil {
			sweeper.I2C, sweeper.SPI = []string{"I2C1"}, []string{"SPI0.0", "SPI0.1"}
		}
		r, err = sweeper.Sweep(e.Context, ask)
	}
	if err != nil {
		return err
	}
	return r.Print(e.Stdout)
}
