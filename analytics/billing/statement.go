package billing

import (
	"encoding/json"
	"fmt"
	"time"

	"karkhana/internal/registry"
)

// The problems a line, a statement or a balance can carry. A statement with a problem must not be issued as it is.
const (
	ProblemNoTariff    = "no-tariff"    // no price for the class on that day: amount 0
	ProblemOpen        = "open-session" // the session has not ended: billed as far as data goes
	ProblemMonthIsOpen = "month-open"   // the month was not over when the statement was made
	ProblemCorrection  = "correction"   // a correction of the group no longer fits what the taps say
	ProblemBounded     = "bounded-time" // run time whose time is not known: held back until a person confirms the times
	ProblemStale       = "stale"        // what it rests on has changed since: it is being made anew
	ProblemUnbalanced  = "unbalanced"   // billed and unattributed run time are not the machine's run time
)

// Statement is the draft bill of one group and month. Its JSON is what the API gives and the registry keeps.
type Statement struct {
	Site      string        `json:"site"`
	SiteName  registry.Name `json:"site_name"`
	Zone      string        `json:"zone"`
	Group     string        `json:"group"`
	GroupName registry.Name `json:"group_name"`
	Month     string        `json:"month"` // 2026-11
	From      time.Time     `json:"from"`  // start of the month in the zone
	To        time.Time     `json:"to"`    // start of the next month
	Made      time.Time     `json:"made"`
	Complete  bool          `json:"complete"` // the month was over when made

	Was *Was `json:"was,omitempty"` // the total before late data or a correction changed it; null: nothing did since it was asked for

	Lines    []Line     `json:"lines"`              // by machine, then by time
	Training []Line     `json:"training,omitempty"` // training sessions: shown, in no total, not billed
	Machines []Subtotal `json:"machines"`           // those with a line
	Total    Total      `json:"total"`
	Problems []Problem  `json:"problems"`
	// Balance is for the whole site, all groups together: it shows that no run time is billed twice or lost.
	Balance []Balance `json:"balance,omitempty"`
}

// Line is one session of the group at one machine, as far as it lies in the month and under one tariff.
type Line struct {
	Machine      string        `json:"machine"`
	MachineName  registry.Name `json:"machine_name"`
	SessionStart time.Time     `json:"session_start"`
	SessionEnd   *time.Time    `json:"session_end"` // null: still open
	EndReason    string        `json:"end_reason"`
	Open         bool          `json:"open"`
	Training     bool          `json:"training,omitempty"` // not billed
	From         time.Time     `json:"from"`               // the billed part
	To           time.Time     `json:"to"`

	RunMs    int64 `json:"run_ms"` // exact run time of the part
	RunS     int64 `json:"run_s"`  // billed seconds, see the package's rounding
	IdleS    int64 `json:"idle_s"`
	OffS     int64 `json:"off_s"`
	UnknownS int64 `json:"unknown_s"`         // shown, never billed
	HeldMs   int64 `json:"held_ms,omitempty"` // run time beside RunMs that is held back, see Held
	HeldS    int64 `json:"held_s,omitempty"`  // in seconds, not billed

	EnergyWh        int64            `json:"energy_wh"` // of all states; not billed
	EnergyEstimated bool             `json:"energy_estimated"`
	EnergyFlags     []string         `json:"energy_flags,omitempty" doc:"What is to be known of the energy; see docs/energy.md"`
	Tariff          *Tariff          `json:"tariff"` // null: none, see Problem
	AmountPaise     int64            `json:"amount_paise"`
	Problem         string           `json:"problem,omitempty"` // no-tariff, bounded-time or open-session, the gravest one
	Evidence        Evidence         `json:"evidence"`
	Corrections     []LineCorrection `json:"corrections,omitempty"` // that made the session what it is
	Held            []HeldBack       `json:"held,omitempty"`        // what HeldMs rests on
}

// Was is what a draft said before it was made anew by itself.
type Was struct {
	Made        time.Time `json:"made"`
	RunS        int64     `json:"run_s"`
	AmountPaise int64     `json:"amount_paise"`
}

