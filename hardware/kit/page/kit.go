package page

import (
	"fmt"
	"strings"

	"karkhana/hardware/kit"
)

const generated = "<!-- Made from hardware/kit/%s by `go generate ./hardware/kit`. Change the kit file, not this page. -->"

// Kit is the page of a kit in Markdown.
func Kit(k *kit.Kit, base *kit.Base) ([]byte, error) {
	g, err := kit.Combine(kit.Placed{Machine: k.Class, Kit: k})
	if err != nil {
		return nil, fmt.Errorf("page of kit %s: %w", k.Class, err)
	}
	own, err := k.Connections(base.Hardware)
	if err != nil {
		return nil, fmt.Errorf("page of kit %s: %w", k.Class, err)
	}
	d := &doc{}
	d.p(generated, "class/"+k.Class+".yaml")
	d.p("# %s · %s", k.Name.Hi, k.Name.En)
	d.p("\n%s\n\n%s\n", k.Fits.Hi, k.Fits.En)
	safety(d)
	d.p("\n![%s: तारों का नक़्शा · wiring](%s.svg)\n", k.Name.Hi, k.Class)
	d.p("A4 पर आड़ा छापें · print on A4, landscape.\n")
	sensors(d, k)
	connections(d, k, base, own)
	parts(d, g)
	settings(d, k)
	maintenance(d, k)
	return []byte(d.String()), nil
}

// safety is the box that stands on every page.
func safety(d *doc) {
	d.p("> **⚠ सुरक्षा · Safety**")
	for _, n := range []kit.Name{
		{Hi: "लाल डिब्बे और मोटे तार 230/415 V हैं: सिर्फ़ लाइसेंसधारी इलेक्ट्रीशियन, सप्लाई बंद और ताला लगाकर।",
			En: "Red boxes and thick wires are 230/415 V: a licensed electrician only, supply off and locked."},
		{Hi: "करंट ट्रांसफ़ॉर्मर (CT) का तार चलते लोड पर कभी न खोलें।", En: "Never open the wires of a current transformer under load."},
		{Hi: "Pi के पिन 3.3 V के हैं: 5 V, 12 V या मशीन का संपर्क सीधे कभी न जोड़ें।",
			En: "The Pi's pins bear 3.3 V: never connect 5 V, 12 V or a contact of the machine directly."},
		{Hi: "यह यंत्र सिर्फ़ नापता है। अति-ताप से बचाव अलग, तार से जुड़ा कट-आउट करता है।",
			En: "This system only measures. Protection against over-temperature is a separate, hard-wired cut-out."},
	} {
		d.p(">\n> - %s  \n>   %s", n.Hi, n.En)
	}
	d.p(">\n> पूरा पृष्ठ · the whole page: [safety.md](../safety.md) · जाँच और अंशांकन · calibration: [calibration.md](../calibration.md)")
}

func sensors(d *doc, k *kit.Kit) {
	d.p("## सेंसर · Sensors\n")
	d.head("id", "सेंसर · sensor", "जगह · place", "ड्राइवर · driver", "बस · bus", "माप · quantities")
	for _, s := range k.Sensors {
		driver := s.Driver
		if s.Profile != "" {
			driver += ", " + s.Profile
		}
		bus := s.Bus.String()
		switch s.Bus.Kind {
		case kit.RS485:
			bus += fmt.Sprintf(", unit %d", s.Unit)
		case kit.I2C:
			bus += fmt.Sprintf(", 0x%02x", s.I2CAddress())
		}
		d.row("`"+s.ID+"`", lines(s.Name), lines(s.Place), driver, bus, strings.Join(s.Gives, ", "))
	}
	d.p("")
}

func connections(d *doc, k *kit.Kit, base *kit.Base, own []kit.Connection) {
	names := map[string]string{}
	for _, h := range []kit.Hardware{base.Hardware, k.Hardware} {
		for _, s := range h.Sensors {
			names[s.ID] = s.Name.Hi
		}
		for _, t := range h.Things {
			names[t.ID] = t.Name.Hi
		}
	}
	end := func(e kit.End) string {
		switch {
		case e.Strip:
			return fmt.Sprintf("पट्टी · strip **%s** (%d)", e.Terminal, e.Pin)
		case e.Pin > 0:
			return fmt.Sprintf("Pi **%d** %s", e.Pin, e.Terminal)
		}
		return names[e.Thing] + " **" + e.Terminal + "**"
	}
	table := func(mains bool) {
		d.head(">#", "से · from", "तक · to", "रंग · colour", "तार · cable", "ध्यान दें · note")
		n := 0
		for _, c := range own {
			if c.Mains != mains {
				continue
			}
			n++
			d.row(fmt.Sprint(n), end(c.From), end(c.To), both(c.Colour.Name), c.Cable, lines(c.Note))
		}
		d.p("")
	}
	d.p("## कनेक्शन · Connections\n")
	d.p("संख्या हेडर का पिन है; पट्टी पिन 1 (3V3) और 6 (GND) से भरी टर्मिनल पट्टी है। घड़ी और एडॉप्टर: [README.md](README.md)।  ")
	d.p("The number is the header pin; strip is the terminal strip fed from pin 1 (3V3) and 6 (GND). Clock and adapter: [README.md](README.md).\n")
	d.p("### कम वोल्टेज · Low voltage\n")
	table(false)
	d.p("### ⚠ 230/415 V: सिर्फ़ लाइसेंसधारी इलेक्ट्रीशियन · licensed electrician only\n")
	table(true)
	d.p("सिरों के नाम मीटर पर छपे हैं; फ़ेज़ के रंग: L1 लाल, L2 पीला, L3 नीला, N काला, अर्थ हरा-पीला।  ")
	d.p("Terminals are named as printed on the meter; phases: L1 red, L2 yellow, L3 blue, N black, earth green-yellow.\n")
}

