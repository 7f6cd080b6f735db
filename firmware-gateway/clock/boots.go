package clock

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"karkhana/firmware-gateway/durable"
	"karkhana/firmware-gateway/pack"
	"karkhana/internal/wire"
)

// boot is what is known of one boot. Offsets are ms that are added to the time since the boot.
type boot struct {
	ID       string `json:"id"`
	EndMs    int64  `json:"end_ms,omitempty"`      // last time since the boot that was seen
	Offset   *int64 `json:"offset_ms,omitempty"`   // at its first time from the network
	SyncedMs int64  `json:"synced_ms,omitempty"`   // when that was
	Last     *int64 `json:"last_ms,omitempty"`     // after the newest step
	RTC      *int64 `json:"rtc_ms,omitempty"`      // by the battery-backed clock
	Through  int64  `json:"rtc_used_ms,omitempty"` // packs up to here may have been sent with RTC
	Bounded  *int64 `json:"bounded_ms,omitempty"`  // between its neighbours
}

type file struct {
	Boots []*boot `json:"boots"`
}

// maxBoots is how many boots are remembered: years of daily power cuts with a queue of months.
const maxBoots = 400

func (k *Keeper) current() *boot { return k.boots[len(k.boots)-1] }

// load reads the file and begins this boot's entry. A file that can't be read is moved aside.
func (k *Keeper) load(mark []byte) error {
	var f file
	b, err := os.ReadFile(k.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read the clock's file: %w", err)
	case json.Unmarshal(b, &f) != nil || slices.ContainsFunc(f.Boots, func(b *boot) bool { return b == nil || b.ID == "" }):
		if err := os.Rename(k.path, k.path+".bad"); err != nil {
			return fmt.Errorf("move the clock's unreadable file aside: %w", err)
		}
		k.log.Error("the clock's file could not be read and was moved aside: boots without a time lose their bounds")
		f = file{}
	}
	k.boots, k.ends = f.Boots, markEnds(mark)
	if id, end, tail, err := ParseMark(mark); err == nil {
		if tail.Known && id != k.kernel.Boot() { // less the part of an hour that windows were aligned to
			k.marked = end + tail.OffsetMs
		}
		if b := k.find(id); b != nil {
			b.EndMs = max(b.EndMs, end)
		} else if id != k.kernel.Boot() {
			k.boots = append(k.boots, &boot{ID: id, EndMs: end})
		}
	}
	if n := len(k.boots); n == 0 || k.current().ID != k.kernel.Boot() {
		k.boots = append(k.boots, &boot{ID: k.kernel.Boot()})
	}
	if n := len(k.boots) - maxBoots; n > 0 {
		k.boots = k.boots[n:]
	}
	if err := k.save(); err != nil {
		k.log.Error("clock: can't write down this boot, trying again later", "err", err)
	}
	return nil
}

func (k *Keeper) save() error {
	b, err := json.MarshalIndent(file{Boots: k.boots}, "", "\t")
	if err != nil {
		return fmt.Errorf("write the clock's file: %w", err)
	}
	return durable.Replace(k.path, b)
}

func (k *Keeper) find(id string) *boot {
	for _, b := range k.boots {
		if b.ID == id {
			return b
		}
	}
	return nil
}

// lastKnown is the last UTC, ms, that this gateway is known to have lived before this boot, by the network or by a
// battery-backed clock whose times were sent; 0: none.
func (k *Keeper) lastKnown() int64 {
	ms := k.marked
	for _, b := range k.boots[:len(k.boots)-1] {
		switch {
		case b.Offset != nil:
			ms = max(ms, *b.Offset+b.EndMs)
		case b.RTC != nil && b.Through > 0:
			ms = max(ms, *b.RTC+b.EndMs)
		}
	}
	return ms
}

