package diagram

import (
	"fmt"
	"strconv"

	"karkhana/hardware/kit"
)

const (
	red   = "#c41212"
	ink   = "#14213d"
	faint = "#5b6472"
)

// Draw returns the picture of a kit as SVG. The same kit gives the same bytes.
func Draw(k *kit.Kit, base *kit.Base) ([]byte, error) {
	p, err := lay(k, base)
	if err != nil {
		return nil, fmt.Errorf("draw kit %s: %w", k.Class, err)
	}
	c := &canvas{}
	notes := p.notes()
	legend := p.bottom + 22
	height := max(pageH, legend+p.legendH(notes)+margin)
	c.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" font-family="'Noto Sans','Noto Sans Devanagari',sans-serif" fill="%s">`,
		pageW, height, pageW, height, ink)
	c.put("<title>%s · %s</title>", k.Name.Hi, k.Name.En)
	c.rect(0, 0, pageW, height, `fill="#fff"`)
	c.text(margin, 42, 28, "start", `font-weight="bold"`, fmt.Sprintf("%s: तारों का नक़्शा · %s: wiring", k.Name.Hi, k.Name.En))
	c.text(margin, 66, 14, "start", fmt.Sprintf(`fill="%s"`, faint), k.Fits.Hi+" · "+k.Fits.En)
	for _, b := range p.boxes {
		p.wires(c, b, notes)
	}
	for _, b := range p.boxes {
		p.box(c, b)
	}
	p.legend(c, legend, notes)
	c.put("</svg>")
	return []byte(c.String()), nil
}

// box draws a box with its names, terminals and place.
func (p *picture) box(c *canvas, b *box) {
	fill, edge := "#f4f6fa", ink
	switch {
	case b.id == "pi" && !b.reference:
		fill = "#e9f5ea"
	case b.thing.Mains:
		fill, edge = "#fdeaea", red
	}
	dash := ""
	if b.reference {
		fill, dash = "#fff", ` stroke-dasharray="6 4"`
	}
	c.rect(b.x, b.y, b.w, b.h, fmt.Sprintf(`rx="6" fill="%s" stroke="%s" stroke-width="2"%s`, fill, edge, dash))
	hi, en := b.thing.Name.Hi, b.thing.Name.En
	if b.reference {
		hi, en = "→ "+hi, "→ "+en
	}
	room := b.w - 16
	if b.thing.Mains {
		c.bolt(b.x+b.w-32, b.y+26, 20)
		room -= 30
	}
	c.text(b.x+8, b.y+20, fit(hi, 15, room), "start", `font-weight="bold"`, hi)
	c.text(b.x+8, b.y+37, fit(en, 13, room), "start", "", en)
	if d := detail(b.thing); d != "" && !b.reference {
		c.text(b.x+8, b.y+53, 12, "start", fmt.Sprintf(`fill="%s" font-weight="bold"`, faint), d)
	}
	p.terminals(c, b)
	y := b.y + b.h - b.footH() + 6
	for _, l := range b.foot {
		y += l.size + 3
		c.text(b.x+8, y-2, l.size, "start", fmt.Sprintf(`fill="%s"`, faint), l.text)
	}
}

// detail is what the gateway has to know of a sensor.
func detail(s kit.Sensor) string {
	switch {
	case s.Driver == "":
		return ""
	case s.Bus.Kind == kit.RS485:
		return fmt.Sprintf("%s · unit %d", s.Bus, s.Unit)
	case s.Bus.Kind == kit.I2C:
		return fmt.Sprintf("%s · 0x%02x", s.Bus, s.I2CAddress())
	}
	return s.Bus.String()
}

// terminals labels the ends of the wires inside the box: those to its parent and those to its children.
func (p *picture) terminals(c *canvas, b *box) {
	label := func(x, y float64, side int, e kit.End) {
		anchor, step := "start", 1.0
		if side > 0 {
			anchor, step = "end", -1
		}
		if e.Thing == "pi" && e.Pin > 0 {
			style := fmt.Sprintf(`fill="#fff" stroke="%s" stroke-width="1.5"`, ink)
			if e.Strip {
				c.rect(x+step*16-10, y-10, 20, 20, style)
			} else {
				c.circle(x+step*16, y, 10.5, style)
			}
			c.text(x+step*16, y+4.5, 12, "middle", `font-weight="bold"`, strconv.Itoa(e.Pin))
			x += step * 24
		}
		text := e.Terminal
		if e.Shared {
			text += " *"
		}
		c.text(x+step*6, y+4.5, 12.5, anchor, `font-weight="bold"`, text)
	}
	if b.parent != nil {
		side := -1 // towards the parent
		if b.column < b.parent.column {
			side = 1
		}
		for i, w := range b.wires {
			label(edge(b, side), b.wireY(i), side, w.To)
		}
	}
	for _, child := range b.children {
		side := 1
		if child.column < b.column {
			side = -1
		}
		for i, w := range child.wires {
			label(edge(b, side), child.wireY(i), side, w.From)
		}
	}
}

func edge(b *box, side int) float64 {
	if side > 0 {
		return b.x + b.w
	}
	return b.x
}

// wires draws the wires from a box to its parent.
func (p *picture) wires(c *canvas, b *box, notes []kit.Name) {
	if b.parent == nil {
		return
	}
	x1, x2 := b.parent.x+b.parent.w, b.x
	if b.column < b.parent.column {
		x1, x2 = b.x+b.w, b.parent.x
	}
	for i, w := range b.wires {
		y := b.wireY(i)
		c.wire(x1, x2, y, w.Colour.Hex, w.Mains)
		text := w.Colour.Name.Hi + " " + w.Colour.Name.En
		lift := 7.0
		if w.Mains {
			lift = 9
		}
		mid := (x1 + x2) / 2
		if n := noteNumber(notes, w.Note); n > 0 {
			mid -= 8
			c.circle(x2-11, y, 8.5, fmt.Sprintf(`fill="#fff" stroke="%s" stroke-width="1.2"`, ink))
			c.text(x2-11, y+4, 11, "middle", `font-weight="bold"`, strconv.Itoa(n))
		}
		c.text(mid, y-lift, fit(text, 11, gapW-10), "middle", "", text)
	}
}

// fit returns the size at which a text fits, at most size.
func fit(text string, size, room float64) float64 {
	if w := width(text, size); w > room {
		return size * room / w
	}
	return size
}
