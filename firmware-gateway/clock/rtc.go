package clock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"periph.io/x/conn/v3/i2c"

	"karkhana/hardware/chip/ds3231"
)

// RTC is a battery-backed clock. Its calls may take as long as its bus does.
type RTC interface {
	// Read returns its time, UTC. ErrNoRTC says that there is none, ErrRTCStopped that it stood still since it was set.
	Read() (time.Time, error)
	// Set puts it at a time. ErrKernelsRTC says that the kernel does that.
	Set(at time.Time) error
}

// Errors of a battery-backed clock.
var (
	ErrNoRTC      = errors.New("there is no battery-backed clock")
	ErrRTCStopped = errors.New("the battery-backed clock stood still: replace its battery")
	ErrKernelsRTC = errors.New("the kernel sets this clock")
)

// What the status says of the battery-backed clock.
const (
	RTCNone       = ""           // there is none, or it was not looked at yet
	RTCGood       = "good"       // its time can be right
	RTCStopped    = "stopped"    // its oscillator stopped: the battery is empty
	RTCUnreadable = "unreadable" // it does not answer, or another chip does
	RTCBefore     = "before"     // before what this gateway or its queue has seen already, so it is wrong
	RTCAbsurd     = "absurd"     // before this program was built, or far in the future
	RTCDoubtful   = "doubtful"   // weeks ahead of what was known last: the network is waited for longer
)

// kernelRTC is the clock that the kernel drives: it reads it at boot, sets it when it is synced, and says when its
// battery is empty.
type kernelRTC struct{ Kernel }

func (k kernelRTC) Read() (time.Time, error) { return k.RTC() }
func (k kernelRTC) Set(time.Time) error      { return ErrKernelsRTC }

// DS3231 is the chip on a bus that the kernel has no driver for: the gateway reads and sets it itself. open is called
// for each use, and what it returns is closed if it can be.
func DS3231(open func() (i2c.Bus, error)) RTC { return chip{open} }

type chip struct{ open func() (i2c.Bus, error) }

func (c chip) use(f func(*ds3231.Dev) error) error {
	bus, err := c.open()
	if err != nil {
		return err
	}
	if b, ok := bus.(io.Closer); ok {
		defer b.Close()
	}
	d, err := ds3231.New(bus, nil)
	if err == nil {
		err = f(d)
	}
	if errors.Is(err, ds3231.ErrTimeInvalid) {
		return fmt.Errorf("%w: %w", ErrRTCStopped, err)
	}
	return err
}

// Read takes half a second for the part of the second that the chip does not tell.
func (c chip) Read() (at time.Time, err error) {
	err = c.use(func(d *ds3231.Dev) error {
		r, err := d.Sense(context.Background())
		at = r.Time.Add(time.Second / 2)
		return err
	})
	return at, err
}

func (c chip) Set(at time.Time) error {
	return c.use(func(d *ds3231.Dev) error { return d.Set(context.Background(), at) })
}

// Built is when this program was committed, as far as it knows. No true time lies before it.
func Built() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, _ := time.Parse(time.RFC3339, s.Value)
			return at
		}
	}
	return time.Time{}
}

const (
	rtcLookEvery = 10 * time.Second // until the battery-backed clock has given a time that can be right
	rtcTendEvery = 24 * time.Hour   // while synced: 2 ppm are 0.2 s a day
	rtcTendAgain = 10 * time.Minute // after it could not be set
	rtcMayBeOff  = 2 * time.Second  // more, and it is set
)

// lookRTC reads the battery-backed clock as long as its time is wanted, or nobody has looked at it. Nobody else waits
// meanwhile.
func (k *Keeper) lookRTC() {
	k.mu.Lock()
	mono := k.monoMs()
	wanted := mono >= k.rtcNext && (k.current().RTC == nil && !k.known || !k.rtcSeen)
	if wanted {
		k.rtcNext = mono + rtcLookEvery.Milliseconds()
	}
	k.mu.Unlock()
	if !wanted {
		return
	}
	at, err := k.rtc.Read()
	wall, mono := k.kernel.Wall(), k.monoMs()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rtcSeen = true
	if err != nil {
		k.sayRTC(rtcFailed(err), err)
		return
	}
	if wall.Sub(at).Abs() <= 2*time.Second { // the kernel took it over: finer than a second
		at = wall
	}
	last := k.lastKnown()
	switch ms := at.UnixMilli(); {
	case at.Before(earliest) || at.Before(k.built) || !at.Before(latest):
		k.sayRTC(RTCAbsurd, nil)
		return
	case ms < last:
		k.sayRTC(RTCBefore, nil)
		return
	case last > 0 && ms-last > rtcDoubt.Milliseconds():
		k.sayRTC(RTCDoubtful, nil)
	default:
		k.sayRTC(RTCGood, nil)
	}
	if b := k.current(); b.RTC == nil && !k.known {
		off := at.UnixMilli() - mono
		b.RTC = &off // written down when it is used
	}
}

func rtcFailed(err error) string {
	switch {
	case errors.Is(err, ErrNoRTC):
		return RTCNone
	case errors.Is(err, ErrRTCStopped):
		return RTCStopped
	}
	return RTCUnreadable
}

// tendRTC sets the battery-backed clock when the true time is known and it shows another one, or none. It is called only
// while the kernel says that its clock is right.
func (k *Keeper) tendRTC() {
	k.mu.Lock()
	mono := k.monoMs()
	wanted := k.known && mono >= k.rtcTend
	if wanted {
		k.rtcTend = mono + rtcTendEvery.Milliseconds()
	}
	offset := k.offset
	k.mu.Unlock()
	if !wanted {
		return
	}
	now := func() time.Time { return time.UnixMilli(k.monoMs() + offset).UTC() }
	at, err := k.rtc.Read()
	state := RTCGood
	if err != nil {
		state = rtcFailed(err)
	}
	if err == nil && at.Sub(now()).Abs() > rtcMayBeOff || state == RTCStopped {
		off := at.Sub(now()).Round(time.Second)
		switch set := k.rtc.Set(now()); {
		case set == nil:
			k.log.Info("battery-backed clock was set", "was", state, "off_s", off.Seconds())
			state, err = RTCGood, nil
		case errors.Is(set, ErrKernelsRTC): // and it does so within minutes
		default:
			state, err = rtcFailed(set), set
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if state == RTCUnreadable {
		k.rtcTend = mono + rtcTendAgain.Milliseconds()
	}
	k.sayRTC(state, err)
}

// sayRTC notes how the battery-backed clock does and logs a change. The caller holds mu.
func (k *Keeper) sayRTC(state string, err error) {
	if state == k.rtcState {
		return
	}
	k.rtcState = state
	switch state {
	case RTCNone, RTCGood:
		k.log.Info("battery-backed clock", "is", state)
	default:
		k.log.Warn("battery-backed clock is not trusted", "is", state, "err", err)
	}
}

// RTC returns how the battery-backed clock does: one of the constants above.
func (k *Keeper) RTC() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rtcState
}
