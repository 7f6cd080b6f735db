package energy

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"karkhana/analytics/timeline"
)

// What a baseline must have before it predicts anything (ISO 50006; domain page §5).
const (
	LeastPeriods  = 10   // in the base
	PerVariable   = 5    // more of them for each variable after the first
	LeastChanging = 3    // periods in which kg or cold starts are other than usual
	LeastSpread   = 0.05 // standard deviation of x ÷ its mean
	MostVIF       = 10   // variance inflation: above, a variable goes with the others and their parts cannot be told
	MostMissing   = 0.20 // of the periods of the base, without a variable's figure: above, it is left out
	WantedR2      = 0.75 // below: flagged, not refused
	MostChance    = 0.05 // p of a coefficient: above, it is flagged
)

// What a day's energy may depend on.
const (
	RunHours   = "run-hours"
	Kg         = "kg"          // of the jobs on the machine
	ColdStarts = "cold-starts" // of a furnace
)

// Variables are all of them, in the order in which they are taken in.
var Variables = []string{RunHours, Kg, ColdStarts}

// Why a baseline is refused or doubted, or a variable left out.
const (
	BaselineFewPeriods = "few-periods"     // too few usable periods: refused, or left out
	BaselineNoSpread   = "no-spread"       // the variable hardly varies: left out; refused when none is left
	BaselineCollinear  = "collinear"       // the variable goes with those before it: left out
	BaselineMissing    = "missing"         // of too many periods the variable is not known: left out
	BaselineNoFigures  = "no-figures"      // the machine has no such figures at all: left out
	BaselineLowR2      = "low-r2"          // the variables explain less than WantedR2 of the energy: doubted
	BaselineNegative   = "negative-slope"  // more of a variable with less energy: doubted
	BaselineChance     = "not-significant" // a coefficient that may be chance (p above MostChance): doubted
)

// Model is E = B0 + Σ B·x of ordinary least squares over a base period, with E in Wh of a day. B0 is the standing load of a
// day, each term's B what one more of its variable adds.
type Model struct {
	FromMs, ToMs int64
	N            int // periods that the model is fitted to
	LeftOut      int // periods with too little coverage
	Missing      int // periods of which a variable of the model is not known
	B0, SE0      float64
	Terms        []Term
	Omitted      []Omitted
	R2, Adjusted float64  // R², and R² for the degrees of freedom
	ResidualWh   float64  // standard deviation of what is left over
	Condition    float64  // of the scaled variables: 1 when none goes with another
	Refused      string   // BaselineFewPeriods, or why the first variable was left out when none is left; "": the model holds
	Doubts       []string // BaselineLowR2, BaselineNegative, BaselineChance
}

// Term is a variable of a model. T is nil for an exact fit.
type Term struct {
	Variable   string
	B, SE      float64  // Wh for one more, and its standard error
	T          *float64 // B ÷ SE
	P          float64  // how often chance alone gives as much, two-sided
	VIF        float64  // variance inflation: 1 when it goes with no other
	Min, Max   float64  // range of the base
	NotCertain bool     // P lies above MostChance
}

// Omitted is a variable that was asked for and that the data does not carry.
type Omitted struct{ Variable, Why string }

// Term returns the term of a variable; nil: it is not in the model.
func (m *Model) Term(variable string) *Term {
	for i := range m.Terms {
		if m.Terms[i].Variable == variable {
			return &m.Terms[i]
		}
	}
	return nil
}

// Point is a day against the model.
type Point struct {
	FromMs, ToMs int64
	RunHours     float64
	Kg           *float64 // nil: not known
	ColdStarts   *float64 // nil: not known
	Wh           float64
	Estimated    bool
	Predicted    *float64 // nil: no model, or a variable of it is not known
	Saving       *float64 // predicted − actual; above 0: less than the base would have drawn
	Cusum        *float64 // sum of the savings so far
	Outside      []string // variables outside the base's range: the model is extrapolated
	Missing      []string // variables of the model that are not known: no prediction
	InBase       bool
}

// value is a variable of the day; false: not known.
func (p *Point) value(variable string) (float64, bool) {
	from := map[string]*float64{RunHours: &p.RunHours, Kg: p.Kg, ColdStarts: p.ColdStarts}[variable]
	if from == nil {
		return 0, false
	}
	return *from, true
}

