package meter

import (
	"fmt"
	"sort"

	"karkhana/internal/quantity"
)

// When power counts as flowing backwards: below a noise level, in so many readings one after the other. A motor braking
// feeds back for seconds; a transformer the wrong way round does it as long as the machine runs.
const (
	reversedBelowW   = -20
	reversedReadings = 5
)

// reversedExportWh is how much more an export register must have grown than the import beside it.
const reversedExportWh = 100

// Watch looks at a meter's readings one after the other and says what a person should know: register resets, wraps and
// jumps, and reversed current transformers. It never changes a value. Bill the import register; a finding `reversed`
// says why it stands still. Each condition is told once when it begins, and again when it begins anew. The zero value
// is ready. It is not safe for concurrent use.
type Watch struct {
	energy, export   Register
	power            float64        // W, newest
	negative         map[string]int // readings in a row
	reversed         map[string]bool
	has              bool
	firstIn, firstEx float64 // registers when the export last was level with the import
}

// Check takes one reading at a time in Unix milliseconds. Values may come in part, as MQTT meters send them.
func (w *Watch) Check(timeMs int64, values []Value) []Finding {
	if w.negative == nil {
		w.negative, w.reversed = map[string]int{}, map[string]bool{}
		w.export.Name = EnergyExport
	}
	v := map[string]float64{}
	for _, x := range values {
		v[x.Name] = x.Number
	}
	var out []Finding
	if watts, ok := v[quantity.Power]; ok {
		w.power = watts
	}
	if wh, ok := v[quantity.Energy]; ok {
		if f, ok := w.energy.Next(timeMs, wh, w.power); ok {
			out = append(out, f)
			w.has = false
		}
	}
	if wh, ok := v[EnergyExport]; ok {
		if f, ok := w.export.Next(timeMs, wh, -w.power); ok {
			out = append(out, f)
			w.has = false
		}
	}
	for _, name := range []string{quantity.Power, quantity.Power + "_l1", quantity.Power + "_l2", quantity.Power + "_l3"} {
		watts, ok := v[name]
		switch {
		case !ok:
		case watts < reversedBelowW:
			if w.negative[name]++; w.negative[name] == reversedReadings {
				out = w.reverse(out, name, fmt.Sprintf("%s is %.0f W: the current transformer sits the wrong way round, or its wires are swapped: turn it round", name, watts))
			}
		case watts > -reversedBelowW: // near zero nothing flows: it says neither
			w.negative[name], w.reversed[name] = 0, false
		}
	}
	return w.exported(out, v)
}

// exported compares the growth of the export register with that of the import.
func (w *Watch) exported(out []Finding, v map[string]float64) []Finding {
	in, hasIn := v[quantity.Energy]
	ex, hasEx := v[EnergyExport]
	if !hasIn || !hasEx {
		return out
	}
	if !w.has {
		w.has, w.firstIn, w.firstEx = true, in, ex
		return out
	}
	switch grown := (ex - w.firstEx) - (in - w.firstIn); {
	case grown >= reversedExportWh:
		out = w.reverse(out, EnergyExport, fmt.Sprintf("export grew by %.0f Wh while import grew by %.0f Wh: the current transformer sits the wrong way round; what it exports is not billed", ex-w.firstEx, in-w.firstIn))
		w.firstIn, w.firstEx = in, ex
	case grown <= -reversedExportWh:
		w.firstIn, w.firstEx, w.reversed[EnergyExport] = in, ex, false
	}
	return out
}

func (w *Watch) reverse(out []Finding, name, detail string) []Finding {
	if w.reversed[name] {
		return out
	}
	w.reversed[name] = true
	return append(out, Finding{FindingReversed, name, detail})
}

// Reversed lists the values at which power flows backwards now, sorted.
func (w *Watch) Reversed() []string {
	var out []string
	for name, is := range w.reversed {
		if is {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}
