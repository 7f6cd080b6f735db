package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// applyCalendar brings weeks, rules and the file's own stops in line with the definition, which is complete. A site file
// without a calendar leaves them alone.
func (a *applying) applyCalendar(ctx context.Context, def SiteDefinition) error {
	if def.Calendar == nil {
		return nil
	}
	for _, step := range []func(context.Context, CalendarDefinition) error{a.applyWeeks, a.applyRules, a.applyStops} {
		if err := step(ctx, *def.Calendar); err != nil {
			return fmt.Errorf("calendar: %w", err)
		}
	}
	return nil
}

type weekKey struct {
	machine string
	fromMs  int64
}

// weekRow is a week as it is stored: comparable, and readable in the audit log.
type weekRow struct {
	Machine string          `json:"machine"`
	FromMs  int64           `json:"valid_from_ms"`
	Body    json.RawMessage `json:"week"`
}

func rowOf(w CalendarWeek) (weekRow, error) {
	body, err := json.Marshal(weekBody{LikeSite: w.LikeSite, Shifts: w.Shifts})
	return weekRow{w.Machine, w.ValidFromMs, body}, err
}

func (a *applying) applyWeeks(ctx context.Context, c CalendarDefinition) error {
	old, err := weeks(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	before := map[weekKey]string{}
	for _, w := range old {
		row, err := rowOf(w)
		if err != nil {
			return err
		}
		before[weekKey{w.Machine, w.ValidFromMs}] = string(row.Body)
	}
	for _, w := range c.Weeks {
		row, err := rowOf(w)
		if err != nil {
			return err
		}
		key := weekKey{w.Machine, w.ValidFromMs}
		is, known := before[key]
		delete(before, key)
		if known && is == string(row.Body) {
			continue
		}
		if _, err := a.tx.ExecContext(ctx, `INSERT INTO calendar_week (site, machine, valid_from_ms, body_json) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, machine, valid_from_ms) DO UPDATE SET body_json = excluded.body_json`,
			a.site, row.Machine, row.FromMs, string(row.Body)); err != nil {
			return err
		}
		if err := a.noteCalendar(ctx, "working week set", row); err != nil {
			return err
		}
	}
	for key, body := range before {
		if _, err := a.tx.ExecContext(ctx, `DELETE FROM calendar_week WHERE site = $1 AND machine = $2 AND valid_from_ms = $3`,
			a.site, key.machine, key.fromMs); err != nil {
			return err
		}
		if err := a.noteCalendar(ctx, "working week removed", weekRow{key.machine, key.fromMs, json.RawMessage(body)}); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) applyRules(ctx context.Context, c CalendarDefinition) error {
	old, err := kpiRules(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	before := index(old, func(r KPIRule) int64 { return r.ValidFromMs })
	for _, r := range c.Rules {
		was := before[r.ValidFromMs]
		delete(before, r.ValidFromMs)
		if _, err := change(ctx, a, "rule of figures", a.site, was, r, func() error {
			_, err := a.tx.ExecContext(ctx, `INSERT INTO kpi_rule (site, valid_from_ms, hours_per_year, min_coverage) VALUES ($1, $2, $3, $4)
				ON CONFLICT (site, valid_from_ms) DO UPDATE SET hours_per_year = excluded.hours_per_year, min_coverage = excluded.min_coverage`,
				a.site, r.ValidFromMs, r.HoursPerYear, r.MinCoverage)
			return err
		}); err != nil {
			return err
		}
	}
	for _, r := range before {
		if _, err := a.tx.ExecContext(ctx, `DELETE FROM kpi_rule WHERE site = $1 AND valid_from_ms = $2`, a.site, r.ValidFromMs); err != nil {
			return err
		}
		if err := a.noteCalendar(ctx, "rule of figures removed", r); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) applyStops(ctx context.Context, c CalendarDefinition) error {
	old, err := list(ctx, a.tx, "planned stops of "+a.site, scanStop,
		`SELECT `+stopColumns+` FROM planned_stop WHERE site = $1 AND removed_ms = 0 AND source = 'file'`, a.site)
	if err != nil {
		return err
	}
	type key struct {
		machine, kind string
		fromMs, toMs  int64
		name          Name
	}
	keyOf := func(s PlannedStop) key { return key{s.Machine, s.Kind, s.FromMs, s.ToMs, s.Name} }
	left := index(old, keyOf)
	var fresh []PlannedStop
	for _, s := range c.Stops {
		if left[keyOf(s)] == nil {
			fresh = append(fresh, s)
		}
		delete(left, keyOf(s))
	}
	for _, s := range left { // first: a stop that moved may overlap its former self
		if err := removeStop(ctx, a.tx, s.ID, a.author, a.nowMs); err != nil {
			return err
		}
		if err := a.noteCalendar(ctx, s.Kind+" removed", *s); err != nil {
			return err
		}
	}
	for _, s := range fresh {
		s.Site, s.Source, s.Author, s.MadeMs = a.site, StopFromFile, a.author, a.nowMs
		s, err := addStop(ctx, a.tx, s)
		if errors.Is(err, ErrOverlap) {
			return fmt.Errorf("%s %q overlaps one that a person entered on the page: take that out first: %w", s.Kind, s.Name.En, err)
		}
		if err != nil {
			return err
		}
		if err := a.noteCalendar(ctx, s.Kind+" added", s); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) noteCalendar(ctx context.Context, what string, detail any) error {
	text, err := json.Marshal(struct {
		Site   string `json:"site"`
		Detail any    `json:"detail"`
	}{a.site, detail})
	if err != nil {
		return err
	}
	return audit(ctx, a.tx, a.nowMs, a.author, what, string(text))
}
