package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/firmware-gateway/pack"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// world is the truth and a computer in it.
type world struct {
	now    time.Time // true UTC
	booted time.Time
	wrong  time.Duration // of the wall clock
	synced bool
	rtc    *time.Duration // error of the battery-backed clock; nil: none
	chip   RTC            // instead of it
	built  time.Time
	boot   string
	dir    string
	mark   []byte
	k      *Keeper
}

func (w *world) Wall() time.Time     { return w.now.Add(w.wrong) }
func (w *world) Mono() time.Duration { return w.now.Sub(w.booted) }
func (w *world) Synced() bool        { return w.synced }
func (w *world) Boot() string        { return w.boot }
func (w *world) RTC() (time.Time, error) {
	if w.rtc == nil {
		return time.Time{}, ErrNoRTC
	}
	return w.now.Add(*w.rtc), nil
}

var day = time.Date(2026, 10, 23, 4, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	return &world{now: day, dir: t.TempDir()}
}

// start boots the computer (or, without a name, only the process) with its wall clock off by wrong.
func (w *world) start(t require.TestingT, boot string, wrong time.Duration) {
	if boot != "" {
		w.boot, w.booted, w.wrong, w.synced = boot, w.now.Add(-20*time.Second), wrong, false
	}
	var err error
	w.k, err = Open(Options{Kernel: w, RTC: w.chip, Built: w.built, File: filepath.Join(w.dir, "clock.json"), Mark: w.mark})
	require.NoError(t, err)
}

// pass lets time pass, with a poll each second.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(time.Second)
		w.k.Poll()
	}
	w.mark = w.k.Mark()
}

// skip lets much time pass with few polls.
func (w *world) skip(d time.Duration) {
	w.now = w.now.Add(d)
	w.pass(3 * time.Second)
}

// sync lets the network set the clock right.
func (w *world) sync() {
	w.wrong, w.synced = 0, true
	w.pass(2 * time.Second)
}

// stored is a pack of one second with its true time.
type stored struct {
	tail  pack.Tail
	first int64 // as stamped
	truth time.Time
}

func (w *world) take() stored {
	at := w.k.Now().UnixMilli()
	return stored{tail: w.k.Stamp("m", at, at), first: at, truth: w.now}
}

// dated returns when the pack says that it was.
func (w *world) dated(s stored) (at time.Time, clock wire.Clock, ok bool) {
	off, clock := s.tail.OffsetMs, s.tail.Clock
	if !s.tail.Known {
		if off, clock, ok = w.k.Resolve(s.tail.Boot, s.first); !ok {
			return time.Time{}, "", false
		}
	}
	return time.UnixMilli(s.first + off).UTC(), clock, true
}

func (w *world) want(t *testing.T, s stored, clock wire.Clock, within time.Duration) {
	t.Helper()
	at, c, ok := w.dated(s)
	require.True(t, ok, "has no time")
	require.Equal(t, clock, c)
	require.WithinDuration(t, s.truth, at, within)
}

func (w *world) wantHeld(t *testing.T, s stored) {
	t.Helper()
	_, _, ok := w.dated(s)
	require.False(t, ok, "is sent without a time")
}

const exact = 2 * time.Millisecond

func TestSyncedFromTheStart(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", 0)
	require.Equal(t, wire.ClockBounded, w.k.Trust())
	w.synced = true
	w.start(t, "a", 0)
	w.synced = true
	w.start(t, "", 0)
	require.Equal(t, wire.ClockSynced, w.k.Trust(), "at once")
	require.Zero(t, (w.k.Now().UnixMilli()-w.now.UnixMilli())%alignTo, "windows lie as by the wall clock")
	w.pass(5 * time.Second)
	w.want(t, w.take(), wire.ClockSynced, exact)
}

