package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// How often the slow parts of a machine's picture are read again while nothing seems to change. Late data may
// rewrite any part of the day, so they are never kept for long.
const (
	todayEveryMs    = 15_000
	neverSeenEvery  = 60_000
	longestLookback = 400 * 24 * 3600_000 // how far back a silent machine's last sample is looked for
	sparkSpanMs     = 3600_000
	sparkStepMs     = 60_000
)

// slowBudget is how long the slow parts of a site's machines may hold up its live values in one look. What finds no time
// keeps its last picture until the next look.
const slowBudget = 200 * time.Millisecond

// liveFields are the stored fields behind Values, in the order of setValue.
var liveFields = []string{
	quantity.Field(quantity.Power), quantity.Field(quantity.Temperature), quantity.Field(quantity.Setpoint),
	quantity.Field(quantity.Vibration), quantity.Field(quantity.Speed), quantity.Field(quantity.Current),
	quantity.Field(quantity.Voltage), quantity.Field(quantity.Humidity), quantity.Field(quantity.Accel),
	quantity.Field(quantity.Kurtosis), quantity.Field(quantity.Energy),
}

// values turns a row of liveFields into Values, rounded to what the eye can use.
func values(row []any) Values {
	var v Values
	for i, to := range []struct {
		at       **float64
		decimals float64
	}{{&v.PowerW, 1}, {&v.TemperatureC, 10}, {&v.SetpointC, 10}, {&v.VibrationMMS, 100}, {&v.SpeedRPM, 1}, {&v.CurrentA, 100}, {&v.VoltageV, 10}, {&v.HumidityRH, 10}, {&v.AccelerationMS2, 100}, {&v.Kurtosis, 100}} {
		if x, ok := tsdb.Number(row[i]); ok {
			rounded := math.Round(x*to.decimals) / to.decimals
			*to.at = &rounded
		}
	}
	return v
}

// reader reads one site's picture and remembers the slow parts between readings. Not safe for concurrent use.
type reader struct {
	store tsdb.Store
	reg   Registry
	site  registry.Site
	slow  map[string]*slowParts // by machine
}

// slowParts are the costly parts of one machine's picture.
type slowParts struct {
	readMs     int64 // when today was read
	newest     newestState
	today      MachineToday
	state      string
	sinceMs    int64
	soughtMs   int64 // when the last sample of a silent machine was looked for
	lastSample int64
}

// newestState identifies the newest stored piece: when it differs, the state changed or an hour passed.
type newestState struct {
	timeMs int64
	state  string
}

