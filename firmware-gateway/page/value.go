package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"karkhana/firmware-gateway/live"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// row is a quantity as people read it.
type row struct {
	Name    string
	Value   string // "": none
	Unit    string
	Age     string // "": that of the machine
	Quality string // "": good
	Bad     bool   // there is no value
	Path    string // of the course; "": too little to draw
	Range   string // lowest and highest of the course, for those who can't see it
}

// apart is how much older than the machine's newest value one may be without being told: windows of vibration are read
// each ten seconds.
const apart = 15 * time.Second

// row makes the row of a quantity; newest is the age of the machine's newest value, negative: none.
func (t texts) row(v live.Value, newest time.Duration) row {
	r := row{Name: t.quantity(v.Quantity)}
	if !v.Seen {
		if v.Quantity == quantity.Card {
			r.Quality = t.T("value.nocard")
		} else {
			r.Quality, r.Bad = t.T("value.none"), true
		}
		return r
	}
	if v.Quantity == quantity.Card || newest < 0 || v.Age-newest >= apart {
		r.Age = t.Ago(v.Age)
	}
	r.Quality, r.Bad = t.quality(v.Sample.Quality), v.Sample.IsFault()
	if !r.Bad {
		r.Value, r.Unit = t.value(v.Sample)
	}
	lo, hi := span(v.Course)
	if r.Path = course(v.Course, lo, hi); r.Path != "" {
		a, _ := t.value(wire.Sample{Quantity: v.Quantity, Number: lo})
		b, unit := t.value(wire.Sample{Quantity: v.Quantity, Number: hi})
		r.Range = t.T("value.range", "a", a, "b", b, "u", unit)
	}
	return r
}

// quantity names a quantity; a phase or a bound stands behind.
func (t texts) quantity(name string) string {
	if t.has("q." + name) {
		return t["q."+name]
	}
	if i := strings.LastIndexByte(name, '_'); i > 0 {
		if b, ok := t["q."+name[:i]]; ok {
			return b + " " + t.either(strings.ToUpper(name[i+1:]), "q."+name[i:])
		}
	}
	return name
}

// quality says in words how far a value is to be trusted.
func (t texts) quality(q string) string {
	if q == "" {
		return ""
	}
	if cause, ok := strings.CutPrefix(q, wire.Fault); ok {
		return t.either(t.T("fault.other", "c", cause), "fault."+cause)
	}
	return t.either(q, "quality."+q)
}

// value writes a value and its unit as people do.
func (t texts) value(s wire.Sample) (value, unit string) {
	q, ok := quantity.Get(s.Quantity)
	switch {
	case !ok:
		return "", ""
	case q.Kind == quantity.KindBool:
		return t.T(map[bool]string{true: "value.yes", false: "value.no"}[s.Bool]), ""
	case q.Kind == quantity.KindText:
		return t.T("value.shown"), "" // a card's hash is nobody's business here
	}
	v, unit, digits := s.Number, q.Unit, 2
	switch q.Unit {
	case "W":
		if math.Abs(v) < 100 {
			digits = 0
		} else {
			v, unit = v/1000, "kW"
		}
	case "Wh":
		v, unit, digits = v/1000, "kWh", 1
	case "Cel":
		unit, digits = "°C", 1
	case "m/s":
		v, unit = v*1000, "mm/s"
	case "m/s2":
		unit = "m/s²"
	case "%RH":
		unit, digits = "%", 0
	case "1/min":
		unit, digits = t.T("unit.rpm"), 0
	case "V":
		digits = 0
	case "count":
		unit, digits = "", 0
	case "/":
		unit = ""
	}
	return strconv.FormatFloat(v, 'f', digits, 64), unit
}

// The box in which a course is drawn.
const (
	courseW = 3 * (live.Points - 1)
	courseH = 22
)

func span(points []float32) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range points {
		if v := float64(p); !math.IsNaN(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}

// course draws the points, with holes where there is no value. Steady values lie in the middle, small changes stay small.
func course(points []float32, lo, hi float64) string {
	if math.IsInf(lo, 0) {
		return ""
	}
	if least := 0.02 * max(math.Abs(lo), math.Abs(hi), 1e-9); hi-lo < least {
		mid := (lo + hi) / 2
		lo, hi = mid-least/2, mid+least/2
	}
	var b strings.Builder
	drawn, pen := 0, false
	for i, p := range points {
		v := float64(p)
		if math.IsNaN(v) {
			pen = false
			continue
		}
		c := 'M'
		if pen {
			c = 'L'
			drawn++
		}
		pen = true
		fmt.Fprintf(&b, "%c%d %d", c, 3*i, 1+int(math.Round((courseH-2)*(1-(v-lo)/(hi-lo)))))
	}
	if drawn < 2 {
		return ""
	}
	return b.String()
}

func megabytes(n int64) string { return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) }

func gigabytes(n uint64) string { return strconv.FormatFloat(float64(n)/1e9, 'f', 1, 64) }
