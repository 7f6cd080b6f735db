package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrOverlap is returned for a planned stop or a breakdown that overlaps one of its own kind.
var ErrOverlap = errors.New("it overlaps another one")

// CalendarWeek is the working week of a site, or of one machine, from a day on: it holds until the next row of the same
// machine. A machine without a row in force follows the site's.
type CalendarWeek struct {
	Site, Machine string // Machine "": the site's
	ValidFromMs   int64  // local midnight; 0: since ever
	LikeSite      bool   // of a machine: from here on it follows the site's week again
	Shifts        []Shift
}

// Shift is one shift of a week. Times are minutes of the local clock after the midnight at which its day begins, so that a
// shift across midnight ends beyond 1440.
type Shift struct {
	ID     string       `json:"id"`
	Name   Name         `json:"name"`
	Days   []int        `json:"days"` // 0 Sunday … 6 Saturday: the days on which it begins
	From   int64        `json:"from"`
	To     int64        `json:"to"` // From < To ≤ From + 1440
	Breaks []ShiftBreak `json:"breaks,omitempty"`
}

// ShiftBreak is a break within a shift, in minutes as the shift's own.
type ShiftBreak struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// KPIRule is what figures of utilisation are held against, from a day on.
type KPIRule struct {
	ValidFromMs  int64
	HoursPerYear int64   // of the schemes' capacity utilisation
	MinCoverage  float64 // known share of the planned time below which a figure is hidden, 0–1
}

// DefaultKPIRule holds where a site says nothing: 300 days of 8 hours, 80 %.
var DefaultKPIRule = KPIRule{HoursPerYear: 2400, MinCoverage: 0.80}

// The kinds of planned stops.
const (
	StopHoliday     = "holiday"     // the centre is not open: no operation time
	StopClosure     = "closure"     // planned down time
	StopMaintenance = "maintenance" // planned down time
)

// StopKinds lists them.
var StopKinds = []string{StopHoliday, StopClosure, StopMaintenance}

// Where a planned stop comes from.
const (
	StopFromFile   = "file"
	StopFromPerson = "person"
)

// PlannedStop is a stretch in which a site, or one machine of it, is not meant to work.
type PlannedStop struct {
	ID            int64
	Site, Machine string // Machine "": all
	Kind          string
	FromMs, ToMs  int64
	Name          Name
	Source        string
	Author        string
	MadeMs        int64
}

// Calendar is all that says when a site is meant to work.
type Calendar struct {
	Weeks []CalendarWeek // by machine and start
	Rules []KPIRule      // ascending
	Stops []PlannedStop  // those asked for, by start
}

// CalendarDefinition is the calendar of a site file. It is complete: what it leaves out is gone, but for the stops that
// people entered.
type CalendarDefinition struct {
	Weeks []CalendarWeek
	Rules []KPIRule
	Stops []PlannedStop
}

type weekBody struct {
	LikeSite bool    `json:"like_site,omitempty"`
	Shifts   []Shift `json:"shifts"`
}

const stopColumns = `id, site, machine, kind, from_ms, to_ms, name_hi, name_en, source, author, made_ms`

func scanStop(row scanner) (s PlannedStop, err error) {
	return s, row.Scan(&s.ID, &s.Site, &s.Machine, &s.Kind, &s.FromMs, &s.ToMs, &s.Name.Hi, &s.Name.En, &s.Source, &s.Author, &s.MadeMs)
}

// Calendar returns a site's calendar with the planned stops that overlap [fromMs, toMs). A site without one gives an
// empty Calendar.
func (d *DB) Calendar(ctx context.Context, site string, fromMs, toMs int64) (Calendar, error) {
	var c Calendar
	var err error
	if c.Weeks, err = weeks(ctx, d.read, site); err != nil {
		return c, err
	}
	if c.Rules, err = kpiRules(ctx, d.read, site); err != nil {
		return c, err
	}
	c.Stops, err = list(ctx, d.read, "planned stops of "+site, scanStop, `SELECT `+stopColumns+` FROM planned_stop
		WHERE site = $1 AND removed_ms = 0 AND from_ms < $3 AND to_ms > $2 ORDER BY from_ms, machine, id`, site, fromMs, toMs)
	return c, err
}

