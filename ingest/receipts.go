package ingest

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"karkhana/internal/repeat"
	"karkhana/internal/wire"
)

// receipts gathers what was stored and refused for each gateway's spool and sends it in few messages. A receipt that
// gets lost costs only a repeated pack.
type receipts struct {
	metrics *metrics
	log     *slog.Logger

	mu      sync.Mutex
	pending map[spoolID]*pendingReceipt
}

type spoolID struct{ site, gateway, spool string }

type pendingReceipt struct {
	stored  []uint64
	refused []wire.Refusal
}

// maxReceiptEntries keeps a message far below wire.MaxReceiptBytes.
const maxReceiptEntries = 2000

func newReceipts(m *metrics, log *slog.Logger) *receipts {
	return &receipts{metrics: m, log: log, pending: map[spoolID]*pendingReceipt{}}
}

func (r *receipts) stored(it *item) {
	r.add(it, func(p *pendingReceipt) { p.stored = append(p.stored, it.seq) })
}

// refused notes a refusal. A pack too broken to tell which it is gets no receipt.
func (r *receipts) refused(it *item) {
	r.add(it, func(p *pendingReceipt) {
		p.refused = append(p.refused, wire.Refusal{Seq: it.seq, Reason: it.refusal.reason})
	})
}

func (r *receipts) add(it *item, note func(*pendingReceipt)) {
	if it.spool == "" || it.seq == 0 || it.topic.Gateway == "" {
		return
	}
	id := spoolID{it.topic.Site, it.topic.Gateway, it.spool}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pending[id]
	if p == nil {
		p = &pendingReceipt{}
		r.pending[id] = p
	}
	note(p)
}

// run sends what has gathered, each time every is over.
func (r *receipts) run(ctx context.Context, every time.Duration, s source) {
	repeat.Every(ctx, every, func(context.Context) { r.flush(s) })
}

// flush sends all pending receipts and returns them. Without a connection they wait: nothing new comes in then.
func (r *receipts) flush(s source) (out []sent) {
	r.mu.Lock()
	pending := r.pending
	r.pending = map[spoolID]*pendingReceipt{}
	r.mu.Unlock()
	for id, p := range pending {
		for _, receipt := range messages(id.spool, p) {
			payload, err := receipt.Encode()
			if err != nil {
				r.log.Error("receipt cannot be written", "site", id.site, "gateway", id.gateway, "err", err)
				continue
			}
			m, err := s.publish(wire.ReceiptTopic(id.site, id.gateway), 0, false, payload)
			if err != nil {
				r.keep(id, p)
				break
			}
			out = append(out, m)
			r.metrics.receipts.Inc()
		}
	}
	return out
}

func (r *receipts) keep(id spoolID, p *pendingReceipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.pending[id]; now != nil {
		now.stored, now.refused = append(now.stored, p.stored...), append(now.refused, p.refused...)
		return
	}
	r.pending[id] = p
}

// messages makes receipts of bounded size with ranges joined.
func messages(spool string, p *pendingReceipt) []wire.Receipt {
	slices.SortFunc(p.refused, func(a, b wire.Refusal) int { return cmp.Compare(a.Seq, b.Seq) })
	ranges, refused := ranges(p.stored), slices.Compact(p.refused)
	var out []wire.Receipt
	for len(ranges) > 0 || len(refused) > 0 {
		m := wire.Receipt{Spool: spool}
		n := min(len(ranges), maxReceiptEntries)
		m.Stored, ranges = ranges[:n:n], ranges[n:]
		n = min(len(refused), maxReceiptEntries)
		m.Refused, refused = refused[:n:n], refused[n:]
		out = append(out, m)
	}
	return out
}

// ranges joins neighbouring numbers. It sorts seqs.
func ranges(seqs []uint64) [][2]uint64 {
	slices.Sort(seqs)
	var out [][2]uint64
	for _, s := range seqs {
		if n := len(out); n > 0 && s <= out[n-1][1]+1 {
			out[n-1][1] = s
			continue
		}
		out = append(out, [2]uint64{s, s})
	}
	return out
}
