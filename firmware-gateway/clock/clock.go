// Package clock tells the gateway's time, how far it can be trusted, and in which boot.
//
// Samples are stamped with the time since the boot, which is right whatever the wall clock does, so durations within a
// boot come from it alone. What is added to make it UTC is decided once for a pack, before it is first sent:
//
//   - synced: the kernel's clock was disciplined when the pack was closed.
//   - repaired: it was disciplined later in the same boot.
//   - rtc: only a battery-backed clock was there (or the discipline is more than a day old), and it agrees with what
//     is known of the time.
//   - bounded: the boot never had a time. It lies somewhere between the boots around it, see [Keeper.Resolve].
//
// The package owns these decisions and the small file that keeps them; a decision that was used is never changed.
package clock

import (
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"karkhana/firmware-gateway/pack"
	"karkhana/internal/wire"
)

const (
	// jitter is how far two readings of the same clocks may lie apart without being a step.
	jitter = 100 * time.Millisecond
	// freeRun is how long a clock that was disciplined counts as synced after that: 50 ppm are 4 s a day.
	freeRun = 24 * time.Hour
	// rtcPatience is how long after the boot a time from the network is waited for before the battery-backed clock is
	// used: what was sent can't be repaired any more.
	rtcPatience = 3 * time.Minute
	// rtcDoubt is how far ahead of the last known time the battery-backed clock may lie without doubt; rtcDoubtPatience
	// is how long one in doubt waits.
	rtcDoubt         = 45 * 24 * time.Hour
	rtcDoubtPatience = time.Hour
	// rtcAhead is how much later packs the word that a battery-backed clock is used covers at once: a write to the disk.
	rtcAhead = 10 * time.Minute
	// smallStep is a step that moves packs; a larger one shows that the old time meant nothing.
	smallStep = 10 * time.Minute
	// alignTo is what windows of samples are aligned to when the time is known at the start.
	alignTo = int64(time.Hour / time.Millisecond)
)