// rtcReady reports whether the battery-backed clock may be used: nothing better has come for a while.
func (k *Keeper) rtcReady(mono int64) bool {
	b := k.current()
	if b.RTC == nil {
		return false
	}
	patience := rtcPatience
	if last := k.lastKnown(); last > 0 && *b.RTC-last > rtcDoubt.Milliseconds() {
		patience = rtcDoubtPatience
	}
	return b.Through > 0 || mono >= patience.Milliseconds()
}

// Resolve returns what is added to the times of a pack that was closed without a time, and how good that is. lastMs is
// its newest sample, ms since its boot. ok is false as long as nothing is known. Once ok, the answer for a pack never
// changes: it is on the disk before it is given.
//
// A boot that never had a time of its own lies after the boot before it and before the one behind it. Several such boots
// share what is left between them evenly, which is the smallest error they can have together.
func (k *Keeper) Resolve(id string, lastMs int64) (offset int64, clock wire.Clock, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.find(id)
	if b == nil { // its file was lost: before everything that is known
		b = &boot{ID: id, EndMs: lastMs}
		k.boots = slices.Insert(k.boots, 0, b)
	}
	if offset, clock, ok = k.decided(b, lastMs); ok {
		return offset, clock, true
	}
	if b == k.current() {
		return k.useRTC(b, lastMs)
	}
	if _, ok := k.start(k.monoMs()); !ok {
		return 0, "", false
	}
	b.EndMs = max(b.EndMs, lastMs)
	if err := k.settle(); err != nil {
		k.log.Error("clock: can't write down when a former boot was, its samples wait", "err", err)
		return 0, "", false
	}
	return k.decided(b, lastMs)
}

// decided returns what stands on the disk already.
func (k *Keeper) decided(b *boot, lastMs int64) (int64, wire.Clock, bool) {
	switch {
	case b.RTC != nil && b.Through > 0 && b.Offset != nil && (lastMs <= b.Through || abs(*b.RTC-*b.Offset) <= smallStep.Milliseconds()):
		return *b.RTC, wire.ClockRTC, true // a part may have been sent so; the rest must not run into it
	case b.Offset != nil:
		return *b.Offset, wire.ClockRepaired, true
	case b.RTC != nil && lastMs <= b.Through:
		return *b.RTC, wire.ClockRTC, true
	case b.Bounded != nil:
		return *b.Bounded, wire.ClockBounded, true
	}
	return 0, "", false
}

// useRTC gives packs of this boot the battery-backed clock's time.
func (k *Keeper) useRTC(b *boot, lastMs int64) (int64, wire.Clock, bool) {
	mono := k.monoMs()
	if !k.rtcReady(mono) {
		return 0, "", false
	}
	before := b.Through
	b.Through = max(mono, lastMs) + rtcAhead.Milliseconds()
	if err := k.save(); err != nil {
		b.Through = before
		k.log.Error("clock: can't write down that the battery-backed clock is used, samples wait", "err", err)
		return 0, "", false
	}
	return *b.RTC, wire.ClockRTC, true
}

// settle decides all boots before this one.
func (k *Keeper) settle() error {
	saved := make([]boot, len(k.boots))
	for i, b := range k.boots {
		saved[i] = *b
	}
	now, _ := k.start(k.monoMs())
	for i := 0; i < len(k.boots)-1; {
		if _, ok := startOf(k.boots[i]); ok {
			if b := k.boots[i]; b.Offset == nil && b.RTC != nil { // what was not sent, too
				b.Through = max(b.Through, forever)
			}
			i++
			continue
		}
		j := i
		for j < len(k.boots)-1 {
			if _, ok := startOf(k.boots[j]); ok {
				break
			}
			j++
		}
		upper := now
		if s, ok := startOf(k.boots[j]); ok && j < len(k.boots)-1 {
			upper = s
		}
		var lower *int64
		if i > 0 {
			s, _ := startOf(k.boots[i-1])
			s += k.boots[i-1].EndMs
			lower = &s
		}
		place(k.boots[i:j], lower, upper)
		i = j
	}
	if err := k.save(); err != nil {
		for i, b := range k.boots {
			*b = saved[i]
		}
		return err
	}
	return nil
}

