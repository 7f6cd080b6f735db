package uplink

import (
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"karkhana/firmware-gateway/spool"
	"karkhana/internal/wire"
)

// sent is one pack in flight.
type sent struct {
	ref   spool.Ref
	lane  wire.Lane
	at    time.Time // last sending; zero: to be sent again at once
	tries int
	token mqtt.Token // of the last sending; nil: none that still counts, see lost
}

// flight is what was sent and has no receipt yet. Bounded by the windows of both lanes.
type flight struct {
	packs         map[uint64]*sent
	live, history int
	out           int           // of packs sent on this connection
	resend        time.Duration // before the second sending; doubles each time …
	resendMax     time.Duration // … up to this
}

func newFlight(resend, resendMax time.Duration) *flight {
	return &flight{packs: map[uint64]*sent{}, resend: resend, resendMax: resendMax}
}

func (f *flight) has(seq uint64) bool { return f.packs[seq] != nil }

func (f *flight) count(lane wire.Lane) *int {
	if lane == wire.LaneLive {
		return &f.live
	}
	return &f.history
}

// launch notes a sending.
func (f *flight) launch(ref spool.Ref, lane wire.Lane, at time.Time, token mqtt.Token) {
	p := f.packs[ref.Seq]
	if p == nil {
		p = &sent{ref: ref}
		f.packs[ref.Seq] = p
	} else {
		*f.count(p.lane)--
	}
	*f.count(lane)++
	if p.token == nil {
		f.out++
	}
	p.lane, p.at, p.token = lane, at, token
	p.tries++
}

func (f *flight) land(seq uint64) {
	if p := f.packs[seq]; p != nil {
		*f.count(p.lane)--
		if p.token != nil {
			f.out--
		}
		delete(f.packs, seq)
	}
}

// landRange takes everything in the closed range out and returns how many that were.
func (f *flight) landRange(r [2]uint64) (n int) {
	for seq := range f.packs {
		if r[0] <= seq && seq <= r[1] {
			f.land(seq)
			n++
		}
	}
	return n
}

// restart makes everything due: the connection is new, and nobody knows what the old one brought over.
func (f *flight) restart() {
	f.out = 0
	for _, p := range f.packs {
		p.at, p.token = time.Time{}, nil
	}
}

// lost gives up waiting for sendings that are due again, and reports whether there were any.
func (f *flight) lost(due []spool.Ref) (any bool) {
	for _, ref := range due {
		if p := f.packs[ref.Seq]; p != nil && p.token != nil {
			p.token, any = nil, true
			f.out--
		}
	}
	return any
}

func (f *flight) dueAt(p *sent) time.Time {
	if p.at.IsZero() {
		return p.at
	}
	wait := f.resend << min(p.tries-1, 16)
	if wait > f.resendMax || wait <= 0 {
		wait = f.resendMax
	}
	return p.at.Add(wait)
}

// due returns what is to be sent again, oldest first.
func (f *flight) due(now time.Time) []spool.Ref {
	var refs []spool.Ref
	for _, p := range f.packs {
		if !now.Before(f.dueAt(p)) {
			refs = append(refs, p.ref)
		}
	}
	slices.SortFunc(refs, func(a, b spool.Ref) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
	return refs
}

// stuck reports whether the broker has left a sending without its acknowledgement for too long.
func (f *flight) stuck(now time.Time, limit time.Duration) bool {
	for _, p := range f.packs {
		if p.token == nil || now.Sub(p.at) < limit {
			continue
		}
		select {
		case <-p.token.Done():
		default:
			return true
		}
	}
	return false
}
