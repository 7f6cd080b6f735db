package supply_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"karkhana/hardware/chip/supply"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

// wave is a pin whose level depends on the time since it was made.
type wave struct {
	gpiotest.Pin
	start time.Time
	high  bool
	on    func(t time.Duration) bool
	fail  error
}

func (w *wave) Read() gpio.Level { return gpio.Level(w.on(time.Since(w.start)) == w.high) }
func (w *wave) Halt() error      { return w.fail }

const ms = time.Millisecond

func always(time.Duration) bool { return true }
func never(time.Duration) bool  { return false }

// halfWave conducts for 6 ms of each 20, from begin to end.
func halfWave(begin, end time.Duration) func(time.Duration) bool {
	return func(t time.Duration) bool { return t >= begin && t < end && t%(20*ms) < 6*ms }
}

func TestSense(t *testing.T) {
	for _, c := range []struct {
		name string
		on   func(time.Duration) bool
		want []string // by Sense, each of 100 ms
	}{
		{"direct voltage", always, []string{"present", "present"}},
		{"nothing", never, []string{"absent", "absent"}},
		{"half wave", halfWave(0, time.Hour), []string{"present", "present"}},
		{"lost", halfWave(0, 150*ms), []string{"present", "present", "absent"}},
		{"lost at once", func(t time.Duration) bool { return t <= 100*ms }, []string{"present", "absent"}},
		{"back", halfWave(250*ms, time.Hour), []string{"absent", "absent", "absent", "present"}},
		{"a dip of three cycles", func(t time.Duration) bool { return t < 120*ms || t > 180*ms }, []string{"present", "present", "present"}},
		{"a spike on a dead line", func(t time.Duration) bool { return t == 130*ms }, []string{"absent", "absent", "absent"}},
		{"a bouncing contact", func(t time.Duration) bool { return t > 100*ms && (t > 160*ms || t%(7*ms) < 2*ms) && t != 130*ms }, []string{"absent", "present"}},
		{"unsettled from the start", func(t time.Duration) bool { return t < 50*ms }, []string{"unsettled", "absent"}},
	} {
		for _, high := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					pin := &wave{Pin: gpiotest.Pin{N: "GPIO27", Num: 27}, start: time.Now(), high: high, on: c.on}
					dev, err := supply.New(pin, &supply.Opts{PresentHigh: high})
					require.NoError(t, err)
					require.Equal(t, map[bool]gpio.Pull{true: gpio.PullDown, false: gpio.PullUp}[high], pin.Pull())
					for _, want := range c.want {
						start := time.Now()
						r, err := dev.Sense(t.Context())
						require.Equal(t, 100*ms, time.Since(start))
						switch want {
						case "unsettled":
							require.ErrorIs(t, err, supply.ErrUnsettled)
							require.Zero(t, r)
						default:
							require.NoError(t, err)
							require.Equal(t, want == "present", r.Present, "after %s", time.Since(pin.start))
						}
					}
					require.Equal(t, "supply{GPIO27(27)}", dev.String())
					require.NoError(t, dev.Halt())
				})
			})
		}
	}
}

// broken is a pin that can't be an input.
type broken struct{ gpiotest.Pin }

func (*broken) In(gpio.Pull, gpio.Edge) error { return errors.New("in use") }

func TestErrors(t *testing.T) {
	for _, n := range []int{-1, 51} {
		_, err := supply.New(&gpiotest.Pin{}, &supply.Opts{Cycles: n})
		require.ErrorContains(t, err, "give 1 to 50")
	}
	_, err := supply.New(&broken{gpiotest.Pin{N: "GPIO27", Num: 27}}, nil)
	require.ErrorContains(t, err, "supply{GPIO27(27)}: make it an input: in use")
	synctest.Test(t, func(t *testing.T) {
		dev, err := supply.New(&wave{start: time.Now(), on: always, fail: errors.New("in use")}, nil)
		require.NoError(t, err)
		require.ErrorContains(t, dev.Halt(), "halt: in use")
		ctx, cancel := context.WithTimeout(t.Context(), 30*ms+ms/2)
		defer cancel()
		r, err := dev.Sense(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, r)
		_, err = dev.Sense(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// Any pattern of levels: never a change without five cycles that agree.
func FuzzSense(f *testing.F) {
	f.Add([]byte{0xFF, 0x00, 0xF0})
	f.Fuzz(func(t *testing.T, levels []byte) {
		synctest.Test(t, func(t *testing.T) {
			on := func(at time.Duration) bool {
				i := int(at / ms)
				return i/8 < len(levels) && levels[i/8]>>(i%8)&1 != 0
			}
			dev, err := supply.New(&wave{start: time.Now(), on: on}, nil)
			require.NoError(t, err)
			settled, last := false, false
			for n := range min(20, len(levels)*8/100+1) {
				live := 0
				for c := range 5 {
					for i := range 20 {
						if on(time.Duration(n*100+c*20+i+1) * ms) {
							live++
							break
						}
					}
				}
				r, err := dev.Sense(t.Context())
				if live == 0 || live == 5 {
					settled, last = true, live == 5
				}
				require.Equal(t, settled, err == nil)
				require.Equal(t, settled && last, r.Present)
			}
		})
	})
}
