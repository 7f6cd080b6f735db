package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"karkhana/firmware-gateway/config"
	"karkhana/hardware/kit"
	"karkhana/hardware/kit/diagram"
)

// Kits holds the commands on kits.
type Kits struct {
	List ListKits `cmd:"" default:"1" help:"List the kits."`
	Show ShowKit  `cmd:"" help:"Show what belongs to a kit: sensors, thresholds, maintenance, parts."`
}

// ListKits lists the kits.
type ListKits struct{}

// Run prints a line for each.
func (*ListKits) Run(e *Env) error {
	w := columns(e.Stdout)
	for _, class := range kit.Classes() {
		k, err := kit.Load(class)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\n", class, k.Fits.En)
	}
	return w.Flush()
}

// ShowKit shows one.
type ShowKit struct {
	Class string `arg:"" help:"Machine class, as listed by kits."`
}

// Run prints it. The settings are printed as they can stand in a site file.
func (s *ShowKit) Run(e *Env) error {
	k, err := kit.Load(s.Class)
	if err != nil {
		return err
	}
	g, err := kit.Combine(kit.Placed{Machine: k.Class, Kit: k})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "%s (%s): %s\n\nSensors\n", k.Name.En, k.Class, k.Fits.En)
	printPlaces(e.Stdout, g, nil)
	set := k.Settings
	fmt.Fprintf(e.Stdout, "\nFirst settings, for the site file of the server\n  signal: %s\n  idle_above: %v\n  run_above: %v\n  hysteresis: %v\n  dwell: {off: %v, idle: %v, run: %v}\n  report: %v\n",
		set.Signal, set.IdleAbove, set.RunAbove, set.Hysteresis, set.Dwell.Off, set.Dwell.Idle, set.Dwell.Run, set.Report)
	var alarms []string
	if a := set.Alarms; a.TemperatureMaxC != 0 {
		alarms = append(alarms, fmt.Sprintf("temperature_max_c: %v", a.TemperatureMaxC))
	}
	if a := set.Alarms; a.VibrationRatio != 0 {
		alarms = append(alarms, fmt.Sprintf("vibration_ratio: %v", a.VibrationRatio))
	}
	if a := set.Alarms; a.SilentAfter != 0 {
		alarms = append(alarms, fmt.Sprintf("silent_after: %v", a.SilentAfter))
	}
	fmt.Fprintf(e.Stdout, "  alarms: {%s}\n\nMaintenance\n", strings.Join(alarms, ", "))
	w := columns(e.Stdout)
	for _, t := range k.Maintenance {
		var due []string
		if t.IntervalH != 0 {
			due = append(due, fmt.Sprintf("%v run-hours", t.IntervalH))
		}
		if t.IntervalDays != 0 {
			due = append(due, fmt.Sprintf("%d days", t.IntervalDays))
		}
		fmt.Fprintf(w, "  %s\t%s\tevery %s\n", t.ID, t.Name.En, strings.Join(due, " or "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, "\nParts, beside those of the gateway")
	return printBill(e.Stdout, k.Bill())
}

func columns(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 4, 2, ' ', 0) }