// Fit is the model of points in the variables that are asked for, as far as the points carry them; none asked for means
// run-hours. The order of points and of variables does not matter.
func Fit(points []Point, variables ...string) Model {
	points = slices.Clone(points)
	slices.SortFunc(points, comparePoints) // sums of floats depend on their order
	if len(variables) == 0 {
		variables = []string{RunHours}
	}
	m := Model{N: len(points)}
	if m.N < LeastPeriods {
		m.Refused = BaselineFewPeriods
		return m
	}
	var taken []string
	var fitted regression
	for _, v := range Variables {
		if !slices.Contains(variables, v) {
			continue
		}
		r, why := try(points, append(slices.Clone(taken), v))
		if why != "" {
			m.Omitted = append(m.Omitted, Omitted{v, why})
			continue
		}
		taken, fitted = append(taken, v), r
	}
	if len(taken) == 0 {
		m.Refused = BaselineNoSpread
		if len(m.Omitted) > 0 { // as the first of them is
			m.Refused = m.Omitted[0].Why
		}
		return m
	}
	m.take(points, taken, fitted)
	return m
}

func comparePoints(a, b Point) int {
	order := cmp.Or(cmp.Compare(a.FromMs, b.FromMs), cmp.Compare(a.Wh, b.Wh))
	for _, v := range Variables {
		x, knownX := a.value(v)
		y, knownY := b.value(v)
		if !knownX {
			x = -1
		}
		if !knownY {
			y = -1
		}
		order = cmp.Or(order, cmp.Compare(x, y))
	}
	return order
}

// known are the points of which all the variables are known, as rows, and their energies.
func known(points []Point, variables []string) (xs [][]float64, y []float64) {
	for i := range points {
		row := make([]float64, 0, len(variables))
		for _, v := range variables {
			if x, ok := points[i].value(v); ok {
				row = append(row, x)
			}
		}
		if len(row) == len(variables) {
			xs, y = append(xs, row), append(y, points[i].Wh)
		}
	}
	return xs, y
}

// try fits the variables, of which all but the last have been taken already; why says what speaks against the last.
func try(points []Point, variables []string) (r regression, why string) {
	last := len(variables) - 1
	own, _ := known(points, variables[last:])
	if len(own) == 0 {
		return r, BaselineNoFigures
	}
	if float64(len(points)-len(own)) > MostMissing*float64(len(points)) {
		return r, BaselineMissing
	}
	xs, y := known(points, variables)
	if len(xs) < LeastPeriods+PerVariable*last {
		return r, BaselineFewPeriods
	}
	column := make([]float64, len(xs))
	for i := range xs {
		column[i] = xs[i][last]
	}
	if !varies(column, variables[last]) {
		return r, BaselineNoSpread
	}
	r, ok := leastSquares(xs, y)
	if !ok || slices.Max(r.vif) > MostVIF {
		return r, BaselineCollinear
	}
	return r, ""
}

// varies says whether there is enough difference in a variable to see what it does: of its mean, and on enough days.
func varies(x []float64, variable string) bool {
	var sum float64
	often := map[float64]int{}
	most := 0
	for _, v := range x {
		sum += v
		often[v]++
		most = max(most, often[v])
	}
	mean := sum / float64(len(x))
	var square float64
	for _, v := range x {
		square += (v - mean) * (v - mean)
	}
	return mean > 0 && math.Sqrt(square/float64(len(x))) >= LeastSpread*mean &&
		(variable == RunHours || len(x)-most >= LeastChanging)
}

