package kit

import (
	"fmt"
	"slices"
	"strings"
)

// withLines returns the base with an adapter for every RS-485 line that is used, each like the first.
func (b *Base) withLines(used ...Hardware) *Base {
	first := Bus{Kind: RS485, Number: 1}.String()
	out := *b
	out.Things, out.Wiring, out.Parts = slices.Clone(b.Things), slices.Clone(b.Wiring), slices.Clone(b.Parts)
	for _, h := range used {
		for _, s := range h.Sensors {
			line := s.Bus.String()
			if s.Bus.Kind != RS485 || slices.ContainsFunc(out.Things, func(t Thing) bool { return t.ID == line }) {
				continue
			}
			for _, t := range b.Things {
				if t.ID == first {
					t.ID = line
					t.Name.Hi, t.Name.En = fmt.Sprintf("%s %d", t.Name.Hi, s.Bus.Number), fmt.Sprintf("%s %d", t.Name.En, s.Bus.Number)
					out.Things = append(out.Things, t)
				}
			}
			for _, w := range b.Wiring {
				if moved := w.moved(first, line); moved != w {
					out.Wiring = append(out.Wiring, moved)
				}
			}
			for _, p := range b.Parts {
				if p.For == first {
					p.For = line
					out.Parts = append(out.Parts, p)
				}
			}
		}
	}
	return &out
}

// moved is the wire with its ends at one thing moved to another.
func (w Wire) moved(from, to string) Wire {
	for _, end := range []*string{&w.From, &w.To} {
		if terminal, ok := strings.CutPrefix(*end, from+"."); ok {
			*end = to + "." + terminal
		}
	}
	return w
}

// moveLine lets the wires of a sensor follow it to another line.
func (k *Kit) moveLine(id string, from, to Bus) {
	if from.Kind != RS485 || from == to {
		return
	}
	for i, w := range k.Wiring {
		if strings.HasPrefix(w.From, id+".") || strings.HasPrefix(w.To, id+".") {
			k.Wiring[i] = w.moved(from.String(), to.String())
		}
	}
}