func weeks(ctx context.Context, q querier, site string) ([]CalendarWeek, error) {
	return list(ctx, q, "working weeks of "+site, func(row scanner) (w CalendarWeek, err error) {
		var body string
		if err := row.Scan(&w.Site, &w.Machine, &w.ValidFromMs, &body); err != nil {
			return w, err
		}
		var b weekBody
		if err := json.Unmarshal([]byte(body), &b); err != nil {
			return w, fmt.Errorf("body: %w", err)
		}
		w.LikeSite, w.Shifts = b.LikeSite, b.Shifts
		return w, nil
	}, `SELECT site, machine, valid_from_ms, body_json FROM calendar_week WHERE site = $1 ORDER BY machine, valid_from_ms`, site)
}

func kpiRules(ctx context.Context, q querier, site string) ([]KPIRule, error) {
	return list(ctx, q, "rules of figures of "+site, func(row scanner) (r KPIRule, err error) {
		return r, row.Scan(&r.ValidFromMs, &r.HoursPerYear, &r.MinCoverage)
	}, `SELECT valid_from_ms, hours_per_year, min_coverage FROM kpi_rule WHERE site = $1 ORDER BY valid_from_ms`, site)
}

// AddPlannedStop enters a planned stop and returns it with its ID. One of the same kind and machine that overlaps gives
// ErrOverlap.
func (d *DB) AddPlannedStop(ctx context.Context, s PlannedStop) (PlannedStop, error) {
	s.Name.Hi, s.Name.En, s.Author = clean(s.Name.Hi), clean(s.Name.En), clean(s.Author)
	err := d.tx(ctx, "add "+s.Kind+" to the calendar of "+s.Site, func(tx *sql.Tx) error {
		var err error
		s, err = addStop(ctx, tx, s)
		return err
	})
	return s, err
}

func addStop(ctx context.Context, tx *sql.Tx, s PlannedStop) (PlannedStop, error) {
	id, err := next(ctx, tx, "planned_stop") // also: one at a time, so that the check below holds
	if err != nil {
		return s, err
	}
	s.ID = id
	var others int64
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM planned_stop WHERE site = $1 AND machine = $2 AND kind = $3
		AND removed_ms = 0 AND from_ms < $5 AND to_ms > $4`, s.Site, s.Machine, s.Kind, s.FromMs, s.ToMs).Scan(&others); err != nil {
		return s, err
	}
	if others > 0 {
		return s, ErrOverlap
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO planned_stop (`+stopColumns+`, removed_ms, removed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '')`,
		s.ID, s.Site, s.Machine, s.Kind, s.FromMs, s.ToMs, s.Name.Hi, s.Name.En, s.Source, s.Author, s.MadeMs)
	return s, err
}

// RemovePlannedStop takes a stop that a person entered out of the calendar; it is remembered by whom. One of the site
// file gives ErrState, an unknown or removed one ErrNotFound.
func (d *DB) RemovePlannedStop(ctx context.Context, site string, id int64, by string, atMs int64) (PlannedStop, error) {
	var s PlannedStop
	err := d.tx(ctx, fmt.Sprintf("remove planned stop %d of %s", id, site), func(tx *sql.Tx) error {
		var err error
		s, err = one(ctx, tx, "planned stop", scanStop, `SELECT `+stopColumns+` FROM planned_stop WHERE site = $1 AND id = $2 AND removed_ms = 0`, site, id)
		if err != nil {
			return err
		}
		if s.Source == StopFromFile {
			return fmt.Errorf("it stands in the site file: take it out there: %w", ErrState)
		}
		return removeStop(ctx, tx, id, by, atMs)
	})
	return s, err
}

func removeStop(ctx context.Context, tx *sql.Tx, id int64, by string, atMs int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE planned_stop SET removed_ms = $2, removed_by = $3 WHERE id = $1`, id, atMs, clean(by))
	return err
}
