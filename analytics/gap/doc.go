// Package gap is the ledger of what nobody knows: for each machine every stretch without samples, and why.
//
// It has three parts. A Keeper follows the rebuilding of states and keeps the stretches themselves in SQL; they close,
// shrink and vanish as late data arrives. Explain, a pure function, works out the cause of each from what is known of
// the site: its other machines and gateways, boots, farewells, supply. Read brings the two together when somebody asks,
// so that a cause is always that of everything known by then, in whatever order it came.
//
// # Causes
//
//   - supply: the mains were out. A supply sensor of the site says so around the beginning, or all gateways of the site
//     stopped within the tolerance and came back in another boot.
//   - gateway: the gateway did not sample: it was started anew, said that it stops, or all its machines fell silent together
//     and nothing came later.
//   - sensor: the gateway sampled others, or this machine's other quantities, or sent faults, but not this signal.
//   - link: the gateway sampled on while it could not be heard. That is known only when its backlog has arrived, and then
//     the time is no longer unknown: the ledger remembers the stretch as filled.
//   - unknown: it can't be told, or not yet: the gateway is not heard, it still holds packs of that time, or they have come
//     and states have yet to follow.
//
// A gap has one cause, that of its beginning: who comes late finds the supply back and the gateway still off.
//
// The ledger does not own states (package fold) nor the silence alarm (package maintenance), which asks Hear as well.
package gap

import "karkhana/internal/registry"

// The causes.
const (
	CauseSupply  = "supply"
	CauseLink    = "link"
	CauseGateway = "gateway"
	CauseSensor  = "sensor"
	CauseUnknown = "unknown"
)

// Evidence says by what a cause was told; pages have words for each.
const (
	EvidenceSupplySensor  = "supply-sensor"  // a sensor or a gateway's status says that the mains were out
	EvidenceSite          = "site"           // all gateways of the site stopped together and were started anew
	EvidenceFault         = "fault"          // the sensor reported a fault, or only other quantities came
	EvidenceNeighbours    = "neighbours"     // other machines of the gateway were sampled meanwhile
	EvidenceGatewayOnline = "gateway-online" // the gateway was heard meanwhile, without this machine
	EvidenceBoot          = "boot"           // the gateway was started anew meanwhile
	EvidenceStopped       = "stopped"        // the gateway said that it stops
	EvidenceTogether      = "together"       // all machines of the gateway fell silent together and nothing came later
	EvidenceLost          = "lost"           // the broker lost the gateway, and nothing came later
	EvidenceBacklog       = "backlog"        // the gateway holds packs of that time: they are on their way
	EvidenceArrived       = "arrived"        // samples of that time have come and are not yet worked into states
	EvidenceNotHeard      = "not-heard"      // the gateway has not been heard since
	EvidenceNone          = "none"           // nothing tells
	EvidenceFilled        = "filled"         // the samples came late
	EvidenceLate          = "late"           // so they did, although the gateway was connected: it had no time yet, or the server was out
)

// Gap is a stretch of a machine without samples, explained.
type Gap struct {
	registry.Gap        // ToMs 0: open
	Gateway      string // that read the machine before; "" when not known
	Cause        string
	Evidence     string
	SinceMs      int64 // not-heard: when the gateway was last heard, 0 never; backlog, boot, stopped, lost: when; else 0
}

// Hearing is what a gateway's last word says about the present.
type Hearing int

// The hearings.
const (
	HeardNever Hearing = iota // not once
	HeardGone                 // it was heard and is offline now
	HeardNow                  // it is online
)

// Hear tells whether a gateway is heard now.
func Hear(g registry.Gateway) Hearing {
	switch {
	case g.Online:
		return HeardNow
	case g.StatusJSON == "" && g.SeenMs == 0:
		return HeardNever
	}
	return HeardGone
}
