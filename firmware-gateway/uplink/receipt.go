package uplink

import (
	"log/slog"

	"karkhana/internal/wire"
)

// receipt takes a receipt into the books: what it names leaves the spool, stored or refused.
func (s *session) receipt(payload []byte) {
	r, err := wire.DecodeReceipt(payload)
	if err != nil {
		s.count(func(st *Stats) { st.ForeignReceipts++ })
		s.o.Logger.Warn("not a receipt", "err", err)
		return
	}
	if r.Spool != s.o.Queue.ID() {
		s.count(func(st *Stats) { st.ForeignReceipts++ })
		return
	}
	s.answered = true
	ranges := r.Stored
	for _, refused := range r.Refused {
		ranges = append(ranges, [2]uint64{refused.Seq, refused.Seq})
	}
	n := s.o.Queue.Receipt(ranges...)
	for _, rng := range ranges {
		s.allowed = min(s.allowed+s.flight.landRange(rng), 2*s.o.Window)
	}
	s.count(func(st *Stats) {
		st.Receipted += uint64(n)
		st.Refused += uint64(len(r.Refused))
	})
	s.refuse.note(r.Refused)
}

// refusals logs why the server refused packs, without a line for each of a thousand.
type refusals struct {
	log  *slog.Logger
	seen map[string]int
}

func (f *refusals) note(refused []wire.Refusal) {
	for _, r := range refused {
		f.seen[r.Reason]++
		if n := f.seen[r.Reason]; n&(n-1) == 0 { // 1st, 2nd, 4th, 8th …
			f.log.Warn("the server refused a pack; its bytes are in quarantine there", "seq", r.Seq, "reason", r.Reason, "so_far", n)
		}
	}
}