// Times outside are no times: a computer without a clock begins at 1970 or at its image's date.
var (
	earliest = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Options of a keeper.
type Options struct {
	Kernel  Kernel    // nil: the computer's
	RTC     RTC       // nil: the kernel's
	Built   time.Time // before it no battery-backed clock can be right
	Trusted bool      // somebody else keeps the wall clock right (a server, a laptop, a recording): nothing is asked
	File    string    // where decisions are kept
	Mark    []byte    // what [Keeper.Mark] returned last before the process ended, nil when it is not known
	Logger  *slog.Logger
}

// Keeper keeps the time. It is safe for concurrent use.
type Keeper struct {
	kernel  Kernel
	trusted bool
	path    string
	log     *slog.Logger
	align   int64 // ms: Now is the time since the boot and this

	mu        sync.Mutex
	boots     []*boot // ascending; the last is this one
	offset    int64   // ms from boot to UTC, when known
	known     bool
	syncedAt  int64 // ms since the boot, last time that the kernel was synced
	candidate *int64
	ends      map[string]end
	version   uint64
	marked    int64 // UTC, ms, at least: when the spool was last written in a former boot; 0: not known

	rtc              RTC
	built            time.Time
	rtcState         string
	rtcSeen          bool  // somebody has looked
	rtcNext, rtcTend int64 // ms since the boot: when it is read, and set, again
}

// end is when a machine's last pack ended.
type end struct {
	ms    int64 // UTC, or since the boot
	known bool
}

// Open reads what was decided in former boots.
func Open(o Options) (*Keeper, error) {
	if o.Kernel == nil {
		o.Kernel = System()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.RTC == nil {
		o.RTC = kernelRTC{o.Kernel}
	}
	k := &Keeper{kernel: o.Kernel, trusted: o.Trusted, path: o.File, log: o.Logger, ends: map[string]end{}, rtc: o.RTC, built: o.Built}
	if err := k.load(o.Mark); err != nil {
		return nil, err
	}
	b := k.current()
	if b.Offset != nil { // the process began anew within the boot
		k.known, k.offset, k.syncedAt = true, *b.Offset, b.SyncedMs
		if b.Last != nil {
			k.offset = *b.Last
		}
	}
	if off, synced := k.read(); synced {
		k.accept(off)
	}
	if !k.trusted {
		k.lookRTC()
	}
	if k.known && !k.trusted {
		k.align = floorMod(k.offset, alignTo)
	}
	return k, nil
}

func floorMod(v, m int64) int64 { return ((v % m) + m) % m }

func (k *Keeper) monoMs() int64 { return k.kernel.Mono().Milliseconds() }

// read returns the wall clock minus the time since the boot, ms, and whether the wall clock is disciplined.
func (k *Keeper) read() (offset int64, synced bool) {
	var wall time.Time
	least := time.Duration(math.MaxInt64)
	for range 3 { // the process may be interrupted between two readings
		before := k.kernel.Mono()
		w := k.kernel.Wall()
		if spread := k.kernel.Mono() - before; spread < least {
			least, wall = spread, w
			offset = w.UnixMilli() - (before + spread/2).Milliseconds()
		}
	}
	return offset, (k.trusted || k.kernel.Synced()) && wall.After(earliest) && wall.Before(latest)
}

// Boot returns the id of this boot.
func (k *Keeper) Boot() string { return k.kernel.Boot() }

// Now is the time that samples are stamped with: it never steps within a boot, and it is no date. Only when the clock
// is trusted it is the wall clock.
func (k *Keeper) Now() time.Time {
	if k.trusted {
		return k.kernel.Wall()
	}
	return time.UnixMilli(k.monoMs() + k.align).UTC()
}

// UTC returns the best known date; ok is false when there is none.
func (k *Keeper) UTC() (at time.Time, ok bool) {
	if k.trusted {
		return k.kernel.Wall(), true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	mono := k.monoMs()
	if off, ok := k.start(mono); ok {
		return time.UnixMilli(mono + off).UTC(), true
	}
	return k.kernel.Wall(), false
}

// start returns what is added to the time since the boot at this moment. The caller holds mu.
func (k *Keeper) start(mono int64) (offset int64, ok bool) {
	if k.known {
		return k.offset, true
	}
	if b := k.current(); k.rtcReady(mono) {
		return *b.RTC, true
	}
	return 0, false
}

// Trust returns how far the time is known now.
func (k *Keeper) Trust() wire.Clock {
	if k.trusted {
		return wire.ClockSynced
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trust(k.monoMs())
}

func (k *Keeper) trust(mono int64) wire.Clock {
	switch {
	case k.known && mono-k.syncedAt <= freeRun.Milliseconds():
		return wire.ClockSynced
	case k.known || k.rtcReady(mono):
		return wire.ClockRTC
	}
	return wire.ClockBounded
}

// Version changes when packs that had no time may have one now.
func (k *Keeper) Version() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.version
}

// Poll looks at the kernel's clock; it is called once a second. A time that is new, or a step, counts when two polls
// agree on it: a program that sets the clock does so in several moves.
func (k *Keeper) Poll() {
	if k.trusted {
		return
	}
	k.lookRTC()
	if k.poll() {
		k.tendRTC()
	}
}

// poll looks at the kernel's clock and reports whether it is right and this keeper's time is its.
func (k *Keeper) poll() bool {
	off, synced := k.read()
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.trust(k.monoMs())
	switch {
	case !synced:
		k.candidate = nil
	case k.known && near(off, k.offset):
		k.candidate, k.syncedAt = nil, k.monoMs()
	case k.candidate != nil && near(off, *k.candidate):
		k.candidate = nil
		k.accept(off)
	default:
		k.candidate = &off
	}
	if now := k.trust(k.monoMs()); now != was {
		k.log.Info("clock", "was", string(was), "is", string(now))
		k.version++
	}
	return synced && k.known && k.candidate == nil
}

func near(a, b int64) bool { return a-b <= jitter.Milliseconds() && b-a <= jitter.Milliseconds() }

// accept takes over a time from the network: the first of the boot, or a step. The caller holds mu.
func (k *Keeper) accept(off int64) {
	b, mono := k.current(), k.monoMs()
	if k.known && !near(off, k.offset) {
		k.log.Warn("clock was stepped", "ms", off-k.offset)
	}
	before := *b
	if b.Offset == nil {
		b.Offset, b.SyncedMs = &off, mono
	} else if !near(off, k.offset) {
		b.Last = &off
	}
	if *b != before {
		if err := k.save(); err != nil {
			*b = before
			k.log.Error("clock: can't write down the time, trying again", "err", err)
			return
		}
	}
	if !k.known { // what machines sent until now may have had another clock's times
		for m, e := range k.ends {
			if e.known { // of a former process
				continue
			}
			if o, _, ok := k.decided(b, e.ms); ok {
				k.ends[m] = end{ms: e.ms + o, known: true}
			}
		}
	}
	if !k.known || !near(off, k.offset) {
		k.rtcTend = 0
	}
	k.known, k.offset, k.syncedAt = true, off, mono
	k.version++
}

// Stamp returns the tail of a pack that is closed now. first and last are its oldest and newest sample by [Keeper.Now].
// Without a time yet the tail says only which boot it is: [Keeper.Resolve] knows more later.
//
// Within a boot a machine's packs never run into each other: when the clock was set back a little, a pack is moved
// behind the one before. Durations within a pack are what they were.
func (k *Keeper) Stamp(machine string, first, last int64) pack.Tail {
	t := pack.Tail{Boot: k.Boot()}
	if k.trusted {
		t.Known, t.Clock = true, wire.ClockSynced
		return t
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known {
		k.ends[machine] = end{ms: last - k.align}
		return t
	}
	t.Known, t.OffsetMs, t.Clock = true, k.offset-k.align, k.trust(k.monoMs())
	if b := k.current(); first-k.align < b.SyncedMs {
		t.Clock = wire.ClockRepaired
	}
	return k.follow(machine, first, last, t)
}

// Follow returns the tail of a pack that a former process left open and that was to end with t: moved behind the machine's
// pack before, as [Keeper.Stamp] does.
func (k *Keeper) Follow(machine string, first, last int64, t pack.Tail) pack.Tail {
	if k.trusted || !t.Known {
		return t
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.follow(machine, first, last, t)
}

// follow moves a pack behind the machine's pack before when that ended a little later. The caller holds mu.
func (k *Keeper) follow(machine string, first, last int64, t pack.Tail) pack.Tail {
	if e := k.ends[machine]; e.known {
		if behind := e.ms + 1 - (first + t.OffsetMs); behind > 0 && behind <= smallStep.Milliseconds() {
			t.OffsetMs += behind
		}
	}
	k.ends[machine] = end{ms: last + t.OffsetMs, known: true}
	return t
}

// ErrMark says that a mark can't be read.
var ErrMark = errors.New("mark of the clock can't be read")

// Mark returns what the next start wants to know of this moment, to be kept with the samples: when it was and what the
// tail of a pack would be; which machines' packs ran ahead of the clock because it was set back; and more, which
// [MarkSamples] gives back.
func (k *Keeper) Mark(more ...wire.Sample) []byte {
	t := pack.Tail{Boot: k.Boot(), Known: k.trusted, Clock: wire.ClockSynced}
	if !k.trusted {
		k.mu.Lock()
		if k.known {
			t.Known, t.OffsetMs, t.Clock = true, k.offset-k.align, k.trust(k.monoMs())
			more = append(k.ahead(), more...)
		}
		k.mu.Unlock()
	}
	return appendMark(k.monoMs(), more, t)
}