// forever is later in a boot than any boot lasts.
const forever = int64(1) << 50

// startOf returns when a boot began, UTC ms, as far as that is settled.
func startOf(b *boot) (int64, bool) {
	switch {
	case b.Last != nil:
		return *b.Last, true
	case b.Offset != nil:
		return *b.Offset, true
	case b.RTC != nil && b.Through > 0:
		return *b.RTC, true
	case b.Bounded != nil:
		return *b.Bounded, true
	}
	return 0, false
}

// place puts boots without a time between lower and upper. A battery-backed clock that fits in between is believed.
func place(boots []*boot, lower *int64, upper int64) {
	for i, b := range boots {
		if b.RTC == nil || lower != nil && *b.RTC < *lower || *b.RTC+b.EndMs > upper {
			continue
		}
		b.Through = forever
		place(boots[:i], lower, *b.RTC)
		after := *b.RTC + b.EndMs
		place(boots[i+1:], &after, upper)
		return
	}
	if len(boots) == 0 {
		return
	}
	total := int64(0)
	for _, b := range boots {
		total += b.EndMs
	}
	gap := int64(0)
	at := upper - total // directly before, when nothing is known of what was before
	if lower != nil {
		gap = max(0, (upper-*lower-total)/int64(len(boots)+1))
		at = *lower + gap
	}
	for _, b := range boots {
		start := at
		b.Bounded = &start
		at += b.EndMs + gap
	}
}

func abs(v int64) int64 { return max(v, -v) }

// appendMark writes more as rows of a pack, which readers of former versions pass over.
func appendMark(mono int64, more []wire.Sample, t pack.Tail) []byte {
	return pack.AppendTail(pack.AppendRow(binary.AppendVarint(nil, mono), more), t)
}

// markEnd is what a mark calls the end of a machine's packs that ran ahead; no quantity has this name.
const markEnd = "end"

// ahead returns where the packs of machines end that end later than now, by the clock. The caller holds mu.
func (k *Keeper) ahead() (out []wire.Sample) {
	now := k.monoMs() + k.offset
	for _, m := range slices.Sorted(maps.Keys(k.ends)) {
		if e := k.ends[m]; e.known && e.ms > now {
			out = append(out, wire.Sample{TimeMs: e.ms, Quantity: markEnd, Quality: m})
		}
	}
	return out
}

// MarkSamples returns what was given to [Keeper.Mark] as more.
func MarkSamples(b []byte) []wire.Sample {
	_, n := binary.Varint(b)
	if n <= 0 {
		return nil
	}
	s, err := pack.Parse(b[n:])
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(s.Samples, func(s wire.Sample) bool { return s.Quantity == markEnd })
}

// markEnds returns where the packs of machines ended that ran ahead.
func markEnds(b []byte) map[string]end {
	out := map[string]end{}
	_, n := binary.Varint(b)
	if n <= 0 {
		return out
	}
	if s, err := pack.Parse(b[n:]); err == nil {
		for _, sample := range s.Samples {
			if sample.Quantity == markEnd {
				out[sample.Quality] = end{ms: sample.TimeMs, known: true}
			}
		}
	}
	return out
}

// ParseMark reads what [Keeper.Mark] returned: the boot, the ms since it, and what a pack's tail would have been.
func ParseMark(b []byte) (boot string, monoMs int64, tail pack.Tail, err error) {
	monoMs, n := binary.Varint(b)
	if n <= 0 {
		return "", 0, pack.Tail{}, ErrMark
	}
	s, err := pack.Parse(b[n:])
	if err != nil || s.Boot == "" {
		return "", 0, pack.Tail{}, errors.Join(ErrMark, err)
	}
	return s.Boot, monoMs, s.Tail, nil
}
