package billing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// ErrMonth says that a month is not written like 2026-11.
var ErrMonth = errors.New("month must be written like 2026-11")

// Registry is what billing asks of SQL; *registry.DB answers it.
type Registry interface {
	Site(ctx context.Context, id string) (registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	Groups(ctx context.Context, site string) ([]registry.Group, error)
	Tariffs(ctx context.Context, site string) ([]registry.Tariff, error)
	session.Reading
}

// Deps are where billing reads from.
type Deps struct {
	Store    tsdb.Store
	Registry Registry
}

// month is everything the statements of one site and month are made of.
type month struct {
	site          registry.Site
	name          string
	fromMs, toMs  int64
	nowMs         int64
	horizonMs     int64 // min(toMs, nowMs), not before fromMs: nothing is known beyond
	groups        []registry.Group
	known         map[string]bool // ids of groups
	machines      []machineMonth  // billable ones, in the registry's order
	tariffByClass map[string][]registry.Tariff
}

// machineMonth is one machine's part: its sessions that touch the month, ascending, and its states from the start of
// the earliest of them (or of the month) to the horizon.
type machineMonth struct {
	registry.Machine
	sessions  []session.Held
	told      []session.Told
	intervals []timeline.Interval
	held      []heldBack // ascending
}

var monthForm = regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])$`)

// Bounds returns the month's start and the start of the next one in the zone. A month that is not written like
// 2026-11 gives ErrMonth.
func Bounds(name string, zone *time.Location) (fromMs, toMs int64, err error) {
	if !monthForm.MatchString(name) {
		return 0, 0, fmt.Errorf("%q: %w", name, ErrMonth)
	}
	t, err := time.ParseInLocation("2006-01", name, zone)
	if err != nil {
		return 0, 0, fmt.Errorf("%q: %w", name, ErrMonth)
	}
	return t.UnixMilli(), t.AddDate(0, 1, 0).UnixMilli(), nil
}

// load reads a month of a site.
func load(ctx context.Context, d Deps, site, name string, nowMs int64) (*month, error) {
	m := &month{name: name, nowMs: nowMs, known: map[string]bool{}, tariffByClass: map[string][]registry.Tariff{}}
	var err error
	if m.site, err = d.Registry.Site(ctx, site); err != nil {
		return nil, fmt.Errorf("site %s: %w", site, err)
	}
	zone, err := m.site.Location()
	if err != nil {
		return nil, err
	}
	if m.fromMs, m.toMs, err = Bounds(name, zone); err != nil {
		return nil, err
	}
	m.horizonMs = max(min(m.toMs, nowMs), m.fromMs)
	if m.groups, err = d.Registry.Groups(ctx, site); err != nil {
		return nil, fmt.Errorf("groups of %s: %w", site, err)
	}
	for _, g := range m.groups {
		m.known[g.ID] = true
	}
	tariffs, err := d.Registry.Tariffs(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("tariffs of %s: %w", site, err)
	}
	for _, t := range tariffs {
		m.tariffByClass[t.Class] = append(m.tariffByClass[t.Class], t)
	}
	for _, rows := range m.tariffByClass {
		slices.SortFunc(rows, func(a, b registry.Tariff) int { return cmp.Compare(a.ValidFromMs, b.ValidFromMs) })
	}
	machines, err := d.Registry.Machines(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("machines of %s: %w", site, err)
	}
	bounded, err := m.boundedMachines(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, machine := range machines {
		if !machine.Billable() {
			continue
		}
		mm, err := m.loadMachine(ctx, d, machine, bounded[machine.ID])
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", site, machine.ID, err)
		}
		m.machines = append(m.machines, mm)
	}
	return m, nil
}

func (m *month) loadMachine(ctx context.Context, d Deps, machine registry.Machine, bounded bool) (machineMonth, error) {
	mm := machineMonth{Machine: machine}
	if m.horizonMs == m.fromMs {
		return mm, nil // the month has not begun
	}
	settings, err := d.Registry.SettingsAt(ctx, m.site.ID, machine.ID)
	if err != nil {
		return mm, fmt.Errorf("settings: %w", err)
	}
	var inForce registry.Settings
	for _, s := range settings {
		if s.ValidFromMs < m.horizonMs {
			inForce = s
		}
	}
	mm.sessions, mm.told, err = session.Read(ctx, d.Registry, session.Query{Site: m.site.ID, FromMs: m.fromMs, ToMs: m.horizonMs, Machine: machine.ID})
	if err != nil {
		return mm, err
	}
	readFrom := m.fromMs
	for _, s := range mm.sessions {
		readFrom = min(readFrom, s.StartMs)
	}
	mm.intervals, err = timeline.Read(ctx, d.Store, m.site.ID, machine.ID, readFrom, m.horizonMs, m.nowMs, inForce.GapLimitMs())
	if err != nil {
		return mm, fmt.Errorf("states: %w", err)
	}
	if bounded {
		mm.held, err = m.heldBack(ctx, d, mm, readFrom)
	}
	return mm, err
}

// span is a stretch of time, half-open.
type span struct{ from, to int64 }

// inMonth is the part of a session that lies in the month and in known time; empty when to ≤ from.
func (m *month) inMonth(s session.Held) span {
	end := s.EndMs
	if end == 0 {
		end = m.horizonMs
	}
	return span{max(s.StartMs, m.fromMs), min(end, m.horizonMs)}
}

// attributed reports whether a group held the machine in the session.
func (m *month) attributed(s session.Held) bool { return m.known[s.Group] }

// runMs is the time in state run within [fromMs, toMs).
func runMs(intervals []timeline.Interval, fromMs, toMs int64) int64 {
	return stateMs(intervals, timeline.StateRun, fromMs, toMs)
}

func stateMs(intervals []timeline.Interval, state string, fromMs, toMs int64) int64 {
	var sum int64
	for _, iv := range intervals {
		if iv.State == state {
			sum += max(0, min(iv.EndMs, toMs)-max(iv.StartMs, fromMs))
		}
	}
	return sum
}