// 1970 at the boot, hours without network, then a sync: everything of the boot is right, and durations always were.
func TestRepairedAfterTheFirstSync(t *testing.T) {
	for name, wrong := range map[string]time.Duration{
		"1970": -time.Since(time.Unix(0, 0)), "an hour slow": -time.Hour, "an hour fast": time.Hour, "2099": 73 * 365 * 24 * time.Hour, "right by chance": 0,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start(t, "a", wrong)
			w.pass(time.Minute)
			early := w.take()
			w.skip(5 * 24 * time.Hour)
			late := w.take()
			require.Equal(t, late.truth.Sub(early.truth).Milliseconds(), late.first-early.first, "duration")
			w.wantHeld(t, early)
			w.wantHeld(t, late)
			_, ok := w.k.UTC()
			require.False(t, ok)
			v := w.k.Version()
			w.sync()
			require.Greater(t, w.k.Version(), v)
			w.want(t, early, wire.ClockRepaired, exact)
			w.want(t, late, wire.ClockRepaired, exact)
			w.pass(time.Second)
			w.want(t, w.take(), wire.ClockSynced, exact)
			require.Equal(t, wire.ClockSynced, w.k.Trust())
		})
	}
}

func TestPackAcrossTheFirstSyncIsRepaired(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", -time.Hour)
	w.pass(time.Minute)
	first := w.k.Now().UnixMilli()
	w.sync()
	w.pass(time.Second)
	require.Equal(t, wire.ClockRepaired, w.k.Stamp("m", first, w.k.Now().UnixMilli()).Clock)
}

// One poll that sees a half-set clock decides nothing.
func TestOnePollDecidesNothing(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", -time.Hour)
	w.pass(10 * time.Second)
	w.synced = true // the flag comes before the step
	w.pass(time.Second)
	require.Equal(t, wire.ClockBounded, w.k.Trust())
	w.wrong = 0
	w.pass(2 * time.Second)
	w.want(t, w.take(), wire.ClockSynced, exact)
}

func TestSyncedFlagOnANonsenseDateIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", -50*365*24*time.Hour)
	w.synced = true
	w.pass(time.Minute)
	require.Equal(t, wire.ClockBounded, w.k.Trust())
}

// Days without network let the crystal drift; the sync steps back or forward. Packs never run into each other, a small
// step back is made up for soon, and nothing that has a time changes.
func TestSteps(t *testing.T) {
	for name, step := range map[string]time.Duration{"back 3 s": 3 * time.Second, "forward 3 s": -3 * time.Second, "back 1 s": time.Second, "forward 2 h": -2 * time.Hour, "back 2 h": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start(t, "a", 0)
			w.sync()
			before := w.take()
			w.synced = false
			w.skip(3 * 24 * time.Hour)
			require.Equal(t, wire.ClockRTC, w.k.Trust(), "a day after the last sync")
			// What the keeper believes is off by step: as if the crystal had drifted.
			w.booted = w.booted.Add(-step)
			prev := w.take()
			w.want(t, before, wire.ClockSynced, exact)
			w.synced = true
			var last time.Time
			if at, _, ok := w.dated(prev); ok {
				last = at
			}
			caught := 0
			for i := range 60 {
				w.pass(time.Second)
				s := w.take()
				at, _, ok := w.dated(s)
				require.True(t, ok)
				if step < smallStep {
					require.True(t, at.After(last), "second %d: %v is not after %v", i, at, last)
				}
				last = at
				if at.Sub(s.truth).Abs() > exact {
					caught = i + 1
				}
			}
			t.Logf("right again after %d s", caught)
			require.Less(t, caught, 10)
			require.Equal(t, wire.ClockSynced, w.k.Trust())
		})
	}
}

func TestProcessRestartWithinABoot(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", -time.Hour)
	w.pass(time.Minute)
	early := w.take()
	w.start(t, "", 0)
	w.pass(time.Minute)
	w.wantHeld(t, early)
	w.sync()
	w.want(t, early, wire.ClockRepaired, exact)
	w.synced = false
	w.start(t, "", 0)
	w.pass(time.Minute)
	w.want(t, w.take(), wire.ClockSynced, exact)
	w.want(t, early, wire.ClockRepaired, exact)
}

