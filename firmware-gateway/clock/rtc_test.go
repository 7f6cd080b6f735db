package clock

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2ctest"

	"karkhana/internal/wire"
)

// module is a clock chip beside the kernel.
type module struct {
	w       *world
	wrong   time.Duration
	stopped bool
	err     error // of the bus
	reads   int
	sets    []time.Time
}

func (m *module) Read() (time.Time, error) {
	m.reads++
	switch {
	case m.err != nil:
		return time.Time{}, m.err
	case m.stopped:
		return time.Time{}, ErrRTCStopped
	}
	return m.w.now.Add(m.wrong), nil
}

func (m *module) Set(at time.Time) error {
	if m.err != nil {
		return m.err
	}
	m.sets = append(m.sets, at)
	m.stopped, m.wrong = false, at.Sub(m.w.now)
	return nil
}

func withModule(t *testing.T, wrong time.Duration) (*world, *module) {
	w := newWorld(t)
	m := &module{w: w, wrong: wrong}
	w.chip = m
	return w, m
}

// No network for days: the chip's time is used and said so; when the network comes back the chip is off by little and is
// left alone.
func TestChipCarriesDaysWithoutNetwork(t *testing.T) {
	w, m := withModule(t, 700*time.Millisecond)
	w.start(t, "a", -time.Since(time.Unix(0, 0)))
	w.pass(4 * time.Minute)
	require.Equal(t, wire.ClockRTC, w.k.Trust())
	require.Equal(t, RTCGood, w.k.RTC())
	s := w.take()
	w.want(t, s, wire.ClockRTC, time.Second)
	w.skip(5 * 24 * time.Hour)
	later := w.take()
	w.want(t, later, wire.ClockRTC, time.Second)
	w.now = w.now.Add(time.Hour) // supply out
	w.start(t, "b", -time.Since(time.Unix(0, 0)))
	w.pass(4 * time.Minute)
	w.want(t, w.take(), wire.ClockRTC, time.Second)
	w.want(t, later, wire.ClockRTC, time.Second)
	require.Empty(t, m.sets, "never while the time is not known")
	w.sync()
	w.pass(10 * time.Second)
	require.Empty(t, m.sets, "0.7 s is nothing to set")
	w.pass(time.Second)
	w.want(t, w.take(), wire.ClockSynced, exact)
}

func TestChipIsSetAfterTheFirstSync(t *testing.T) {
	for name, c := range map[string]struct {
		wrong   time.Duration
		stopped bool
		before  string // before the sync
	}{
		"battery dead":  {-20 * 365 * 24 * time.Hour, true, RTCStopped},
		"slow":          {-3 * time.Second, false, RTCGood},
		"ahead of NTP":  {30 * time.Second, false, RTCGood},
		"never set":     {-26 * 365 * 24 * time.Hour, false, RTCAbsurd},
		"in the future": {60 * 365 * 24 * time.Hour, false, RTCAbsurd},
	} {
		t.Run(name, func(t *testing.T) {
			w, m := withModule(t, c.wrong)
			m.stopped = c.stopped
			w.start(t, "a", -time.Hour)
			w.pass(2 * time.Minute)
			require.Equal(t, c.before, w.k.RTC())
			early := w.take()
			w.wantHeld(t, early)
			require.Empty(t, m.sets)
			w.synced = true // the flag, not yet the time: one poll decides nothing
			w.pass(time.Second)
			require.Empty(t, m.sets)
			w.sync()
			w.pass(2 * time.Second)
			require.Len(t, m.sets, 1)
			require.WithinDuration(t, w.now, m.sets[0], 5*time.Second)
			require.Less(t, m.wrong.Abs(), time.Second)
			require.Equal(t, RTCGood, w.k.RTC())
			w.want(t, early, wire.ClockRepaired, exact)
			w.skip(26 * time.Hour)
			require.Len(t, m.sets, 1, "it is right")
			m.wrong = 5 * time.Second
			w.skip(26 * time.Hour)
			require.Len(t, m.sets, 2, "looked at each day")
		})
	}
}