func parts(d *doc, g *kit.Gateway) {
	d.p("## पुर्ज़े और क़ीमत · Parts and price\n")
	d.p("क़ीमतें %s का अनुमान हैं, टैक्स सहित; ख़रीदने से पहले पूछ लें।  ", day(g.Bill.Priced))
	d.p("Prices are estimates of %s, taxes included; ask before buying.\n", day(g.Bill.Priced))
	d.head("पुर्ज़ा · part", ">संख्या · quantity", ">एक का · each", ">कुल · sum")
	machine, shared := 0, 0
	for _, l := range g.Bill.Lines {
		if l.Machine == "" {
			shared += l.Sum
			continue
		}
		machine += l.Sum
		d.row(l.Part.Part, grouped(l.Quantity), rupees(l.Rupees), rupees(l.Sum))
	}
	d.row("**मशीन का किट · kit of the machine**", "", "", "**"+rupees(machine)+"**")
	d.row("गेटवे, एक बार · gateway, once ([README.md](README.md))", "", "", rupees(shared))
	d.row("**इस एक मशीन के साथ गेटवे · gateway with this one machine**", "", "", "**"+rupees(g.Bill.Rupees)+"**")
	d.p("")
}

func settings(d *doc, k *kit.Kit) {
	s := k.Settings
	d.p("## शुरुआती सेटिंग · First settings\n")
	d.p("साइट फ़ाइल में मशीन के नीचे `kit: %s` लिखें: यही सेटिंग लागू होंगी। जो मशीन में अलग हो वही `settings` में लिखें; सीमाएँ मशीन के अपने बंद, खाली और काम के माप के बीच रखें।  ", k.Class)
	d.p("Write `kit: %s` under the machine in the site file: these settings then hold. Write out only what is different, with the thresholds between the machine's own off, idle and run, and a margin to each.\n", k.Class)
	d.p("```yaml\nsettings:\n  - signal: %s", s.Signal)
	d.p("    idle_above: %v", s.IdleAbove)
	d.p("    run_above: %v", s.RunAbove)
	d.p("    hysteresis: %v", s.Hysteresis)
	d.p("    dwell: {off: %s, idle: %s, run: %s}", duration(s.Dwell.Off.Std()), duration(s.Dwell.Idle.Std()), duration(s.Dwell.Run.Std()))
	if s.Pulse > 0 {
		d.p("    pulse: %s", duration(s.Pulse.Std()))
	}
	if f := s.Phases; f.Rate > 0 {
		d.p("    phases: {rate: %v, band: %v, cold: %v}", f.Rate, f.Band, f.Cold)
	}
	d.p("    report: %s", duration(s.Report.Std()))
	var alarms []string
	if v := s.Alarms.TemperatureMaxC; v > 0 {
		alarms = append(alarms, fmt.Sprintf("temperature_max_c: %v", v))
	}
	if v := s.Alarms.VibrationRatio; v > 0 {
		alarms = append(alarms, fmt.Sprintf("vibration_ratio: %v", v))
	}
	if v := s.Alarms.AccelerationRatio; v > 0 {
		alarms = append(alarms, fmt.Sprintf("acceleration_ratio: %v", v))
	}
	if v := s.Alarms.KurtosisRise; v > 0 {
		alarms = append(alarms, fmt.Sprintf("kurtosis_rise: %v", v))
	}
	if v := s.Alarms.SilentAfter; v > 0 {
		alarms = append(alarms, "silent_after: "+duration(v.Std()))
	}
	d.p("    alarms: {%s}\n```\n", strings.Join(alarms, ", "))
	d.p("गेटवे में · in the gateway: `every: %s`, `report: %s`, `pack: %s`.\n", duration(k.Sampling.Every.Std()),
		duration(k.Sampling.Report.Std()), duration(k.Sampling.Pack.Std()))
}

func maintenance(d *doc, k *kit.Kit) {
	d.p("## रखरखाव · Maintenance\n")
	d.p("चलने के घंटे या दिन, जो पहले पूरे हों · by run-hours or days, whichever comes first.\n")
	d.head("काम · task", ">चलने के घंटे · run-hours", ">दिन · days", "क्या करें · what to do")
	for _, t := range k.Maintenance {
		d.row(lines(t.Name), dash(int(t.IntervalH)), dash(t.IntervalDays), lines(t.Do))
	}
}

// dash writes a number, and – for none.
func dash(n int) string {
	if n == 0 {
		return "–"
	}
	return grouped(n)
}
