package diagram

import (
	"slices"

	"karkhana/hardware/kit"
)

// Sizes in units of the picture, of which A4 landscape has 1600 by 1131: 1 unit is 0.186 mm.
const (
	pageW, pageH = 1600, 1131
	margin       = 30
	titleH       = 74
	boxW         = 192
	piW          = 280
	gapW         = 123 // between columns; holds the wires
	gapH         = 14  // between boxes
	headH        = 57  // of a box: its names and bus
	pitch        = 25  // from wire to wire
)

// box is a thing in the picture.
type box struct {
	id         string
	thing      kit.Sensor
	reference  bool // stands for a thing that is drawn elsewhere
	wires      []kit.Connection
	parent     *box
	children   []*box
	column     int // 0 is the Pi, 1, 2, 3 to its right, −1 to its left
	x, y, w, h float64
	foot       []line // place, at the bottom
}

// line is a line of text.
type line struct {
	text string
	size float64
}

// picture is a kit laid out.
type picture struct {
	kit         *kit.Kit
	connections []kit.Connection
	things      map[string]kit.Sensor
	boxes       []*box // the Pi first
	bottom      float64
}

// lay places everything.
func lay(k *kit.Kit, base *kit.Base) (*picture, error) {
	p := &picture{kit: k, things: map[string]kit.Sensor{}}
	own, err := k.Connections(base.Hardware)
	if err != nil {
		return nil, err
	}
	bases, err := base.Connections(kit.Hardware{})
	if err != nil {
		return nil, err
	}
	for _, h := range []kit.Hardware{base.Hardware, k.Hardware} {
		for _, s := range h.Sensors {
			p.things[s.ID] = s
		}
		for _, t := range h.Things {
			p.things[t.ID] = kit.Sensor{Thing: t}
		}
	}
	for _, c := range bases { // an adapter that the kit does not use is left out
		sensor := slices.ContainsFunc(base.Sensors, func(s kit.Sensor) bool { return s.ID == c.To.Thing })
		if sensor || slices.ContainsFunc(own, func(o kit.Connection) bool { return o.From.Thing == c.To.Thing }) {
			p.connections = append(p.connections, c)
		}
	}
	p.connections = append(p.connections, own...)
	p.grow()
	p.place()
	return p, nil
}

// group are the wires between two things, seen from a: a's end is From.
func (p *picture) group(a, b string) (out []kit.Connection) {
	for _, c := range p.connections {
		switch {
		case c.From.Thing == a && c.To.Thing == b:
			out = append(out, c)
		case c.From.Thing == b && c.To.Thing == a:
			c.From, c.To = c.To, c.From
			out = append(out, c)
		}
	}
	return out
}

// neighbours are the things wired to id, in the order of the wires.
func (p *picture) neighbours(id string) (out []string) {
	for _, c := range p.connections {
		for _, pair := range [][2]string{{c.From.Thing, c.To.Thing}, {c.To.Thing, c.From.Thing}} {
			if pair[0] == id && !slices.Contains(out, pair[1]) {
				out = append(out, pair[1])
			}
		}
	}
	return out
}

// grow makes the tree (breadth first from the Pi, then from what stands apart) and the references.
func (p *picture) grow() {
	boxes := map[string]*box{}
	add := func(id string, parent *box) *box {
		b := &box{id: id, thing: p.things[id], parent: parent}
		if parent != nil {
			b.wires = p.group(parent.id, id)
			parent.children = append(parent.children, b)
		}
		boxes[id] = b
		p.boxes = append(p.boxes, b)
		return b
	}
	spread := func(root *box) {
		for queue := []*box{root}; len(queue) > 0; queue = queue[1:] {
			for _, id := range p.neighbours(queue[0].id) {
				if boxes[id] == nil && !p.things[id].Apart {
					queue = append(queue, add(id, queue[0]))
				}
			}
		}
	}
	pi := add("pi", nil)
	spread(pi)
	for _, c := range p.connections {
		for _, id := range []string{c.From.Thing, c.To.Thing} {
			if boxes[id] == nil && p.things[id].Apart {
				b := add(id, pi)
				b.wires = nil
				spread(b)
			}
		}
	}
	for _, b := range slices.Clone(p.boxes) {
		for _, id := range p.neighbours(b.id) {
			other := boxes[id]
			if tree := other.parent == b && len(other.wires) > 0 || b.parent == other && len(b.wires) > 0; tree {
				continue
			}
			r := &box{id: id, thing: p.things[id], reference: true, parent: b, wires: p.group(b.id, id)}
			b.children = append(b.children, r)
			p.boxes = append(p.boxes, r)
		}
	}
}

