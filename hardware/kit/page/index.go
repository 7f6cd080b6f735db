package page

import (
	"fmt"
	"strings"

	"karkhana/hardware/kit"
)

// examples are sets of machines that one gateway serves with the kits as they are.
var examples = [][]string{{"furnace", "cutting", "hammering", "main-meter"}, {"polishing", "designing", "kiln"}}

// Index is the page over all kits.
func Index(kits []*kit.Kit, base *kit.Base) ([]byte, error) {
	d := &doc{}
	d.p(generated, "")
	d.p("# किट · Kits\n")
	d.p("हर मशीन वर्ग का एक किट: सेंसर, तार, पुर्ज़े, शुरुआती सेटिंग, रखरखाव। काम से पहले [सुरक्षा](../safety.md), लगाने के बाद [अंशांकन](../calibration.md)।\n")
	d.p("One kit for each class of machine: sensors, wiring, parts, first settings, maintenance. Read [safety](../safety.md) before,")
	d.p("[calibration](../calibration.md) after fitting. A picture and a page are made from the same file, so they can't disagree.\n")
	d.head("किट · kit", "सेंसर · sensors", ">मशीन का किट · kit", ">गेटवे के साथ · with a gateway")
	gateway := base.Bill()
	for _, k := range kits {
		var names []string
		for _, s := range k.Sensors {
			names = append(names, s.Name.En)
		}
		b := k.Bill()
		d.row(fmt.Sprintf("[%s](%s.md)", both(k.Name), k.Class), strings.Join(names, ", "), rupees(b.Rupees), rupees(b.Rupees+gateway.Rupees))
	}
	d.p("\nक़ीमतें %s का अनुमान, टैक्स सहित · prices are estimates of %s, taxes included.\n", day(gateway.Priced), day(gateway.Priced))
	baseParts(d, base, gateway)
	if err := together(d, kits); err != nil {
		return nil, err
	}
	change(d)
	return []byte(d.String()), nil
}

func baseParts(d *doc, base *kit.Base, bill kit.Bill) {
	d.p("## गेटवे · Gateway\n")
	d.head("पुर्ज़ा · part", ">संख्या · quantity", ">एक का · each", ">कुल · sum")
	for _, l := range bill.Lines {
		d.row(l.Part.Part, grouped(l.Quantity), rupees(l.Rupees), rupees(l.Sum))
	}
	d.row("**कुल · total**", "", "", "**"+rupees(bill.Rupees)+"**")
	d.p("")
	connections, err := base.Connections(kit.Hardware{})
	if err != nil {
		return // a base with such wires does not load
	}
	d.head("Pi", "तक · to", "रंग · colour", "तार · cable")
	for _, c := range connections {
		pin := "USB"
		if c.From.Pin > 0 {
			pin = fmt.Sprintf("**%d** %s", c.From.Pin, c.From.Terminal)
		}
		d.row(pin, c.To.Thing+" **"+c.To.Terminal+"**", both(c.Colour.Name), c.Cable)
	}
	d.p("\nPi पर चालू करें · switch on in `/boot/firmware/config.txt`:\n")
	d.p("```\ndtparam=spi=on\ndtoverlay=spi1-3cs\ndtparam=i2c_arm=on\ndtoverlay=i2c-rtc,ds3231\n```\n")
}

// together says what the kits take and which fit on one gateway.
func together(d *doc, kits []*kit.Kit) error {
	d.p("## एक गेटवे पर कई मशीनें · Several machines on one gateway\n")
	d.p("`karkhana-gateway check` refuses a pin, a chip select, an address or a Modbus unit that is used twice, and names what is free.\n")
	d.head("किट · kit", "बस · bus", "GPIO", "unit")
	for _, k := range kits {
		var buses, pins, units []string
		for _, s := range k.Sensors {
			switch s.Bus.Kind {
			case kit.RS485:
				units = append(units, fmt.Sprint(s.Unit))
			case kit.GPIO:
				pins = append(pins, fmt.Sprint(s.Bus.Number))
			case kit.SPI, kit.I2C:
				buses = append(buses, s.Bus.String())
			}
			for _, name := range []string{"reset", "beep"} {
				if p, ok := s.Pins[name]; ok {
					pins = append(pins, fmt.Sprint(int(p)))
				}
			}
		}
		d.row(both(k.Name), strings.Join(buses, ", "), strings.Join(pins, ", "), strings.Join(units, ", "))
	}
	d.p("\nबिना बदले साथ चलते हैं · fit together as they are:\n")
	for _, classes := range examples {
		var placed []kit.Placed
		var names []string
		for _, c := range classes {
			k, err := kit.Load(c)
			if err != nil {
				return err
			}
			placed = append(placed, kit.Placed{Machine: c, Kit: k})
			names = append(names, k.Name.Hi)
		}
		g, err := kit.Combine(placed...)
		if err != nil {
			return fmt.Errorf("page: the kits %v do not fit together: %w", classes, err)
		}
		d.p("- %s (%s): **%s**", strings.Join(names, ", "), strings.Join(classes, ", "), rupees(g.Bill.Rupees))
	}
	d.p("\nThe wires of card readers and thermocouple boards are at most half a metre: machines that stand apart get a gateway each. Only the")
	d.p("RS-485 line may be long (up to 1,000 m), from meter to meter without branches.\n")
	return nil
}

func change(d *doc) {
	d.p("## मशीन के लिए बदलना · Changing a kit for a machine\n")
	d.p("Only what is given changes; an unknown key or sensor is refused. Wires follow the bus and the pins.\n")
	d.p("```yaml\nsensors:\n  reader: {bus: spi1.1, pins: {reset: gpio24, beep: gpio25}}\n  meter: {unit: 12, baud: 19200}\n  probe: {fitted: false}")
	d.p("settings:\n  run_above: 3500\n  alarms: {temperature_max_c: 0}\nmaintenance:\n  door: {interval_days: 180}\n```")
}
