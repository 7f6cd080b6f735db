package meter_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
)

// slowLine is a line in memory on which every answer takes a while. It knows the time-out of each unit.
type slowLine struct {
	units    map[byte]*metertest.Slave
	takes    map[byte]time.Duration
	timeouts map[byte]time.Duration
	broken   map[byte]int // so many answers come damaged
	asked    map[byte]int
}

func newSlowLine() *slowLine {
	return &slowLine{map[byte]*metertest.Slave{}, map[byte]time.Duration{}, map[byte]time.Duration{}, map[byte]int{}, map[byte]int{}}
}

func (l *slowLine) SetTimeout(unit byte, d time.Duration) { l.timeouts[unit] = d }

func (l *slowLine) ReadHolding(context.Context, byte, uint16, uint16) ([]uint16, error) {
	return nil, modbus.ErrIllegalFunction
}

func (l *slowLine) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.asked[unit]++
	timeout := time.Second
	if t := l.timeouts[unit]; t > 0 {
		timeout = t
	}
	s, ok := l.units[unit]
	takes := l.takes[unit]
	if !ok || takes > timeout {
		time.Sleep(timeout)
		return nil, modbus.ErrRequestTimedOut
	}
	time.Sleep(takes)
	if l.broken[unit] > 0 {
		l.broken[unit]--
		return nil, modbus.ErrBadCRC
	}
	return s.ReadInput(ctx, unit, addr, n)
}

// One meter dead, one slow, one good, read every second for ten minutes: the good one never waits longer than the
// time-outs of the others, and loses next to nothing.
func TestBusOneDeadOneSlowOneGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile(t, "sdm630")
		line := newSlowLine()
		line.units[2], line.takes[2] = supply(t, p, 2), 700*time.Millisecond // slower than its time-out
		line.units[3], line.takes[3] = supply(t, p, 3), 60*time.Millisecond
		names := []string{"power", "energy", "frequency"}
		bus, err := meter.NewBus(line, []meter.Device{
			{Name: "dead", Opts: meter.Opts{Profile: p, Unit: 1, Names: names}, Timeout: 500 * time.Millisecond},
			{Name: "slow", Opts: meter.Opts{Profile: p, Unit: 2, Names: names}, Timeout: 300 * time.Millisecond},
			{Name: "good", Opts: meter.Opts{Profile: p, Unit: 3, Names: names}},
		})
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var good []time.Time
		failed := map[string]int{}
		rests := map[string][]time.Duration{}
		require.NoError(t, bus.Run(ctx, time.Second, func(r meter.Result) {
			if r.Err != nil {
				failed[r.Device]++
				rests[r.Device] = append(rests[r.Device], r.Rest)
				require.Nil(t, r.Values)
				return
			}
			require.Equal(t, "good", r.Device)
			require.InDelta(t, 977.5, numbers(r.Values)["power"], 0.01)
			good = append(good, r.At)
		}))
		require.GreaterOrEqual(t, len(good), 599)
		for i := 1; i < len(good); i++ {
			require.LessOrEqual(t, good[i].Sub(good[i-1]), time.Second+800*time.Millisecond)
		}
		for _, name := range []string{"dead", "slow"} {
			require.Equal(t, []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}, rests[name][:6], name)
			require.Less(t, failed[name], 26, name)
		}

		// The dead one comes to life, the slow one is given time: both are read within half a minute.
		line.units[1] = supply(t, p, 1)
		line.takes[2] = 100 * time.Millisecond
		ctx, cancel = context.WithTimeout(t.Context(), 32*time.Second)
		defer cancel()
		alive := map[string]int{}
		require.NoError(t, bus.Run(ctx, time.Second, func(r meter.Result) {
			if r.Err == nil {
				alive[r.Device]++
				require.Zero(t, r.Rest)
			}
		}))
		require.Positive(t, alive["dead"])
		require.Positive(t, alive["slow"])
		require.GreaterOrEqual(t, alive["good"], 31)
	})
}

func TestBusTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile(t, "sdm120")
		line := newSlowLine()
		for unit := byte(1); unit <= 2; unit++ {
			line.units[unit] = supply(t, p, unit)
		}
		bus, err := meter.NewBus(line, []meter.Device{
			{Name: "a", Opts: meter.Opts{Profile: p, Unit: 1}, Timeout: time.Second},
			{Name: "b", Opts: meter.Opts{Profile: p, Unit: 2}},
		})
		require.NoError(t, err)
		poll := func() map[string]meter.Result {
			out := map[string]meter.Result{}
			require.NoError(t, bus.Poll(t.Context(), func(r meter.Result) { out[r.Device] = r }))
			return out
		}
		require.Len(t, poll()["a"].Values, 6)

		// Answers that come damaged are asked for once more; the second time is a failure.
		line.broken[1] = 1
		require.NoError(t, poll()["a"].Err)
		line.broken[1] = 2
		got := poll()
		require.ErrorIs(t, got["a"].Err, modbus.ErrBadCRC)
		require.Equal(t, 2*time.Second, got["a"].Rest)
		require.NotContains(t, poll(), "a", "it rests")
		time.Sleep(2 * time.Second)
		require.NoError(t, poll()["a"].Err)

		// A meter that says no is there: it does not rest. Nor one that tells nonsense.
		line.units[2].Fail(modbus.ErrServerDeviceBusy)
		require.ErrorIs(t, poll()["b"].Err, modbus.ErrServerDeviceBusy)
		require.ErrorIs(t, poll()["b"].Err, modbus.ErrServerDeviceBusy)
		line.units[2].Fail(nil)
		require.NoError(t, line.units[2].Set("voltage", 1e30))
		require.ErrorContains(t, poll()["b"].Err, "voltage at register 0x0")
		require.ErrorContains(t, poll()["b"].Err, "voltage at register 0x0")
		require.NoError(t, line.units[2].Set("voltage", 230))
		// But one whose converter waited for it in vain does.
		line.units[2].Fail(modbus.ErrGWTargetFailedToRespond)
		require.Equal(t, 2*time.Second, poll()["b"].Rest)
		line.units[2].Fail(nil)

		// Blocks that each come in time, but together too late.
		line.takes[1] = 999 * time.Millisecond
		line.timeouts[1] = 2 * time.Second // the line is more patient
		begun := time.Now()
		require.NoError(t, poll()["a"].Err, "two blocks: the second is asked for in time")
		require.LessOrEqual(t, time.Since(begun), 2*time.Second)
		line.takes[1] = 1001 * time.Millisecond
		got = poll()
		require.ErrorIs(t, got["a"].Err, context.DeadlineExceeded)
		require.ErrorContains(t, got["a"].Err, "its blocks together take longer than its time-out")
		require.NotZero(t, got["a"].Rest)

		// Findings come with the reading, once.
		line.takes[1] = 0
		time.Sleep(time.Minute)
		require.NoError(t, poll()["a"].Err)
		require.NoError(t, line.units[1].Set("energy", 0))
		time.Sleep(time.Second)
		got = poll()
		require.Len(t, got["a"].Findings, 1)
		require.Equal(t, meter.FindingReset, got["a"].Findings[0].Kind)
		require.InDelta(t, 0, numbers(got["a"].Values)["energy"], 0, "the register goes out as it is")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, bus.Poll(ctx, func(meter.Result) { t.Error("reported") }), context.Canceled)
		require.NoError(t, bus.Run(ctx, time.Second, nil))
		require.ErrorContains(t, bus.Run(ctx, 0, nil), "use a positive time")
	})
}

func TestBadBus(t *testing.T) {
	p := profile(t, "sdm120")
	_, err := meter.NewBus(newSlowLine(), nil)
	require.ErrorContains(t, err, "needs devices")
	_, err = meter.NewBus(newSlowLine(), []meter.Device{
		{Name: "a", Opts: meter.Opts{Profile: p, Unit: 1}},
		{Name: "a", Opts: meter.Opts{Profile: p, Unit: 2}},
		{Name: "b", Opts: meter.Opts{Profile: p, Unit: 1}},
		{Name: "c", Opts: meter.Opts{Unit: 3}},
		{Name: "d", Opts: meter.Opts{Profile: p, Unit: 4}, Timeout: -time.Second},
	})
	for _, text := range []string{
		`device name "a"`, `"a" and "b" have the same unit 1: two meters of one address answer at once`,
		`device "c": meter: no profile`, `device "d": time-out -1s`,
	} {
		require.ErrorContains(t, err, text)
	}
	_, err = meter.NewClient(meter.Line{URL: "tcp://127.0.0.1:502", Timeout: -1})
	require.ErrorContains(t, err, "use a positive time")
	require.NotErrorIs(t, err, modbus.ErrConfigurationError)
}