// read makes the picture of every machine at nowMs. When the live values can't wait, slow parts that were read before are
// read again only as far as budget reaches, at least one of them; 0: all that are due.
func (r *reader) read(ctx context.Context, nowMs int64, budget time.Duration) ([]Machine, error) {
	machines, err := r.reg.Machines(ctx, r.site.ID)
	if err != nil {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	loc, err := zone(r.site.Zone)
	if err != nil {
		return nil, err
	}
	limits := make([]int64, len(machines))
	longest := registry.Settings{}.GapLimitMs()
	for i, m := range machines {
		if limits[i], err = gapLimit(ctx, r.reg, r.site.ID, m.ID, nowMs); err != nil {
			return nil, err
		}
		longest = max(longest, limits[i])
	}
	fresh, err := r.last(ctx, tsdb.Query{Measurement: tsdb.Telemetry, Site: r.site.ID, Fields: liveFields, FromMs: nowMs - longest, ToMs: nowMs + 600_000})
	if err != nil {
		return nil, fmt.Errorf("read the newest samples: %w", err)
	}
	states, err := r.last(ctx, tsdb.Query{Measurement: tsdb.State, Site: r.site.ID, Fields: []string{timeline.FieldState}, FromMs: nowMs - 2*24*3600_000, ToMs: nowMs + 600_000})
	if err != nil {
		return nil, fmt.Errorf("read the newest states: %w", err)
	}
	holders, err := r.holders(ctx, nowMs)
	if err != nil {
		return nil, err
	}
	alarms, err := r.reg.Alarms(ctx, r.site.ID, true, 1000)
	if err != nil {
		return nil, fmt.Errorf("list alarms: %w", err)
	}
	count := map[string]int{}
	for _, al := range alarms {
		count[al.Machine]++
	}

	due := make([]dueParts, 0, len(machines))
	for i, m := range machines {
		if d := r.due(m, states[m.ID], nowMs); d.rank != notDue {
			d.limitMs = limits[i]
			due = append(due, d)
		}
	}
	if err := r.readDue(ctx, due, nowMs, midnight(nowMs, loc), budget); err != nil {
		return nil, err
	}

	out := make([]Machine, len(machines))
	for i, m := range machines {
		slow := r.slow[m.ID]
		row, seen := fresh[m.ID]
		if seen {
			slow.lastSample = row.TimeMs
		} else if slow.soughtMs == 0 || nowMs-slow.soughtMs >= neverSeenEvery {
			if slow.lastSample, err = r.lastSample(ctx, m.ID, nowMs); err != nil {
				return nil, err
			}
			slow.soughtMs = nowMs
		}
		live := MachineLive{State: slow.state, Since: atOrNil(slow.sinceMs), Group: holders[m.ID], Alarms: count[m.ID], LastSample: atOrNil(slow.lastSample), AgeS: -1}
		age := nowMs - slow.lastSample
		live.Stale = slow.lastSample == 0 || age > limits[i]
		if slow.lastSample != 0 {
			live.AgeS = seconds(max(0, age))
		}
		switch {
		case slow.lastSample == 0:
			live.State, live.Since, live.Why = timeline.StateUnknown, nil, "never"
		case live.Stale:
			live.State, live.Since, live.Why = timeline.StateUnknown, live.LastSample, "no-data"
		case slow.state == timeline.StateUnknown && m.Billable():
			live.Why = "computing"
		}
		if seen && !live.Stale {
			live.Values = values(row.Values)
		}
		out[i] = Machine{ID: m.ID, Class: m.Class, Name: m.Name, Meter: !m.Billable(), Live: live, Today: slow.today}
	}
	return out, nil
}

// dueParts are the slow parts of one machine that have to be read again.
type dueParts struct {
	machine registry.Machine
	slow    *slowParts
	newest  newestState
	limitMs int64
	rank    int
}

// The order in which slow parts are read.
const (
	dueNever   = iota // never read: there is nothing to show yet
	dueChanged        // the state changed
	dueOld            // read long ago
	notDue
)

// due says whether the slow parts of a machine, whose newest stored piece is given, have to be read again.
func (r *reader) due(m registry.Machine, piece tsdb.Row, nowMs int64) dueParts {
	slow := r.slow[m.ID]
	if slow == nil {
		slow = &slowParts{}
		r.slow[m.ID] = slow
	}
	d := dueParts{machine: m, slow: slow, rank: notDue}
	if len(piece.Values) > 0 {
		d.newest.timeMs = piece.TimeMs
		d.newest.state, _ = piece.Values[0].(string)
	}
	switch {
	case slow.readMs == 0:
		d.rank = dueNever
	case d.newest != slow.newest || d.newest.state == timeline.StateVoid:
		d.rank = dueChanged
	case nowMs-slow.readMs >= todayEveryMs:
		d.rank = dueOld
	}
	return d
}

// readDue reads slow parts, the most urgent first and of those the oldest, as far as budget reaches.
func (r *reader) readDue(ctx context.Context, due []dueParts, nowMs, fromMs int64, budget time.Duration) error {
	slices.SortStableFunc(due, func(a, b dueParts) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.slow.readMs, b.slow.readMs))
	})
	begun := time.Now()
	for i, d := range due {
		if i > 0 && d.rank != dueNever && budget > 0 && time.Since(begun) >= budget {
			return nil
		}
		if err := r.readSlow(ctx, d.machine, d.slow, nowMs, fromMs, d.limitMs); err != nil {
			return err
		}
		d.slow.newest = d.newest
	}
	return nil
}

