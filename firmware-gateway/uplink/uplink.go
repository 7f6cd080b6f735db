package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"karkhana/firmware-gateway/spool"
	"karkhana/internal/handover"
	"karkhana/internal/wire"
)

// Queue is what the uplink needs of the spool.
type Queue interface {
	ID() string
	Cursor() Cursor
	Read(spool.Ref) (spool.Record, error) // the payload is what is sent
	Receipt(ranges ...[2]uint64) int
}

// Cursor walks through the queue, oldest pack first. Packs that can't be sent yet are left out; once they can they come,
// with some that were given before.
type Cursor interface {
	Next() (spool.Record, error) // io.EOF: none now
	Close()
}

var _ Cursor = (*spool.Cursor)(nil)

// Options of an uplink. Zero numbers take their defaults.
type Options struct {
	URL           string // mqtt://host:port
	Site, Gateway string
	Key           string // password
	Queue         Queue
	Status        func() wire.Status // what the gateway says of itself; Online is set here
	Logger        *slog.Logger
	// Command takes what comes on the command topic. It is called by several goroutines and must not wait. nil: the topic
	// is not subscribed.
	Command func(payload []byte)

	HistoryPerS int           // packs of the history lane per second; 0: no limit
	Window      int           // packs without a receipt, each lane; default 256
	LiveAge     time.Duration // up to this age of its newest sample a pack is live; default 30 s
	Resend      time.Duration // before a pack is sent again; default 30 s, doubling
	ResendMax   time.Duration // longest such wait; default 10 min
	StatusEvery time.Duration // default 15 s
	RetryMin    time.Duration // wait after a connection that brought no receipt; default 1 s, doubling
	RetryMax    time.Duration // longest such wait; default 30 s
	// Date is the wall clock for the age of packs; ok is false when nobody knows it, and then no pack is live. Default:
	// the computer's.
	Date func() (at time.Time, ok bool)
}

func (o *Options) defaults() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("broker %q: write it as mqtt://host:port", o.URL)
	case o.Queue == nil || o.Status == nil:
		return errors.New("uplink: Queue and Status must be set")
	case o.HistoryPerS < 0:
		return fmt.Errorf("history_packs_per_s: %d: use 0 (no limit) or more", o.HistoryPerS)
	}
	if err := errors.Join(wire.CheckID("site", o.Site), wire.CheckID("gateway", o.Gateway)); err != nil {
		return err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Date == nil {
		o.Date = func() (time.Time, bool) { return time.Now(), true }
	}
	if o.Window <= 0 {
		o.Window = 256
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&o.LiveAge, 30 * time.Second},
		{&o.Resend, 30 * time.Second},
		{&o.ResendMax, 10 * time.Minute},
		{&o.StatusEvery, 15 * time.Second},
		{&o.RetryMin, time.Second},
		{&o.RetryMax, 30 * time.Second},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return nil
}

// Stats count what an uplink did since it was made.
type Stats struct {
	Connected       bool
	Connections     uint64
	SentLive        uint64 // sendings on the live lane, repeated ones included
	SentHistory     uint64
	Resent          uint64
	Receipted       uint64
	Refused         uint64
	ForeignReceipts uint64 // for another spool, or not a receipt

	Since   time.Time // when the connection came, or was found missing
	Failure string    // last one while not connected
	Trouble Trouble   // what it comes down to
}

// Uplink is one gateway's connection. Run is called once; Offer and Stats at any time.
type Uplink struct {
	o      Options
	flight *flight  // owned by Run
	cursor Cursor   // owned by Run
	refuse refusals // owned by Run
	wake   chan struct{}
	say    chan struct{}  // the status is to be said now
	again  chan sendAgain // to the session

	hands handover.Hands // Run waits for them

	mu    sync.Mutex
	fresh []spool.Ref // durable, not yet sent, newest last
	stats Stats
}

// maxFresh bounds what waits for the live lane; what does not fit is found by the cursor.
const maxFresh = 1024

// New checks the options. It does not connect.
func New(o Options) (*Uplink, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	return &Uplink{
		o: o, wake: make(chan struct{}, 1), say: make(chan struct{}, 1), again: make(chan sendAgain), flight: newFlight(o.Resend, o.ResendMax), stats: Stats{Since: time.Now()},
		refuse: refusals{log: o.Logger, seen: map[string]int{}},
	}, nil
}

// Offer tells that records became durable. Fresh ones overtake the backlog. It does not wait.
func (u *Uplink) Offer(refs []spool.Ref) {
	if len(refs) == 0 {
		return
	}
	u.mu.Lock()
	for _, r := range refs {
		if u.isLive(r.TimeMs) {
			u.fresh = append(u.fresh, r)
		}
	}
	if n := len(u.fresh) - maxFresh; n > 0 {
		u.fresh = append(u.fresh[:0], u.fresh[n:]...)
	}
	u.mu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *Uplink) isLive(ms int64) bool {
	at, ok := u.o.Date()
	return ok && at.UnixMilli()-ms <= u.o.LiveAge.Milliseconds()
}

// nextFresh takes the oldest of the fresh ones that are still fresh.
func (u *Uplink) nextFresh() (spool.Ref, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.fresh) > 0 {
		r := u.fresh[0]
		u.fresh = u.fresh[1:]
		if u.isLive(r.TimeMs) {
			return r, true
		}
	}
	u.fresh = nil
	return spool.Ref{}, false
}

// Stats returns the counters.
func (u *Uplink) Stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.stats
}

func (u *Uplink) count(f func(*Stats)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.stats)
}

// Run connects and sends until ctx ends, then says that the gateway is offline. A broker that can't be reached is
// tried for ever.
func (u *Uplink) Run(ctx context.Context) error {
	u.cursor = u.o.Queue.Cursor()
	defer u.cursor.Close()
	defer u.hands.Wait()
	wait, lastErr := u.o.RetryMin, ""
	for {
		worked, err := u.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if worked {
			wait, lastErr = u.o.RetryMin, ""
		}
		u.count(func(st *Stats) { st.Failure, st.Trouble = err.Error(), troubleOf(err) })
		if err.Error() != lastErr { // a long outage is one line, not one each second
			lastErr = err.Error()
			u.o.Logger.Warn("no connection to the broker, samples wait in the spool", "broker", u.o.URL, "err", err)
		}
		t := time.NewTimer(wait/2 + rand.N(wait/2+1))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
		wait = min(2*wait, u.o.RetryMax)
	}
}