// place puts what reaches far to the right of the Pi, and single boxes where there is room: beside those, then on the
// side that is shorter.
func (p *picture) place() {
	pi := p.boxes[0]
	pi.w, pi.x, pi.y = piW, margin+boxW+gapW, titleH+10
	bottoms := map[int]float64{} // of what stands in each column, with the gap below
	put := func(b *box, column int, y float64) {
		b.put(column, y)
		b.each(func(b *box) { bottoms[b.column] = max(bottoms[b.column], b.y+b.h+gapH) })
	}
	for column := -1; column <= 3; column++ {
		bottoms[column] = pi.y
	}
	var single, far []*box
	for _, c := range pi.children {
		if len(c.children) > 0 {
			far = append(far, c)
		} else {
			single = append(single, c)
		}
	}
	slices.SortStableFunc(single, func(a, b *box) int { return len(b.wires) - len(a.wires) })
	for _, c := range far {
		start := max(bottoms[1], bottoms[2], bottoms[3])
		for i := 0; i < len(single); i++ { // what fits below the last one in the first column
			single[i].put(1, 0)
			if h := single[i].h + gapH; bottoms[1]+h <= start+50 {
				put(single[i], 1, bottoms[1])
				single = slices.Delete(single, i, i+1)
				i--
			}
		}
		put(c, 1, max(start, bottoms[1]))
	}
	for _, c := range single {
		if bottoms[-1] <= bottoms[1] {
			put(c, -1, bottoms[-1])
		} else {
			put(c, 1, bottoms[1])
		}
	}
	for _, y := range bottoms {
		p.bottom = max(p.bottom, y-gapH)
	}
	pi.h = p.bottom - pi.y
}

// each calls f for a box and all that hangs on it.
func (b *box) each(f func(*box)) {
	f(b)
	for _, c := range b.children {
		c.each(f)
	}
}

// put places a box and what hangs on it, the top of the box at y. A box that stands apart has its references to its
// left.
func (b *box) put(column int, y float64) {
	if b.apart() {
		column++
	}
	b.column, b.y, b.w = column, y, boxW
	b.x = margin
	if column > 0 {
		b.x = margin + boxW + gapW + piW + gapW + float64(column-1)*(boxW+gapW)
	}
	b.foot = nil
	if !b.reference {
		for _, t := range []line{{b.thing.Place.Hi, 12.5}, {b.thing.Place.En, 11.5}} {
			for _, l := range wrap(t.text, t.size, b.w-16) {
				b.foot = append(b.foot, line{l, t.size})
			}
		}
	}
	b.h = headH + float64(len(b.wires))*pitch + b.footH()
	at := map[bool]float64{}
	for _, c := range b.children {
		to, left := column+1, b.apart() && c.reference
		if left {
			to = column - 1
		}
		c.put(to, y+at[left])
		b.h = max(b.h, c.y+headH+float64(len(c.wires))*pitch+b.footH()-y)
		at[left] += c.extent() + gapH
	}
}

// apart tells whether the box stands in the first row without a wire to the Pi.
func (b *box) apart() bool { return b.thing.Apart && !b.reference }

func (b *box) footH() float64 {
	if len(b.foot) == 0 {
		return 4
	}
	h := 12.0
	for _, l := range b.foot {
		h += l.size + 3
	}
	return h
}

// extent is the height of a box with all that hangs on it.
func (b *box) extent() float64 {
	bottom := 0.0
	b.each(func(b *box) { bottom = max(bottom, b.y+b.h) })
	return bottom - b.y
}

// wireY is the height of a wire to the parent.
func (b *box) wireY(i int) float64 { return b.y + headH + (float64(i)+0.5)*pitch }