// Boots without any time lie between their neighbours, in order, without overlap, and say so.
func TestBoundedBoots(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", 0)
	w.sync()
	w.pass(time.Minute)
	known := w.take()
	var lost []stored
	for _, boot := range []string{"b", "c", "d"} {
		w.now = w.now.Add(2 * time.Hour) // no supply
		w.start(t, boot, -time.Since(time.Unix(0, 0)))
		w.pass(10 * time.Minute)
		lost = append(lost, w.take())
		w.pass(10 * time.Minute)
		lost = append(lost, w.take())
	}
	for _, s := range lost {
		w.wantHeld(t, s)
	}
	w.now = w.now.Add(2 * time.Hour)
	w.start(t, "e", 0)
	for _, s := range lost {
		w.wantHeld(t, s)
	}
	w.sync()
	last, _, _ := w.dated(known)
	for i, s := range lost {
		w.want(t, s, wire.ClockBounded, 2*time.Hour)
		at, _, _ := w.dated(s)
		require.True(t, at.After(last))
		if i%2 == 1 {
			require.Equal(t, 10*time.Minute, at.Sub(last), "durations within a boot are exact")
		}
		last = at
	}
	require.True(t, last.Before(w.now))
	// Nothing changes any more, not even by what comes later.
	first, _, _ := w.dated(lost[0])
	w.now = w.now.Add(time.Hour)
	w.start(t, "f", 0)
	w.sync()
	again, _, _ := w.dated(lost[0])
	require.Equal(t, first, again)
}

func TestFirstBootEverWithoutATime(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", -time.Since(time.Unix(0, 0)))
	w.pass(10 * time.Minute)
	s := w.take()
	w.now = w.now.Add(time.Hour)
	w.start(t, "b", 0)
	w.sync()
	at, clock, ok := w.dated(s)
	require.True(t, ok)
	require.Equal(t, wire.ClockBounded, clock)
	require.False(t, at.After(w.now.Add(-10*time.Second)), "before the boot that knows")
}

// dur is a pointer to an error of the battery-backed clock.
func dur(d time.Duration) *time.Duration { return &d }

func TestRTC(t *testing.T) {
	t.Run("right: used after a while, synced later", func(t *testing.T) {
		w := newWorld(t)
		w.rtc = dur(400 * time.Millisecond)
		w.start(t, "a", 400*time.Millisecond)
		w.pass(time.Minute)
		s := w.take()
		w.wantHeld(t, s)
		w.pass(3 * time.Minute)
		require.Equal(t, wire.ClockRTC, w.k.Trust())
		w.want(t, s, wire.ClockRTC, 500*time.Millisecond)
		at, _, _ := w.dated(s)
		later := w.take()
		w.sync()
		again, clock, _ := w.dated(s)
		require.Equal(t, at, again, "was sent, does not change")
		require.Equal(t, wire.ClockRTC, clock)
		l, _, _ := w.dated(later)
		w.pass(time.Second)
		next := w.take()
		w.want(t, next, wire.ClockSynced, time.Second)
		n, _, _ := w.dated(next)
		require.True(t, n.After(l))
	})
	t.Run("not used before the sync: repaired", func(t *testing.T) {
		w := newWorld(t)
		w.rtc = dur(time.Minute)
		w.start(t, "a", time.Minute)
		w.skip(24 * time.Hour)
		s := w.take()
		w.sync()
		w.want(t, s, wire.ClockRepaired, exact)
	})
	for name, wrong := range map[string]time.Duration{
		"1970": -time.Since(time.Unix(0, 0)), "2099": 73 * 365 * 24 * time.Hour, "months behind": -70 * 24 * time.Hour,
	} {
		t.Run("wrong: "+name, func(t *testing.T) {
			w := newWorld(t)
			w.start(t, "a", 0)
			w.sync()
			w.pass(time.Minute)
			w.now = w.now.Add(time.Hour)
			w.rtc = &wrong
			w.start(t, "b", wrong)
			w.pass(10 * time.Minute)
			s := w.take()
			w.wantHeld(t, s)
			require.Equal(t, wire.ClockBounded, w.k.Trust())
			w.sync()
			w.want(t, s, wire.ClockRepaired, exact)
		})
	}
	t.Run("wrong: months ahead waits for an hour", func(t *testing.T) {
		w := newWorld(t)
		w.start(t, "a", 0)
		w.sync()
		w.now = w.now.Add(time.Hour)
		ahead := 90 * 24 * time.Hour
		w.rtc = &ahead
		w.start(t, "b", ahead)
		w.pass(50 * time.Minute)
		s := w.take()
		w.wantHeld(t, s)
		w.sync()
		w.want(t, s, wire.ClockRepaired, exact)
		w.pass(time.Second)
		w.want(t, w.take(), wire.ClockSynced, exact)
	})
	t.Run("wrong and used: what was not sent is repaired", func(t *testing.T) {
		w := newWorld(t)
		ahead := 40 * 24 * time.Hour
		w.rtc = &ahead
		w.start(t, "a", ahead)
		w.pass(5 * time.Minute)
		sent := w.take()
		at, _, ok := w.dated(sent)
		require.True(t, ok)
		w.skip(time.Hour)
		unsent := w.take()
		w.sync()
		again, _, _ := w.dated(sent)
		require.Equal(t, at, again)
		w.want(t, unsent, wire.ClockRepaired, exact)
	})
	t.Run("a boot without network, between known ones", func(t *testing.T) {
		w := newWorld(t)
		w.start(t, "a", 0)
		w.sync()
		w.now = w.now.Add(5 * time.Hour)
		w.rtc = dur(2 * time.Second)
		w.start(t, "b", 2*time.Second)
		w.pass(10 * time.Minute)
		s := w.take()
		at, _, ok := w.dated(s)
		require.True(t, ok)
		w.now = w.now.Add(5 * time.Hour)
		w.start(t, "c", 0)
		w.sync()
		w.want(t, s, wire.ClockRTC, 3*time.Second)
		again, _, _ := w.dated(s)
		require.Equal(t, at, again)
	})
}

