package page

import (
	"fmt"
	"strings"
	"time"

	"karkhana/hardware/kit"
)

// doc writes Markdown.
type doc struct{ strings.Builder }

func (d *doc) p(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

// row writes a row of a table.
func (d *doc) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	d.p("| %s |", strings.Join(cells, " | "))
}

// head writes the head of a table; a column whose name begins with > is right-aligned.
func (d *doc) head(columns ...string) {
	rules := make([]string, len(columns))
	for i, c := range columns {
		rules[i] = "---"
		if strings.HasPrefix(c, ">") {
			columns[i], rules[i] = c[1:], "---:"
		}
	}
	d.row(columns...)
	d.row(rules...)
}

// both is a text in both languages in one line.
func both(n kit.Name) string {
	if n.Hi == "" {
		return ""
	}
	return n.Hi + " · " + n.En
}

// lines is a text in both languages in a cell.
func lines(n kit.Name) string {
	if n.Hi == "" {
		return ""
	}
	return n.Hi + "<br>" + n.En
}

// rupees writes whole rupees with Indian grouping: ₹1,23,456.
func rupees(n int) string { return "₹" + kit.Rupees(n) }

// grouped writes a whole number with Indian grouping.
func grouped(n int) string { return kit.Rupees(n) }

// day writes a day as it is read in India: 22-11-2026.
func day(iso string) string {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		return iso
	}
	return t.Format("02-01-2006")
}

// duration writes a stretch of time as in a file: 3m, 10s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