// take makes a model of what was fitted.
func (m *Model) take(points []Point, variables []string, r regression) {
	xs, _ := known(points, variables)
	m.Missing, m.N = len(points)-len(xs), len(xs)
	m.B0, m.SE0 = r.b[0], r.se[0]
	m.R2, m.Adjusted, m.ResidualWh, m.Condition = r.r2, r.adjusted, r.residual, r.condition
	var negative, chance bool
	for j, v := range variables {
		t := Term{Variable: v, B: r.b[j+1], SE: r.se[j+1], P: r.p[j+1], VIF: r.vif[j], Min: math.Inf(1), Max: math.Inf(-1)}
		if !math.IsInf(r.t[j+1], 0) {
			t.T = &r.t[j+1]
		}
		for _, row := range xs {
			t.Min, t.Max = min(t.Min, row[j]), max(t.Max, row[j])
		}
		t.NotCertain = t.P > MostChance
		negative, chance = negative || t.B < 0, chance || t.NotCertain
		m.Terms = append(m.Terms, t)
	}
	for _, d := range []struct {
		so   bool
		code string
	}{{m.R2 < WantedR2, BaselineLowR2}, {negative, BaselineNegative}, {chance, BaselineChance}} {
		if d.so {
			m.Doubts = append(m.Doubts, d.code)
		}
	}
}

// Baseline fits the model in the given variables over the days of [base[0], base[1]) and holds the days of asked against it.
// Days of the site that are not over, or of which less than MinCoverage is known, are left out.
func Baseline(ctx context.Context, d Deps, id, machine string, variables []string, base, asked [2]int64, nowMs int64) (Model, []Point, error) {
	s, err := open(ctx, d, id, nowMs)
	if err != nil {
		return Model{}, nil, err
	}
	all, left, err := s.days(ctx, machine, min(base[0], asked[0]), max(base[1], asked[1]))
	if err != nil {
		return Model{}, nil, err
	}
	if err := s.drivers(ctx, machine, variables, all); err != nil {
		return Model{}, nil, fmt.Errorf("baseline of %s/%s: %w", id, machine, err)
	}
	var basis, points []Point
	for _, p := range all {
		p.InBase = p.FromMs >= base[0] && p.ToMs <= base[1]
		if p.InBase {
			basis = append(basis, p)
		}
		if p.FromMs >= asked[0] && p.ToMs <= asked[1] {
			points = append(points, p)
		}
	}
	m := Fit(basis, variables...)
	m.FromMs, m.ToMs = base[0], base[1]
	for _, ms := range left {
		if ms >= base[0] && ms < base[1] {
			m.LeftOut++
		}
	}
	m.predict(points)
	return m, points, nil
}

func (m *Model) predict(points []Point) {
	if m.Refused != "" {
		return
	}
	var sum float64
	for i := range points {
		p := &points[i]
		predicted := m.B0
		for _, t := range m.Terms {
			x, ok := p.value(t.Variable)
			if !ok {
				p.Missing = append(p.Missing, t.Variable)
				continue
			}
			predicted += t.B * x
			if x < t.Min || x > t.Max {
				p.Outside = append(p.Outside, t.Variable)
			}
		}
		if len(p.Missing) > 0 {
			continue
		}
		saving := predicted - p.Wh
		sum += saving
		cusum := sum
		p.Predicted, p.Saving, p.Cusum = &predicted, &saving, &cusum
	}
}

// days are the whole days of the site in a stretch with enough coverage, and the beginnings of the others.
func (s *site) days(ctx context.Context, machine string, fromMs, toMs int64) (out []Point, left []int64, err error) {
	hours, err := timeline.ReadHours(ctx, s.Store, s.id, machine, fromMs, toMs)
	if err != nil {
		return nil, nil, err
	}
	t := time.UnixMilli(fromMs).In(s.zone)
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, s.zone)
	if day.UnixMilli() < fromMs {
		day = day.AddDate(0, 0, 1)
	}
	for ; ; day = day.AddDate(0, 0, 1) {
		p := Point{FromMs: day.UnixMilli(), ToMs: day.AddDate(0, 0, 1).UnixMilli()}
		if p.ToMs > toMs || p.ToMs > s.nowMs {
			return out, left, nil
		}
		var known, run, milliWh int64
		for _, h := range in(hours, span{p.FromMs, p.ToMs}) {
			known += h.OffMs + h.IdleMs + h.RunMs
			run += h.RunMs
			milliWh += h.MilliWh()
			p.Estimated = p.Estimated || h.Estimated
		}
		if float64(known) < MinCoverage*float64(p.ToMs-p.FromMs) {
			left = append(left, p.FromMs)
			continue
		}
		p.RunHours, p.Wh = float64(run)/float64(timeline.HourMs), float64(milliWh)/1000
		out = append(out, p)
	}
}