func TestFileThatIsLostOrCanNotBeWritten(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", -time.Hour)
	w.pass(time.Minute)
	s := w.take()
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "clock.json"), []byte("{torn"), 0o600))
	w.now = w.now.Add(time.Hour)
	w.start(t, "b", 0)
	require.FileExists(t, filepath.Join(w.dir, "clock.json.bad"))
	w.sync()
	_, clock, ok := w.dated(s)
	require.True(t, ok, "the mark knew the boot")
	require.Equal(t, wire.ClockBounded, clock)
	_, clock, ok = w.dated(stored{tail: pack.Tail{Boot: "never-heard-of"}, first: 5000})
	require.True(t, ok)
	require.Equal(t, wire.ClockBounded, clock)

	w.k.path = filepath.Join(w.dir, "no", "such", "folder")
	_, _, ok = w.dated(stored{tail: pack.Tail{Boot: "another"}, first: 5000})
	require.False(t, ok, "a decision that is not on the disk is not used")
}

func TestMark(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", 0)
	w.sync()
	boot, ms, tail, err := ParseMark(w.k.Mark())
	require.NoError(t, err)
	require.Equal(t, "a", boot)
	require.Equal(t, w.Mono().Milliseconds(), ms)
	require.True(t, tail.Known)
	require.WithinDuration(t, w.now, time.UnixMilli(w.k.Now().UnixMilli()+tail.OffsetMs), exact)
	for _, b := range [][]byte{nil, {5}, []byte("nonsense")} {
		_, _, _, err := ParseMark(b)
		require.ErrorIs(t, err, ErrMark, "%q", b)
	}
}

func TestTrusted(t *testing.T) {
	w := newWorld(t)
	w.boot, w.booted = "a", w.now.Add(-time.Hour)
	k, err := Open(Options{Kernel: w, Trusted: true, File: filepath.Join(w.dir, "clock.json")})
	require.NoError(t, err)
	require.Equal(t, w.now, k.Now())
	require.Equal(t, pack.Tail{Boot: "a", Known: true, Clock: wire.ClockSynced}, k.Stamp("m", 1, 2))
	require.Equal(t, wire.ClockSynced, k.Trust())
}

func TestSystem(t *testing.T) {
	s := System()
	require.Len(t, s.Boot(), 12)
	require.Equal(t, s.Boot(), System().Boot())
	a := s.Mono()
	require.Positive(t, a)
	require.GreaterOrEqual(t, s.Mono(), a)
	require.WithinDuration(t, time.Now(), s.Wall(), time.Minute)
	_ = s.Synced()
	_, _ = s.RTC()
}

