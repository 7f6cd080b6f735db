package sensor

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/i2c"

	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
)

// slowLine answers as a line at 9600 baud does: a meter within 100 ms, nobody after the time-out.
type slowLine struct {
	*metertest.Slave
	unit byte

	mu      sync.Mutex
	rounds  []time.Time // when the meter's first block was asked for
	others  int
	timeout map[byte]time.Duration
}

func (l *slowLine) SetTimeout(unit byte, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timeout[unit] = d
}

func (l *slowLine) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	if !l.mu.TryLock() {
		panic("two at once on a line")
	}
	defer l.mu.Unlock()
	if unit != l.unit {
		l.others++
		time.Sleep(l.timeout[unit])
		return nil, modbus.ErrRequestTimedOut
	}
	l.rounds = append(l.rounds, time.Now())
	time.Sleep(100 * time.Millisecond)
	return l.Slave.ReadInput(ctx, unit, addr, n)
}

// While a line is scanned, each round of its meters begins when it would have begun: no sample is lost, none is late.
func TestScanNeverDelaysReadings(t *testing.T) {
	profile, err := meter.LoadProfile("sdm120")
	require.NoError(t, err)
	machines := load(t, "  - id: lathe-1\n    source: sensors\n    every: 1s\n    sensors:\n      - {meter: sdm120, line: {url: \"tcp://a:502\"}, unit: 1, quantities: [power]}\n")
	synctest.Test(t, func(t *testing.T) {
		l := &slowLine{Slave: metertest.NewSlave(profile, 1), unit: 1, timeout: map[byte]time.Duration{}}
		require.NoError(t, l.Set("power", 500))
		s, err := New(Options{Machines: machines, Buses: &buses{line: map[string]meter.Registers{"tcp://a:502": l}}})
		require.NoError(t, err)
		begin := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { s.Run(ctx) })
		look, err := Look(s.buses, []*Set{s}).Line(meter.Line{URL: "rtuovertcp://A:502"})
		require.NoError(t, err)
		for unit := range 40 {
			_, err := look.ReadInput(ctx, byte(unit+2), 0, 2)
			require.ErrorIs(t, err, modbus.ErrRequestTimedOut)
		}
		regs, err := look.ReadInput(ctx, 1, 12, 2)
		require.NoError(t, err, "the meter itself can be asked, too")
		require.Len(t, regs, 2)
		took := time.Since(begin)
		require.Less(t, took, 40*time.Second)
		l.mu.Lock()
		rounds := map[int64]time.Duration{}
		for _, at := range l.rounds {
			if n := at.Sub(begin).Milliseconds() / 1000; rounds[n] == 0 {
				rounds[n] = at.Sub(begin) + 1
			}
		}
		require.Equal(t, 40, l.others)
		l.mu.Unlock()
		for n := range int64(took / time.Second) {
			require.Equal(t, time.Duration(n)*time.Second+1, rounds[n], "round %d", n)
		}
		stop()
		all.Wait()
		_, err = look.ReadInput(t.Context(), 5, 0, 2)
		require.ErrorIs(t, err, errEnded)
	})
}

// A line that is never idle is left alone, and the guest told so.
func TestBusyLineHasNoGap(t *testing.T) {
	profile, err := meter.LoadProfile("sdm120")
	require.NoError(t, err)
	machines := load(t, machine("lathe-1", "{meter: sdm120, line: {url: \"tcp://a:502\"}, unit: 1, quantities: [power]}"))
	synctest.Test(t, func(t *testing.T) {
		l := &slowLine{Slave: metertest.NewSlave(profile, 1), unit: 1, timeout: map[byte]time.Duration{}}
		s, err := New(Options{Machines: machines, Buses: &buses{line: map[string]meter.Registers{"tcp://a:502": l}}})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { s.Run(ctx) })
		look, err := Look(s.buses, []*Set{s}).Line(meter.Line{URL: "tcp://a:502"})
		require.NoError(t, err)
		_, err = look.ReadInput(ctx, 2, 0, 2)
		require.ErrorIs(t, err, ErrNoGap)
		stop()
		all.Wait()
		require.Zero(t, l.others)
	})
}

// What is in use on other buses is not touched.
func TestLookLeavesAlone(t *testing.T) {
	asked := map[uint16]int{}
	b := &buses{i2c: map[string]i2c.Bus{"I2C1": counting{asked: asked}}}
	s, err := New(Options{Buses: b, Machines: load(t, machine("a", "{chip: max31855, bus: SPI0.0}", "{chip: ctclamp, bus: I2C1}"))})
	require.NoError(t, err)
	require.Equal(t, []Use{{"SPI0.0", "-", "a", "max31855"}, {"I2C1", "0x48", "a", "ctclamp"}}, s.Uses())
	_, err = Look(s.buses, []*Set{s}).SPI("SPI0.0")
	require.ErrorIs(t, err, ErrInUse)
	bus, err := Look(s.buses, []*Set{s}).I2C("I2C1")
	require.NoError(t, err)
	require.ErrorIs(t, bus.Tx(0x48, nil, nil), ErrInUse)
	require.NoError(t, bus.Tx(0x53, nil, nil))
	require.Equal(t, map[uint16]int{0x53: 1}, asked)
	_, err = Look(s.buses, []*Set{s}).Pin("GPIO4")
	require.ErrorIs(t, err, ErrInUse)
}

// counting is a bus on which everything answers.
type counting struct {
	i2c.Bus
	asked map[uint16]int
}

func (c counting) Tx(addr uint16, _, _ []byte) error {
	c.asked[addr]++
	return nil
}