// readSlow reads the day's states and the last hour of power.
func (r *reader) readSlow(ctx context.Context, m registry.Machine, s *slowParts, nowMs, fromMs, limitMs int64) error {
	whole, err := timeline.Read(ctx, r.store, r.site.ID, m.ID, fromMs, nowMs, nowMs, limitMs)
	if err != nil {
		return fmt.Errorf("read the states of %s: %w", m.ID, err)
	}
	t := MachineToday{From: at(fromMs), To: at(nowMs), Segments: []Segment{}}
	for _, p := range timeline.Clip(whole, fromMs, nowMs) {
		t.Segments = append(t.Segments, Segment{State: p.State, Start: at(p.StartMs), End: at(p.EndMs)})
		d := seconds(p.EndMs - p.StartMs)
		switch p.State {
		case timeline.StateRun:
			t.RunS += d
		case timeline.StateIdle:
			t.IdleS += d
		case timeline.StateOff:
			t.OffS += d
		default:
			t.UnknownS += d
		}
	}
	// Stored pieces end at local hours, so the day's energy needs no cutting of an interval that began yesterday.
	pieces, err := timeline.Pieces(ctx, r.store, r.site.ID, m.ID, fromMs, nowMs)
	if err != nil {
		return fmt.Errorf("read the energy of %s: %w", m.ID, err)
	}
	var milliWh int64
	for _, p := range pieces {
		if p.State != timeline.StateVoid {
			milliWh += p.EnergyMilliWh
			t.EnergyEstimated = t.EnergyEstimated || (p.EnergyEstimated && p.EnergyMilliWh != 0)
		}
	}
	t.EnergyWh = wattHours(milliWh)
	s.state, s.sinceMs = timeline.StateUnknown, 0
	if n := len(whole); n > 0 { // intervals come whole, so the begin may lie on a former day
		s.state, s.sinceMs = whole[n-1].State, whole[n-1].StartMs
	}
	if t.Spark, err = r.spark(ctx, m.ID, nowMs); err != nil {
		return err
	}
	s.today, s.readMs = t, nowMs
	return nil
}

func (r *reader) spark(ctx context.Context, machine string, nowMs int64) (Spark, error) {
	from := (nowMs-sparkSpanMs)/sparkStepMs*sparkStepMs + sparkStepMs
	buckets, err := r.store.Buckets(ctx, tsdb.Query{
		Measurement: tsdb.Telemetry, Site: r.site.ID, Machine: machine, Fields: []string{quantity.Field(quantity.Power)}, FromMs: from, ToMs: from + sparkSpanMs,
	}, sparkStepMs)
	if err != nil {
		return Spark{}, fmt.Errorf("read the power of %s: %w", machine, err)
	}
	s := Spark{From: at(from), StepS: seconds(sparkStepMs), MeanW: make([]*float64, sparkSpanMs/sparkStepMs)}
	for _, b := range buckets {
		if i := (b.FromMs - from) / sparkStepMs; i >= 0 && int(i) < len(s.MeanW) {
			w := math.Round(b.Mean)
			s.MeanW[i] = &w
		}
	}
	return s, nil
}

// last is Store.Last by machine.
func (r *reader) last(ctx context.Context, q tsdb.Query) (map[string]tsdb.Row, error) {
	rows, err := r.store.Last(ctx, q)
	if err != nil {
		return nil, err
	}
	out := make(map[string]tsdb.Row, len(rows))
	for _, row := range rows {
		out[row.Machine] = row
	}
	return out, nil
}

// lastSample is the time of a silent machine's newest sample, 0 when there is none.
func (r *reader) lastSample(ctx context.Context, machine string, nowMs int64) (int64, error) {
	rows, err := r.last(ctx, tsdb.Query{
		Measurement: tsdb.Telemetry, Site: r.site.ID, Machine: machine, Fields: liveFields, FromMs: nowMs - longestLookback, ToMs: nowMs + 600_000,
	})
	if err != nil {
		return 0, fmt.Errorf("look for the last sample of %s: %w", machine, err)
	}
	return rows[machine].TimeMs, nil
}

// holders are the groups whose card holds a machine now.
func (r *reader) holders(ctx context.Context, nowMs int64) (map[string]*AtMachine, error) {
	sessions, _, err := session.Read(ctx, r.reg, session.Query{Site: r.site.ID, FromMs: nowMs - 1, ToMs: nowMs})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	names, err := groupNames(ctx, r.reg, r.site.ID)
	if err != nil {
		return nil, err
	}
	out := map[string]*AtMachine{}
	for _, s := range sessions {
		if s.EndMs == 0 {
			out[s.Machine] = &AtMachine{ID: s.Group, Name: names[s.Group], Since: at(s.StartMs)}
		}
	}
	return out, nil
}

// groupNames maps group ids to names.
func groupNames(ctx context.Context, reg Registry, site string) (map[string]registry.Name, error) {
	groups, err := reg.Groups(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	out := make(map[string]registry.Name, len(groups))
	for _, g := range groups {
		out[g.ID] = g.Name
	}
	return out, nil
}

// gapLimit is the machine's gap limit by the settings that hold at ms.
func gapLimit(ctx context.Context, reg Registry, site, machine string, ms int64) (int64, error) {
	rows, err := reg.SettingsAt(ctx, site, machine)
	if err != nil {
		return 0, fmt.Errorf("read the settings of %s: %w", machine, err)
	}
	var in registry.Settings
	for _, s := range rows {
		if s.ValidFromMs <= ms {
			in = s
		}
	}
	return in.GapLimitMs(), nil
}
