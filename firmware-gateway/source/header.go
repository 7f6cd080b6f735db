package source

import (
	"fmt"
	"slices"
	"strings"

	"karkhana/internal/config"
	"karkhana/internal/quantity"
)

// column is one measured column of a recording.
type column struct {
	q    quantity.Quantity
	unit string // as in the header; empty: wire unit
}

// columns is a parsed header: time, machine, then quantities.
type columns []column

const headerForm = "want time,machine,<quantity>[unit],…"

// parseHeader reads the header fields of a recording. The errors name the column and the way out.
func parseHeader(fields []string) (columns, error) {
	if len(fields) > 0 {
		fields[0] = strings.TrimPrefix(fields[0], "\ufeff")
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if len(fields) < 3 || fields[0] != "time" || fields[1] != "machine" {
		return nil, fmt.Errorf("header %.80q: %s", strings.Join(fields, ","), headerForm)
	}
	var cols columns
	var seen []string
	for i, f := range fields[2:] {
		c, err := parseColumn(f)
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", i+3, err)
		}
		if slices.Contains(seen, c.q.Name) {
			return nil, fmt.Errorf("column %d: %s is there twice", i+3, c.q.Name)
		}
		seen = append(seen, c.q.Name)
		cols = append(cols, c)
	}
	return cols, nil
}

func parseColumn(field string) (column, error) {
	name, unit, hasUnit := strings.Cut(field, "[")
	if hasUnit {
		var ok bool
		if unit, ok = strings.CutSuffix(unit, "]"); !ok {
			return column{}, fmt.Errorf("%q: the unit has no closing bracket: write %s[%s]", field, name, unit)
		}
	}
	name = strings.TrimSpace(name)
	q, ok := quantity.Get(name)
	if !ok {
		return column{}, fmt.Errorf("unknown quantity %q%s", name, config.DidYouMean(name, quantityNames()))
	}
	unit = strings.TrimSpace(unit)
	if q.Kind != quantity.KindNumber {
		if unit != "" {
			return column{}, fmt.Errorf("%s has no unit: leave out [%s]", name, unit)
		}
		return column{q: q}, nil
	}
	if _, err := q.ToWire(0, unit); err != nil {
		return column{}, err
	}
	return column{q: q, unit: unit}, nil
}

func quantityNames() []string {
	var names []string
	for _, q := range quantity.All() {
		names = append(names, q.Name)
	}
	return names
}