// The time of a wrong clock may have been sent: then a step of NTP sets the chip, too, and nothing that was sent changes.
func TestStepSetsTheChip(t *testing.T) {
	for name, step := range map[string]time.Duration{"back": -5 * time.Second, "forward": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			w, m := withModule(t, 0)
			w.start(t, "a", 0)
			w.sync()
			w.pass(10 * time.Second)
			require.Empty(t, m.sets)
			s := w.take()
			at, _, _ := w.dated(s)
			w.booted = w.booted.Add(step) // as if what the keeper believed had been wrong
			m.wrong = 3 * time.Second
			w.pass(5 * time.Second)
			require.Len(t, m.sets, 1)
			require.Less(t, m.wrong.Abs(), time.Second)
			again, _, _ := w.dated(s)
			require.Equal(t, at, again)
		})
	}
}

func TestChipThatCanNotBeTrusted(t *testing.T) {
	t.Run("dead battery, boots without a time", func(t *testing.T) {
		w, m := withModule(t, 0)
		w.start(t, "a", 0)
		w.sync()
		w.pass(time.Minute)
		m.stopped = true
		w.now = w.now.Add(time.Hour)
		w.start(t, "b", -time.Hour)
		w.pass(10 * time.Minute)
		lost := w.take()
		w.wantHeld(t, lost)
		require.Equal(t, wire.ClockBounded, w.k.Trust())
		w.now = w.now.Add(time.Hour)
		w.start(t, "c", 0)
		w.sync()
		w.want(t, lost, wire.ClockBounded, time.Hour)
		require.Len(t, m.sets, 1)
	})
	t.Run("before the program was built", func(t *testing.T) {
		w, _ := withModule(t, -10*24*time.Hour)
		w.built = day.Add(-24 * time.Hour)
		w.start(t, "a", 0)
		w.pass(10 * time.Minute)
		require.Equal(t, RTCAbsurd, w.k.RTC())
		require.Equal(t, wire.ClockBounded, w.k.Trust())
	})
	t.Run("before what was known by the network", func(t *testing.T) {
		w, m := withModule(t, 0)
		w.start(t, "a", 0)
		w.sync()
		w.skip(24 * time.Hour)
		m.wrong = -2 * time.Hour
		w.now = w.now.Add(time.Hour)
		w.start(t, "b", 0)
		w.pass(10 * time.Minute)
		require.Equal(t, RTCBefore, w.k.RTC())
		w.wantHeld(t, w.take())
	})
	t.Run("before what was sent by its own time", func(t *testing.T) {
		w, m := withModule(t, 0)
		w.start(t, "a", -time.Hour)
		w.pass(10 * time.Minute)
		w.want(t, w.take(), wire.ClockRTC, time.Second)
		w.pass(time.Minute)
		m.wrong = -30 * time.Minute
		w.start(t, "b", -time.Hour)
		w.pass(10 * time.Minute)
		require.Equal(t, RTCBefore, w.k.RTC())
		w.wantHeld(t, w.take())
	})
	t.Run("before what only the spool remembers", func(t *testing.T) {
		w, m := withModule(t, 0)
		w.start(t, "a", 0)
		w.sync()
		w.skip(24 * time.Hour)
		w.dir = t.TempDir() // the clock's own file is lost
		m.wrong = -2 * time.Hour
		w.start(t, "b", 0)
		w.pass(10 * time.Minute)
		require.Equal(t, RTCBefore, w.k.RTC())
	})
	t.Run("weeks ahead: waits for an hour", func(t *testing.T) {
		w, m := withModule(t, 0)
		w.start(t, "a", 0)
		w.sync()
		w.pass(time.Minute)
		m.wrong = 90 * 24 * time.Hour
		w.start(t, "b", 0)
		w.pass(10 * time.Minute)
		require.Equal(t, RTCDoubtful, w.k.RTC())
		require.Equal(t, wire.ClockBounded, w.k.Trust())
	})
	t.Run("a bus that fails is asked again", func(t *testing.T) {
		w, m := withModule(t, 0)
		m.err = errors.New("no answer")
		w.start(t, "a", -time.Hour)
		w.pass(time.Minute)
		require.Equal(t, RTCUnreadable, w.k.RTC())
		require.LessOrEqual(t, m.reads, 8, "not each second")
		m.err = nil
		w.pass(4 * time.Minute)
		require.Equal(t, RTCGood, w.k.RTC())
		require.Equal(t, wire.ClockRTC, w.k.Trust())
	})
	t.Run("a bus that fails after the sync is asked again", func(t *testing.T) {
		w, m := withModule(t, time.Minute)
		m.err = errors.New("no answer")
		w.start(t, "a", 0)
		w.sync()
		w.pass(time.Minute)
		require.Equal(t, RTCUnreadable, w.k.RTC())
		m.err = nil
		w.pass(11 * time.Minute)
		require.Len(t, m.sets, 1)
		require.Equal(t, RTCGood, w.k.RTC())
	})
}

