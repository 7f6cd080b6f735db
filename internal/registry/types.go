// Package registry keeps in SQL everything that is not a time series: sites, machines and their dated settings,
// gateways, producer groups, cards, tariffs, sessions, statements, alarms, quarantine, tokens, and the list of
// stretches that analytics has yet to (re)build.
//
// One portable SQL text and one set of migrations serve SQLite (default) and PostgreSQL (by URL).
// Times are Unix milliseconds UTC, money is int64 paise, energy is int64 milliwatt-hours (…MilliWh).
package registry

import (
	"cmp"
	"errors"
)

// ErrNotFound is returned when what was asked for is not in the registry.
var ErrNotFound = errors.New("not found")

// Name is a text for people in both languages of the product.
type Name struct {
	Hi string `json:"hi" yaml:"hi"`
	En string `json:"en" yaml:"en"`
}

// In returns the name in a language (hi or en), else in the other one, else the id.
func (n Name) In(lang, id string) string {
	first, second := n.En, n.Hi
	if lang == "hi" {
		first, second = second, first
	}
	return cmp.Or(first, second, id)
}

// Site is a CFC or a village-level production centre.
type Site struct {
	ID   string
	Name Name
	Zone string // IANA zone of screens and papers, default Asia/Kolkata
}

// Machine is a shared machine of a site.
type Machine struct {
	Site, ID string
	Class    string // furnace, cutting, polishing, designing, hammering, kiln, main-meter
	Name     Name
	Position int   // order on pages
	RatedW   int64 // rated power, W; 0: not given
}

// Billable reports whether run-hours of the machine are charged: everything but the main meter.
func (m Machine) Billable() bool { return m.Class != ClassMainMeter }

// ClassMainMeter is the class of the incomer meter: it has energy and no state worth billing.
const ClassMainMeter = "main-meter"

// Settings are the dated rules by which a machine's samples become states and alarms. A row holds from ValidFromMs
// until the next row of the same machine.
type Settings struct {
	ValidFromMs int64
	Signal      string  // quantity that shows the state, one of Signals; power by default
	IdleAbove   float64 // at or above: idle (unit of the signal); 0 < IdleAbove ≤ RunAbove
	RunAbove    float64 // at or above: run. IdleAbove = RunAbove makes a two-state machine (off, run)
	Hysteresis  float64 // leave a state at threshold × (1 − Hysteresis); 0.1 by default
	DwellOffMs  int64   // how long a new state must persist before it counts; the change is back-dated
	DwellIdleMs int64
	DwellRunMs  int64
	PulseMs     int64 // longest pause between two strokes of work that still counts as run; 0: none
	ReportMs    int64 // usual distance of samples; the gap limit is max(3 × ReportMs, 180 s)

	TemperatureMaxC float64 // alarm limit; 0: no rule
	VibrationRatio  float64 // alarm when vibration in state run ≥ ratio × the machine's own baseline; 0: no rule
	SilentAfterMs   int64   // alarm when no sample for so long; 0: no rule

	AccelerationRatio      float64 // as VibrationRatio, of the RMS of acceleration
	KurtosisRise           float64 // alarm when kurtosis in state run ≥ the machine's own baseline + rise; 0: no rule
	PersistOver, PersistOf int64   // how many of how many running minutes must be over the limit of these three; 0: 3 of 5
	BaselineFromMs         int64   // the baseline is learnt from here on (a new wheel, a new bearing); 0: from the first data

	// StatusMap is for the signals status and status_code: which value means which state, a JSON object with sorted
	// keys, for example {"-1":"unknown","0":"off","1":"run"}. A value that is not listed is unknown. "": any other signal.
	StatusMap string

	// Furnace phases, see package analytics/fold. PhaseRateC 0: the machine has none.
	PhaseRateC float64 // °C per minute: steeper is heating or cooling
	PhaseBandC float64 // °C around the set value that count as soak, at least 1 % of it
	PhaseColdC float64 // °C below which a furnace that is not heated is cold
}

// HasThresholds reports whether the state comes from a measured value, not from the words of a controller.
func (s Settings) HasThresholds() bool { return s.StatusMap == "" }

// GapLimitMs is the longest distance of two samples that still counts as known: max(3 × report interval, 180 s).
func (s Settings) GapLimitMs() int64 { return max(3*s.ReportMs, 180_000) }

// Gateway is a Raspberry Pi of a site, as the server knows it.
type Gateway struct {
	Site, ID   string
	KeyHash    string // SHA-256 of the key, hex; the key itself is never stored
	StatusJSON string // last wire.Status, "" before the first
	Online     bool
	SeenMs     int64 // server time of the last status or pack, 0 before the first
}

// Group is a producer group: 5–6 artisans, a self-help group.
type Group struct {
	Site, ID string
	Name     Name
}

