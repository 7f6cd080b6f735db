package energy

import (
	"context"
	"math"
	"time"

	"karkhana/analytics/timeline"
)

// What a baseline must have before it predicts anything (ISO 50006; domain page §5).
const (
	LeastPeriods = 10   // in the base
	LeastSpread  = 0.05 // standard deviation of x ÷ its mean
	WantedR2     = 0.75 // below: flagged, not refused
)

// Why a baseline is refused or doubted.
const (
	BaselineFewPeriods = "few-periods"    // fewer than LeastPeriods usable periods: refused
	BaselineNoSpread   = "no-spread"      // x hardly varies: refused
	BaselineLowR2      = "low-r2"         // run-hours explain less than WantedR2 of the energy: doubted
	BaselineNegative   = "negative-slope" // more run-hours with less energy: doubted
)

// Model is the line E = B0 + B1·x of ordinary least squares over a base period, with E in Wh and x in run-hours of a day. B0
// is the standing load of a day, B1 what a run-hour adds.
type Model struct {
	FromMs, ToMs int64
	N            int // usable periods
	LeftOut      int // periods with too little coverage
	B0, B1       float64
	R2           float64
	XMin, XMax   float64
	Refused      string   // BaselineFewPeriods, BaselineNoSpread; "": the line holds
	Doubts       []string // BaselineLowR2, BaselineNegative
}

// Point is a day against the line.
type Point struct {
	FromMs, ToMs int64
	RunHours     float64
	Wh           float64
	Estimated    bool
	Predicted    *float64 // nil: no line
	Saving       *float64 // predicted − actual; above 0: less than the base would have drawn
	Cusum        *float64 // sum of the savings so far
	Outside      bool     // x lies outside the base's range: the line is extrapolated
	InBase       bool
}

// Fit is the line through points. The points' order does not matter.
func Fit(points []Point) Model {
	var m Model
	m.N = len(points)
	if m.N < LeastPeriods {
		m.Refused = BaselineFewPeriods
		return m
	}
	m.XMin, m.XMax = math.Inf(1), math.Inf(-1)
	var sx, sy float64
	for _, p := range points {
		sx, sy = sx+p.RunHours, sy+p.Wh
		m.XMin, m.XMax = min(m.XMin, p.RunHours), max(m.XMax, p.RunHours)
	}
	n := float64(m.N)
	mx, my := sx/n, sy/n
	var sxx, sxy, syy float64
	for _, p := range points {
		dx, dy := p.RunHours-mx, p.Wh-my
		sxx, sxy, syy = sxx+dx*dx, sxy+dx*dy, syy+dy*dy
	}
	if mx <= 0 || math.Sqrt(sxx/n) < LeastSpread*mx {
		m.Refused = BaselineNoSpread
		return m
	}
	m.B1 = sxy / sxx
	m.B0 = my - m.B1*mx
	if syy > 0 {
		var sse float64
		for _, p := range points {
			d := p.Wh - m.B0 - m.B1*p.RunHours
			sse += d * d
		}
		m.R2 = max(0, 1-sse/syy)
	}
	if m.R2 < WantedR2 {
		m.Doubts = append(m.Doubts, BaselineLowR2)
	}
	if m.B1 < 0 {
		m.Doubts = append(m.Doubts, BaselineNegative)
	}
	return m
}

// Baseline fits the line over the days of [baseFromMs, baseToMs) and holds the days of [fromMs, toMs) against it. Days of the
// site that are not over, or of which less than MinCoverage is known, are left out.
func Baseline(ctx context.Context, d Deps, id, machine string, base, asked [2]int64, nowMs int64) (Model, []Point, error) {
	s, err := open(ctx, d, id, nowMs)
	if err != nil {
		return Model{}, nil, err
	}
	all, left, err := s.days(ctx, machine, min(base[0], asked[0]), max(base[1], asked[1]))
	if err != nil {
		return Model{}, nil, err
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
	m := Fit(basis)
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
		predicted := m.B0 + m.B1*p.RunHours
		saving := predicted - p.Wh
		sum += saving
		cusum := sum
		p.Predicted, p.Saving, p.Cusum = &predicted, &saving, &cusum
		p.Outside = p.RunHours < m.XMin || p.RunHours > m.XMax
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
