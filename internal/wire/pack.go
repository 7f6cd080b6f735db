// Package wire is the contract between gateways and ingest: topics, packs, receipts, status, commands.
//
// A pack is one SenML message (RFC 8428) in CBOR or JSON with the plain records seq, spool, boot and clock.
// The package owns the bytes; it does not own transport (uplink, ingest) nor meaning (analytics).
// See docs/wire.md and design: identity rule (a pack never changes between sendings) and receipt rule.
package wire

import (
	"fmt"
	"time"

	"karkhana/internal/quantity"
)

// Clock says how far the timestamps of a pack can be trusted.
type Clock string

// The trust levels of a pack's timestamps.
const (
	ClockSynced   Clock = "synced"   // disciplined by NTP while sampling
	ClockRTC      Clock = "rtc"      // from a battery-backed clock
	ClockRepaired Clock = "repaired" // boot-relative, shifted after the first sync
	ClockBounded  Clock = "bounded"  // never synced in that boot: known only to lie between neighbours
)

// Valid reports whether c is one of the four known levels.
func (c Clock) Valid() bool {
	return c == ClockSynced || c == ClockRTC || c == ClockRepaired || c == ClockBounded
}

// Sample is one value of one quantity at one instant. Which of Number, Text and Bool counts follows from
// the quantity's Kind.
type Sample struct {
	TimeMs   int64   // Unix milliseconds, UTC
	Quantity string  // wire name, see package quantity
	Number   float64 // wire unit
	Text     string
	Bool     bool
	Quality  string // empty when plainly good, else "estimated", "stale", "saturated", "fault:…"
}

// Pack is the unit of sending, storing and receipting: samples of one machine.
type Pack struct {
	Site, Machine string
	Spool         string // id of the gateway's disk queue
	Seq           uint64 // never repeats within a spool; starts at 1
	Boot          string // id of the boot the samples were taken in
	Clock         Clock
	Samples       []Sample // any order; encoders write them in the given order
}

// CheckID returns an error when id is not a lower-case id of at most 40 letters, digits and hyphens.
// what names the thing in the error, for example "machine".
func CheckID(what, id string) error {
	if !isID(id) {
		return fmt.Errorf("%s id %.60q: use 1–40 lower-case letters, digits and hyphens, first one a letter or digit", what, id)
	}
	return nil
}

// isID reports the form of site, gateway and machine ids: they are topic levels and store tags.
func isID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 40
}

// MaxFuture is how far ahead of the receiver's clock a timestamp may lie.
const MaxFuture = 10 * time.Minute

// MinTimeMs is the earliest believable sample time, 1 January 2020: a Raspberry Pi without a clock starts at 1970 or
// at its image's build date.
var MinTimeMs = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// CheckedNumber converts v from unit to the quantity's wire unit and checks its range.
func CheckedNumber(q quantity.Quantity, v float64, unit string) (float64, error) {
	w, err := q.ToWire(v, unit)
	if err != nil {
		return 0, err
	}
	return w, q.Check(w)
}