// Card belongs to a group, or stands for a job, for a stretch of time. Hash is the salted hash that gateways send; the
// raw UID is unknown.
type Card struct {
	Site, Hash, Group    string
	ValidFromMs, ValidTo int64  // ValidTo 0: open end
	Training             bool   // its sessions are training: shown apart, not billed
	Job                  string // a job card: the number of the job; Group is empty then
}

// Tariff is the dated price of a machine class. A row holds from ValidFromMs until the next row of the class.
type Tariff struct {
	Site, Class     string
	ValidFromMs     int64
	PaisePerRunHour int64
	Author          string
}

// Session is one group holding one machine. Sessions are derived from taps and states and rebuilt with them.
type Session struct {
	Site, Machine  string
	StartMs, EndMs int64  // EndMs 0: still open
	Group          string // "" when the card belongs to nobody
	CardHash       string
	EndReason      string // tap, takeover, forgotten (closed at last load), open
	Training       bool   // not billed
}

// Touched is a stretch of a machine's time that holds new or late samples and is yet to be (re)built.
type Touched struct {
	Site, Machine string
	FromMs, ToMs  int64 // closed: oldest and newest touched sample
	Version       int64 // grows with every touch; Done only clears the version it saw
}

// AlarmState is where an alarm stands in its life (handling, not condition: see Active).
type AlarmState string

// The states of an alarm (ISA-18.2: handling is apart from the condition).
const (
	AlarmOpen         AlarmState = "open"
	AlarmAcknowledged AlarmState = "acknowledged"
	AlarmResolved     AlarmState = "resolved"
)

// Alarm is one condition on one machine that a technician must look at. There is at most one unresolved alarm for
// each site, machine, rule and component.
type Alarm struct {
	ID             int64
	Site, Machine  string
	Rule           string // sensor-silent, temperature-high, vibration-high
	Component      string // quantity or gateway the rule speaks of; of vibration-high always vibration: see Rises
	State          AlarmState
	Active         bool // the condition still holds
	OpenedMs       int64
	ClearedMs      int64 // 0 while Active
	AcknowledgedMs int64
	AcknowledgedBy string
	ResolvedMs     int64
	ResolvedBy     string
	Note           string
	Count          int64   // how often the condition was raised in this alarm
	Value, Limit   float64 // at the last raise, in the unit of the stored field; of vibration-high those of Rises[0]
	Cause          string  // sensor-silent: gateway, link, sensor; vibration-high: bearing, imbalance, wear, shaking
	NotifiedMs     int64   // 0: not yet delivered
	Rises          []Rise  // vibration-high: every quantity over its limit, the one furthest over first

	ShelvedUntilMs int64 // not delivered until then, though shown; 0: not shelved
	ShelvedBy      string
	ShelveReason   string
}

// Rise is one quantity of a machine that lies above its own baseline.
type Rise struct {
	Quantity string  `json:"quantity"` // vibration, acceleration, kurtosis
	Value    float64 `json:"value"`    // unit of the stored field
	Baseline float64 `json:"baseline"` // usual value of the machine's healthy days
	Limit    float64 `json:"limit"`
	SinceMs  int64   `json:"since_ms"` // begin of the first minute over the limit
}

// Statement is a draft bill of one group and month. Lines are frozen with their rates when it is made; making it
// again replaces a draft.
type Statement struct {
	ID          int64
	Site, Group string
	Month       string // 2026-11, in the site's zone
	MadeMs      int64
	TotalPaise  int64
	BodyJSON    string // billing.Statement
}

// Quarantined is a pack that could not be stored, with its bytes and the reason.
type Quarantined struct {
	ID                     int64
	ReceivedMs             int64
	Topic                  string
	Site, Gateway, Machine string // as far as the topic tells
	Reason                 string // short code: not-senml, unknown-machine, unknown-unit, absurd-time, wrong-type, …
	Detail                 string // words for people
	Payload                []byte // the first bytes only when Length is more
	Count                  int64  // same topic, reason and bytes seen so often
	Length                 int64  // bytes of the whole message
	SHA256                 string // of the whole message, lower-case hex
	ReplayMs               int64  // when somebody asked that it be tried again; 0: nobody
}

// Role is what a token or a session may do.
type Role string

// The roles, see docs/security.md.
const (
	RoleAdmin      Role = "admin"
	RoleManager    Role = "manager"
	RoleAccountant Role = "accountant"
	RoleTechnician Role = "technician"
	RoleGroup      Role = "group"
	RoleViewer     Role = "viewer"
)

// Roles lists every role.
var Roles = []Role{RoleAdmin, RoleManager, RoleAccountant, RoleTechnician, RoleGroup, RoleViewer}

// Token is a bearer token, stored as SHA-256.
type Token struct {
	Hash      string
	Name      string // who or what it was made for
	Role      Role
	Group     string // role group only: which one
	CreatedMs int64
	ExpiresMs int64 // 0: never
}