// Whatever happens to clocks, network and supply: a pack that has a time keeps it, a machine's durations within a pack
// are true, boots do not overlap and keep their order, and in the end every pack has a time.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "clock")
		require.NoError(rt, err)
		defer os.RemoveAll(dir)
		w := &world{now: day, dir: dir}
		w.start(rt, "boot0", -time.Since(time.Unix(0, 0)))
		boots := 0
		var all []stored
		told := map[int]time.Time{}
		look := func() {
			for i, s := range all {
				at, _, ok := w.dated(s)
				if before, was := told[i]; was {
					require.True(rt, ok)
					require.Equal(rt, before, at, "pack %d changed", i)
				} else if ok {
					told[i] = at
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"pass":    func(rt *rapid.T) { w.pass(time.Duration(rapid.IntRange(1, 300).Draw(rt, "s")) * time.Second) },
			"skip":    func(rt *rapid.T) { w.skip(time.Duration(rapid.IntRange(1, 100).Draw(rt, "h")) * time.Hour) },
			"take":    func(*rapid.T) { w.pass(time.Second); all = append(all, w.take()) },
			"send":    func(*rapid.T) { look() },
			"sync":    func(*rapid.T) { w.sync() },
			"alone":   func(*rapid.T) { w.synced = false },
			"process": func(rt *rapid.T) { w.start(rt, "", 0) },
			"boot": func(rt *rapid.T) {
				boots++
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(rt, "off")) * time.Second)
				w.rtc = nil
				if rapid.Bool().Draw(rt, "rtc") {
					w.rtc = dur(time.Duration(rapid.SampledFrom([]int{0, 1, -1, 3600, -86400 * 100, 86400 * 100}).Draw(rt, "error")) * time.Second)
				}
				w.start(rt, "boot"+string(rune('A'+boots%26))+string(rune('A'+boots/26)), time.Duration(rapid.IntRange(-100_000, 100_000).Draw(rt, "wrong"))*time.Second)
			},
		})
		w.start(rt, "last", 0)
		w.sync()
		look()
		require.Len(rt, told, len(all), "every pack has a time in the end")
	})
}

// A clock that was set ahead and back again leaves packs ahead of it. They are not run into after a restart or a reboot,
// nor by what was open when the process ended.
func TestPacksStayInOrderOverRestarts(t *testing.T) {
	for name, boot := range map[string]string{"restart": "", "reboot": "b"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start(t, "a", 0)
			w.sync()
			w.wrong = 30 * time.Second
			w.pass(3 * time.Second)
			ahead, _, ok := w.dated(w.take())
			require.True(t, ok)
			w.wrong = 0
			w.pass(3 * time.Second)
			last, _, ok := w.dated(w.take())
			require.True(t, ok)
			require.True(t, last.After(ahead), "%v, %v", last, ahead)
			w.pass(time.Second)
			open := w.k.Now().UnixMilli()
			w.mark = w.k.Mark(wire.Sample{TimeMs: 1, Quantity: quantity.Pulses, Number: 7})

			w.now = w.now.Add(time.Second)
			w.start(t, boot, 0)
			require.Equal(t, []wire.Sample{{TimeMs: 1, Quantity: quantity.Pulses, Number: 7}}, MarkSamples(w.mark))
			_, _, tail, err := ParseMark(w.mark)
			require.NoError(t, err)
			recovered := time.UnixMilli(open + w.k.Follow("m", open, open, tail).OffsetMs).UTC()
			require.True(t, recovered.After(last), "%v, %v", recovered, last)
			w.sync()
			next, _, ok := w.dated(w.take())
			require.True(t, ok)
			require.True(t, next.After(recovered), "%v, %v", next, recovered)

			w.pass(time.Minute)
			require.Equal(t, pack.Tail{Boot: w.boot, Known: true, Clock: wire.ClockSynced, OffsetMs: w.k.offset - w.k.align}, w.k.Stamp("m", w.k.Now().UnixMilli(), w.k.Now().UnixMilli()))
			require.Empty(t, markEnds(w.k.Mark()), "made up for")
		})
	}
}