// printPlaces prints where each sensor of the kits is connected. port says what a bus is called here; nil: not known.
func printPlaces(out io.Writer, g *kit.Gateway, port func(kit.Bus) (string, bool)) {
	w := columns(out)
	here := ""
	if port != nil {
		here = "port here\t"
	}
	fmt.Fprintf(w, "  machine\tsensor\twhat\tbus\t%sheader pins\tgives\n", here)
	for _, m := range g.Machines {
		for _, s := range m.Kit.Sensors {
			bus := s.Bus.String()
			switch {
			case s.Driver == "meter":
				bus += fmt.Sprintf(" unit %d", s.Unit)
			case s.Bus.Kind == kit.I2C:
				bus += fmt.Sprintf(" 0x%02x", s.I2CAddress())
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t", m.Machine, s.ID, cmp.Or(s.Profile, s.Driver), bus)
			if port != nil {
				name, _ := port(s.Bus)
				fmt.Fprintf(w, "%s\t", strings.TrimPrefix(name, "rtu://"))
			}
			var pins []string
			for _, u := range s.HeaderPins() {
				pins = append(pins, fmt.Sprintf("%d %s", u.Header, u.Use))
			}
			gives := s.Gives
			if len(gives) > 4 {
				gives = append(gives[:3:3], fmt.Sprintf("and %d more", len(gives)-3))
			}
			fmt.Fprintf(w, "%s\t%s\n", cmp.Or(strings.Join(pins, ", "), "–"), strings.Join(gives, ", "))
		}
	}
	_ = w.Flush() // of a table to a writer whose errors the caller meets with its next line
}

// printWires prints every wire of the kits.
func printWires(out io.Writer, g *kit.Gateway) error {
	all := g.Whole()
	connections, err := all.Connections(g.Base.Hardware)
	if err != nil {
		return err
	}
	base, err := g.Base.Connections(kit.Hardware{})
	if err != nil {
		return err
	}
	w := columns(out)
	fmt.Fprint(w, "  from\t\tto\tcolour\tcable\n")
	for _, c := range append(base, connections...) {
		at, note := c.From.Terminal, ""
		switch {
		case c.From.Pin > 0 && c.From.Strip:
			at = fmt.Sprintf("strip %s (pin %d)", c.From.Terminal, c.From.Pin)
		case c.From.Pin > 0:
			at = fmt.Sprintf("pin %d (%s)", c.From.Pin, c.From.Terminal)
		}
		if c.Mains {
			note = "  ⚡ mains"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s %s\t%s\t%s%s\n", c.From.Thing, at, c.To.Thing, c.To.Terminal, c.Colour.Name.En, c.Cable, note)
	}
	fmt.Fprintln(w, "  ⚡ mains: a licensed electrician only, supply off and locked")
	return w.Flush()
}

// printBill prints a bill of materials with its total.
func printBill(out io.Writer, b kit.Bill) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, l := range b.Lines {
		fmt.Fprintf(w, "  %d ×\t%s\t%8s\t%s\n", l.Quantity, l.Part.Part, "₹"+kit.Rupees(l.Sum), l.Machine)
	}
	fmt.Fprintf(w, "  \ttotal, prices of %s, taxes included\t%8s\t\n", b.Priced, "₹"+kit.Rupees(b.Rupees))
	return w.Flush()
}

// wiring prints how everything is connected and what it costs.
func wiring(out io.Writer, g *config.Gateway) error {
	if g.Hangs == nil {
		_, err := fmt.Fprintln(out, "no machine has a kit: there is no wiring to show")
		return err
	}
	fmt.Fprintln(out, "\nPorts and pins")
	printPlaces(out, g.Hangs, g.Port)
	fmt.Fprintf(out, "\n3V3 of the header: %d of %d mA\n\nWires\n", g.Hangs.MilliAmps(), kit.MostMilliAmps)
	if err := printWires(out, g.Hangs); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nParts")
	return printBill(out, g.Hangs.Bill)
}

// drawWiring writes the picture of everything that the kits connect.
func drawWiring(file string, g *config.Gateway) error {
	if g.Hangs == nil {
		return fmt.Errorf("no machine has a kit: there is nothing to draw into %s", file)
	}
	k := g.Hangs.Whole()
	var machines []string
	for _, m := range g.Hangs.Machines {
		machines = append(machines, m.Machine)
	}
	k.Fits = kit.Name{Hi: g.Site, En: strings.Join(machines, ", ")}
	k.Name = kit.Name{Hi: "गेटवे " + g.Gateway, En: "Gateway " + g.Gateway}
	svg, err := diagram.Draw(k, g.Hangs.Base)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, svg, 0o644); err != nil { //nolint:gosec // nothing secret
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}
