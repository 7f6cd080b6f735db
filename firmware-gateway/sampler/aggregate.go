package sampler

import (
	"strings"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// rule says what a window makes of its readings.
type rule uint8

const (
	mean  rule = iota // of the readings, at the window's start
	last              // the last reading, at its own time: registers and set values
	low               // smallest, at the window's start
	high              // largest, at the window's start
	event             // not collected: passes at once, at its own time
)

// ruleOf is the table of what a window does with each quantity.
func ruleOf(name string) rule {
	switch name {
	case quantity.Energy, quantity.Pulses, quantity.Setpoint, quantity.Supply, quantity.Status, quantity.StatusCode:
		return last
	case quantity.Card:
		return event
	}
	switch {
	case strings.HasSuffix(name, "_min"):
		return low
	case strings.HasSuffix(name, "_max"):
		return high
	}
	return mean
}

// Faults that the aggregator itself finds.
const (
	faultRange   = wire.Fault + "range"   // the value is not finite or beyond what the quantity can be
	faultUnknown = wire.Fault + "unknown" // the source gave a quality that is not of the contract
)

// cell collects one quantity within a window.
type cell struct {
	q         quantity.Quantity
	rule      rule
	n         int // readings with a value
	sum       float64
	min, max  float64
	last      wire.Sample
	quality   string // worst of the readings with a value
	fault     string // of readings without a value
	faultAtMs int64
}

// aggregator makes one sample per quantity and window out of many. A mean holds from its window's start on, which is
// therefore its time.
type aggregator struct {
	window  int64 // ms; 0 or less: every reading passes as it is
	joined  bool  // the first window may have begun before us: stamp it with its first reading, not with its start
	start   int64 // of the open window
	stamp   int64 // what the means of the open window carry
	open    bool
	closed  int     // windows
	cells   []*cell // in the order in which the quantities were first seen
	byName  map[string]*cell
	supply  *bool  // last one seen
	unknown uint64 // samples of no known quantity, left out
}

func newAggregator(windowMs int64) *aggregator {
	return &aggregator{window: windowMs, byName: map[string]*cell{}}
}

// add takes a reading and appends to out what is ready to be sent.
func (a *aggregator) add(s wire.Sample, out []wire.Sample) []wire.Sample {
	c := a.cell(s.Quantity)
	if c == nil {
		a.unknown++
		return out
	}
	s = checked(s, c.q)
	if a.window <= 0 || c.rule == event {
		return append(out, s)
	}
	if s.Quantity == quantity.Supply && !s.IsFault() && (a.supply == nil || *a.supply != s.Bool) {
		a.supply = &s.Bool
		return append(out, s) // a change is an event
	}
	if a.open && floor(s.TimeMs, a.window) != a.start {
		out = a.flush(out)
	}
	if !a.open {
		a.open, a.start = true, floor(s.TimeMs, a.window)
		a.stamp = a.start
		if a.joined && a.closed == 0 {
			a.stamp = s.TimeMs
		}
	}
	c.add(s)
	return out
}

func (a *aggregator) cell(name string) *cell {
	if c, ok := a.byName[name]; ok {
		return c
	}
	q, ok := quantity.Get(name)
	if !ok {
		return nil
	}
	c := &cell{q: q, rule: ruleOf(name)}
	a.cells, a.byName[name] = append(a.cells, c), c
	return c
}

// flush closes the open window.
func (a *aggregator) flush(out []wire.Sample) []wire.Sample {
	for _, c := range a.cells {
		out = c.close(a.stamp, out)
	}
	if a.open {
		a.open = false
		a.closed++
	}
	return out
}

// checked turns a value that can't be sent into a fault: one bad reading must not spoil its pack.
func checked(s wire.Sample, q quantity.Quantity) wire.Sample {
	if !wire.ValidQuality(s.Quality) {
		s.Quality = faultUnknown
	}
	if s.IsFault() {
		return wire.Sample{TimeMs: s.TimeMs, Quantity: s.Quantity, Quality: s.Quality}
	}
	if q.Kind == quantity.KindNumber && q.Check(s.Number) != nil || len(s.Text) > wire.MaxTextBytes {
		return wire.Sample{TimeMs: s.TimeMs, Quantity: s.Quantity, Quality: faultRange}
	}
	return s
}

func (c *cell) add(s wire.Sample) {
	if s.IsFault() {
		if c.fault == "" {
			c.fault, c.faultAtMs = s.Quality, s.TimeMs
		}
		return
	}
	if c.n == 0 {
		c.min, c.max = s.Number, s.Number
	}
	c.n++
	c.sum += s.Number
	c.min, c.max = min(c.min, s.Number), max(c.max, s.Number)
	c.last = s
	c.quality = worse(c.quality, s.Quality)
}

// close appends what the window knows of this quantity. Only a window without any value says that it has a fault.
func (c *cell) close(stamp int64, out []wire.Sample) []wire.Sample {
	defer c.reset()
	if c.n == 0 {
		if c.fault != "" {
			out = append(out, wire.Sample{TimeMs: c.faultAtMs, Quantity: c.q.Name, Quality: c.fault})
		}
		return out
	}
	s := wire.Sample{TimeMs: stamp, Quantity: c.q.Name, Quality: c.quality}
	switch c.rule {
	case last:
		s = c.last
		s.Quality = c.quality
	case low:
		s.Number = c.min
	case high:
		s.Number = c.max
	default:
		s.Number = short(c.sum / float64(c.n))
	}
	out = append(out, s)
	if c.q.Name == quantity.Power && c.n > 1 {
		lo, hi := s, s
		lo.Quantity, lo.Number = quantity.PowerMin, c.min
		hi.Quantity, hi.Number = quantity.PowerMax, c.max
		out = append(out, lo, hi)
	}
	return out
}

func (c *cell) reset() {
	*c = cell{q: c.q, rule: c.rule}
}

// short cuts a mean to single precision (7 digits, far beyond any sensor): 5 bytes on the wire instead of 9.
func short(v float64) float64 { return float64(float32(v)) }

// worse returns the quality that warns more.
func worse(a, b string) string {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(quality string) int {
	switch quality {
	case "":
		return 0
	case "estimated":
		return 1
	case "stale":
		return 2
	default:
		return 3
	}
}

func floor(ms, step int64) int64 {
	r := ms % step
	if r < 0 {
		r += step
	}
	return ms - r
}
