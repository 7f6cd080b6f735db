package kit

// Bill is a bill of materials with its totals.
type Bill struct {
	Lines  []BillLine
	Rupees int    // of all lines
	Priced string // the oldest day of the prices in it
}

// BillLine is a part with its price for the whole quantity.
type BillLine struct {
	Part
	Machine string // "": of the gateway
	Sum     int    // rupees
}

// add puts the parts of hardware under a machine's name.
func (b *Bill) add(machine string, h Hardware) {
	if b.Priced == "" || h.Priced != "" && h.Priced < b.Priced {
		b.Priced = h.Priced
	}
	for _, p := range h.Parts {
		l := BillLine{Part: p, Machine: machine, Sum: p.Quantity * p.Rupees}
		b.Lines = append(b.Lines, l)
		b.Rupees += l.Sum
	}
}

// Bill is what the hardware costs.
func (h Hardware) Bill() Bill {
	var b Bill
	b.add("", h)
	return b
}
