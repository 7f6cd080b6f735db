package diagram

import (
	"fmt"
	"slices"
	"strconv"

	"karkhana/hardware/kit"
)

// notes are the notes of the wires, each once.
func (p *picture) notes() (out []kit.Name) {
	for _, c := range p.connections {
		if c.Note.Hi != "" && !slices.Contains(out, c.Note) {
			out = append(out, c.Note)
		}
	}
	return out
}

func noteNumber(notes []kit.Name, n kit.Name) int { return slices.Index(notes, n) + 1 }

const (
	noteH   = 20
	warnH   = 62
	headerH = 92
)

func (p *picture) legendH(notes []kit.Name) float64 {
	return warnH + 14 + max(headerH+120, float64(len(notes))*noteH+24)
}

// legend draws the warning, the map of the header, the signs and the notes.
func (p *picture) legend(c *canvas, y float64, notes []kit.Name) {
	c.rect(margin, y, pageW-2*margin, warnH, fmt.Sprintf(`rx="6" fill="#fdeaea" stroke="%s" stroke-width="3"`, red))
	c.bolt(margin+14, y+warnH-12, 38)
	c.text(margin+76, y+26, 17, "start", fmt.Sprintf(`font-weight="bold" fill="%s"`, red),
		"लाल डिब्बे और मोटे तार 230/415 V हैं: सिर्फ़ लाइसेंसधारी इलेक्ट्रीशियन, सप्लाई बंद और ताला लगाकर। CT का तार चलते लोड पर कभी न खोलें।")
	c.text(margin+76, y+48, 15, "start", fmt.Sprintf(`fill="%s"`, red),
		"Red boxes and thick wires are 230/415 V: licensed electrician only, supply off and locked. Never open a current transformer's wires under load.")
	y += warnH + 14
	p.header(c, margin, y)
	c.text(620, y+16, 14, "start", `font-weight="bold"`, "ध्यान दें · Notes")
	for i, n := range notes {
		at := y + 20 + float64(i+1)*noteH - 2
		c.circle(629, at-4.5, 8.5, fmt.Sprintf(`fill="#fff" stroke="%s" stroke-width="1.2"`, ink))
		c.text(629, at-0.5, 11, "middle", `font-weight="bold"`, strconv.Itoa(i+1))
		text := n.Hi + " · " + n.En
		c.text(646, at, fit(text, 13, pageW-margin-646), "start", "", text)
	}
}

// header draws the 40-pin header from above with the used pins in the colour of their wires.
func (p *picture) header(c *canvas, x, y float64) {
	c.text(x, y+16, 14, "start", `font-weight="bold"`, "Pi का 40-पिन हेडर ऊपर से, USB दाईं ओर · header from above, USB to the right")
	used := map[int]kit.Connection{}
	for _, w := range p.connections {
		if w.From.Pin > 0 {
			used[w.From.Pin] = w
		}
	}
	const step = 28
	c.rect(x, y+26, 20*step+4, 2*step+4, fmt.Sprintf(`rx="5" fill="#eee" stroke="%s"`, faint))
	for pin := 1; pin <= 40; pin++ {
		cx := x + 2 + step/2 + float64((pin-1)/2)*step
		cy := y + 28 + step/2
		if pin%2 == 1 {
			cy += step
		}
		w, ok := used[pin]
		if !ok {
			c.circle(cx, cy, 10.5, `fill="#fff" stroke="#bbb"`)
			c.text(cx, cy+4, 10.5, "middle", `fill="#999"`, strconv.Itoa(pin))
			continue
		}
		fill := w.Colour.Hex[0]
		c.circle(cx, cy, 12, fmt.Sprintf(`fill="%s" stroke="#222" stroke-width="2"`, fill))
		c.text(cx, cy+4.5, 12, "middle", fmt.Sprintf(`font-weight="bold" fill="%s"`, contrast(fill)), strconv.Itoa(pin))
	}
	y += headerH + 14
	style := fmt.Sprintf(`fill="#fff" stroke="%s" stroke-width="1.5"`, ink)
	c.circle(x+11, y+4, 10.5, style)
	c.text(x+30, y+8, 12.5, "start", "", "हेडर का पिन · pin of the header")
	c.rect(x+300, y-6, 20, 20, style)
	c.text(x+328, y+8, 12.5, "start", "", "टर्मिनल पट्टी से · from the terminal strip")
	c.text(x, y+32, 12.5, "start", "", "पट्टी: पिन 1 (3V3) और 6 (GND) से भरी · the strip is fed from pin 1 (3V3) and pin 6 (GND)")
	c.text(x, y+52, 12.5, "start", "", "* बस का साझा पिन, कई बोर्ड लग सकते हैं · pin of a bus, shared by all boards on it")
	c.text(x, y+72, 12.5, "start", "", "अर्थ (हरा-पीला) MCB से मशीन तक बिना कटे · earth (green-yellow) unbroken from MCB to machine")
	if p.kit.Class == "" { // several kits
		return
	}
	c.text(x, y+92, 11.5, "start", fmt.Sprintf(`fill="%s"`, faint), fmt.Sprintf("hardware/kit/class/%s.yaml · docs/kits/%s.md", p.kit.Class, p.kit.Class))
}

// contrast is black or white, whichever is read better on a colour.
func contrast(hex string) string {
	v, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		return "#000"
	}
	if r, g, b := v>>16, v>>8&255, v&255; 299*r+587*g+114*b < 140_000 {
		return "#fff"
	}
	return "#000"
}