// HeldBack is a stretch that the gateway measured in a boot without a time. What happened in it and how long it took is right; when
// it was, and so whose it was, is only known to lie between the samples around it. Run time there is not billed until a
// person confirms the times (correction of kind confirm, from From to To).
type HeldBack struct {
	From      time.Time  `json:"from"`       // where the samples are stored
	To        time.Time  `json:"to"`         // not included
	NotBefore *time.Time `json:"not_before"` // null: not known
	NotAfter  *time.Time `json:"not_after"`  // null: not known yet
	RunS      int64      `json:"run_s"`      // of the line in it
}

// LineCorrection is what a person said of a line's session.
type LineCorrection struct {
	ID     int64     `json:"id"`
	Kind   string    `json:"kind"` // see package session
	Author string    `json:"author"`
	Reason string    `json:"reason"`
	Made   time.Time `json:"made"`
}

// Tariff is the price a line used, frozen with it.
type Tariff struct {
	Class           string    `json:"class"`
	ValidFrom       time.Time `json:"valid_from"`
	PaisePerRunHour int64     `json:"paise_per_run_hour"`
}

// Evidence is what a line stands on: the machine's states in its time.
type Evidence struct {
	Machine   string    `json:"machine"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Intervals []Piece   `json:"intervals"`
}

// Piece is one stretch in one state.
type Piece struct {
	State string    `json:"state"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

// Total sums lines. Every number is the plain sum of the lines' numbers.
type Total struct {
	Lines       int   `json:"lines"`
	RunMs       int64 `json:"run_ms"`
	RunS        int64 `json:"run_s"`
	IdleS       int64 `json:"idle_s"`
	UnknownS    int64 `json:"unknown_s"`
	HeldS       int64 `json:"held_s,omitempty"`
	EnergyWh    int64 `json:"energy_wh"`
	AmountPaise int64 `json:"amount_paise"`
}

func (t *Total) add(l Line) (err error) {
	t.Lines++
	t.RunMs += l.RunMs
	t.RunS += l.RunS
	t.IdleS += l.IdleS
	t.UnknownS += l.UnknownS
	t.HeldS += l.HeldS
	t.EnergyWh += l.EnergyWh
	t.AmountPaise, err = add(t.AmountPaise, l.AmountPaise)
	return err
}

// Subtotal is the total of one machine.
type Subtotal struct {
	Machine     string        `json:"machine"`
	MachineName registry.Name `json:"machine_name"`
	Total
}

// Problem names something that someone must look at before the statement is issued.
type Problem struct {
	Code    string     `json:"code"`
	Machine string     `json:"machine,omitempty"`
	From    *time.Time `json:"from,omitempty"`
	To      *time.Time `json:"to,omitempty"`
}

// Balance shows for one machine and the month so far that RunMs = BilledRunMs + TrainingRunMs +
// HeldRunMs + UnattributedRunMs, in milliseconds.
type Balance struct {
	Machine           string `json:"machine"`
	RunMs             int64  `json:"run_ms"`
	BilledRunMs       int64  `json:"billed_run_ms"`             // lines of all groups
	TrainingRunMs     int64  `json:"training_run_ms,omitempty"` // training sessions of all groups
	HeldRunMs         int64  `json:"held_run_ms,omitempty"`     // held back, of all groups
	UnattributedRunMs int64  `json:"unattributed_run_ms"`
	UnknownS          int64  `json:"unknown_s"` // of the month so far
	Balanced          bool   `json:"balanced"`
}

// Row is the statement as the registry keeps it.
func (s Statement) Row() (registry.Statement, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return registry.Statement{}, fmt.Errorf("statement %s of %s: %w", s.Month, s.Group, err)
	}
	return registry.Statement{
		Site: s.Site, Group: s.Group, Month: s.Month, MadeMs: s.Made.UnixMilli(),
		TotalPaise: s.Total.AmountPaise, BodyJSON: string(body),
	}, nil
}

// at is an instant of the JSON: UTC, milliseconds.
func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func atPtr(ms int64) *time.Time {
	t := at(ms)
	return &t
}