func TestRebootWithoutRTCSaysNothingOfOne(t *testing.T) {
	w := newWorld(t)
	w.start(t, "a", -time.Hour)
	w.pass(10 * time.Minute)
	require.Equal(t, RTCNone, w.k.RTC())
	require.Equal(t, wire.ClockBounded, w.k.Trust())
	w.wantHeld(t, w.take())
}

// Someone else keeps the wall clock right: then no chip is touched.
func TestTrustedClockLeavesTheChipAlone(t *testing.T) {
	w, m := withModule(t, time.Hour)
	k, err := Open(Options{Kernel: w, RTC: m, Trusted: true, File: t.TempDir() + "/clock.json"})
	require.NoError(t, err)
	k.Poll()
	require.Zero(t, m.reads)
	require.Empty(t, m.sets)
}

// The registers of a DS3231, by hardware/chip/ds3231.
func registers(status byte, clock ...byte) []byte {
	r := make([]byte, 19)
	copy(r, clock)
	r[0x0E], r[0x0F], r[0x11], r[0x12] = 0x1C, status, 0x19, 0x40
	return r
}

func TestDS3231(t *testing.T) {
	noon := []byte{0x56, 0x34, 0x12, 5, 0x23, 0x10, 0x26} // 2026-10-23 12:34:56
	read := func(r []byte) i2ctest.IO { return i2ctest.IO{Addr: 0x68, W: []byte{0}, R: r} }
	bus := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{
		read(registers(0x08, noon...)), read(registers(0x08, noon...)), // found, read
		read(registers(0x88, noon...)), read(registers(0x88, noon...)), // the oscillator stopped
		read(registers(0x88, noon...)), read(registers(0x88, noon...)), // set
		{Addr: 0x68, W: append([]byte{0}, noon...)}, {Addr: 0x68, W: []byte{0x0E, 0x1C, 0x0B}}, read(registers(0x08, noon...)),
		read(make([]byte, 19)), // pulled off
	}}
	c := DS3231(func() (i2c.Bus, error) { return kept{bus}, nil })
	at := time.Date(2026, 10, 23, 12, 34, 56, 0, time.UTC)
	got, err := c.Read()
	require.NoError(t, err)
	require.Equal(t, at.Add(time.Second/2), got)
	_, err = c.Read()
	require.ErrorIs(t, err, ErrRTCStopped)
	require.NoError(t, c.Set(at))
	_, err = c.Read()
	require.ErrorContains(t, err, "no DS3231 answers")
	require.Equal(t, RTCUnreadable, rtcFailed(err))
	require.NoError(t, bus.Close())

	_, err = DS3231(func() (i2c.Bus, error) { return nil, fs.ErrNotExist }).Read()
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// kept is not closed by its user.
type kept struct{ i2c.Bus }

func TestKernelsRTC(t *testing.T) {
	at, err := readRTC(fstest.MapFS{"rtc0/since_epoch": {Data: []byte("1795000000\n")}})
	require.NoError(t, err)
	require.Equal(t, int64(1795000000), at.Unix())
	_, err = readRTC(fstest.MapFS{})
	require.ErrorIs(t, err, ErrNoRTC)
	_, err = readRTC(fstest.MapFS{"rtc0/since_epoch": {Data: []byte("soon\n")}})
	require.Error(t, err)
	_, err = readRTC(failing{syscall.EINVAL})
	require.ErrorIs(t, err, ErrRTCStopped)
	require.ErrorIs(t, kernelRTC{}.Set(at), ErrKernelsRTC)
}

type failing struct{ err error }

func (f failing) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "read", Path: name, Err: f.err}
}
