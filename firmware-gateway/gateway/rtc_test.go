package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"karkhana/firmware-gateway/clock"
	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/hardware/meter"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// ds3231 is a simulated chip at its bus: registers as they are in the datasheet, off by wrong.
type ds3231 struct {
	mu      sync.Mutex
	wrong   time.Duration
	stopped bool
	sets    int
}

func (d *ds3231) String() string                  { return "I2C1" }
func (d *ds3231) SetSpeed(physic.Frequency) error { return nil }

func bcd(v int) byte { return byte(v/10<<4 | v%10) }

func (d *ds3231) Tx(addr uint16, w, r []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if addr != 0x68 {
		return fmt.Errorf("nobody at %#x", addr)
	}
	switch {
	case len(r) == 19:
		t := time.Now().UTC().Add(d.wrong)
		copy(r, []byte{bcd(t.Second()), bcd(t.Minute()), bcd(t.Hour()), byte((t.Weekday()+6)%7) + 1, bcd(t.Day()), bcd(int(t.Month())), bcd(t.Year() % 100)})
		r[0x0E], r[0x0F], r[0x11], r[0x12] = 0x1C, 0x08, 0x19, 0x40
		if d.stopped {
			r[0x0F] |= 0x80
		}
	case len(w) == 8:
		n := func(i int) int { return int(w[i]>>4)*10 + int(w[i]&15) }
		d.wrong = time.Until(time.Date(2000+n(7), time.Month(n(6)), n(5), n(3), n(2), n(1), 0, time.UTC))
		d.sets++
	case len(w) == 3:
		d.stopped = d.stopped && w[2]&0x80 != 0
	}
	return nil
}

func (d *ds3231) state() (wrong time.Duration, sets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wrong, d.sets
}

// onlyI2C are buses with nothing but the clock.
type onlyI2C struct{ chip *ds3231 }

var errNothing = errors.New("nothing there")

func (b onlyI2C) I2C(string) (i2c.Bus, error)              { return b.chip, nil }
func (b onlyI2C) SPI(string) (spi.Port, error)             { return nil, errNothing }
func (b onlyI2C) Pin(string) (gpio.PinIO, error)           { return nil, errNothing }
func (b onlyI2C) Line(meter.Line) (meter.Registers, error) { return nil, errNothing }

// A gateway without network sends by its clock chip and says so; when the network comes the chip is set. With a dead
// battery samples wait for the network, and the status says why.
func TestClockChip(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	epoch := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	s := newSite(t, b.URL(), fmt.Sprintf("  - id: furnace-1\n    source: sim\n    sim: {seed: 7, epoch: %s, kind: furnace}\n    every: 100ms\n    pack: 200ms\n", epoch.Format(time.RFC3339)))
	text, err := os.ReadFile(filepath.Join(s.dir, "gateway.yaml"))
	require.NoError(t, err)
	s.write("gateway.yaml", strings.Replace(string(text), "clock: trusted", "rtc: {chip: ds3231, bus: /dev/i2c-1}", 1))
	run := func(k *computer, chip *ds3231) (*gateway.Gateway, func()) {
		c, err := config.Load(filepath.Join(s.dir, "gateway.yaml"))
		require.NoError(t, err)
		require.Equal(t, "I2C1", c.RTC.Bus)
		g, err := gateway.New(gateway.Options{Config: c, Version: "test", Kernel: k, Buses: onlyI2C{chip}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		stop := sync.OnceFunc(func() {
			cancel()
			require.NoError(t, <-done)
		})
		t.Cleanup(stop)
		return g, stop
	}
	clockIs := func(c wire.Clock, n int) func() bool { return func() bool { return server.Clocks()[c] >= n } }

	dead := &ds3231{stopped: true}
	g, stop := run(&computer{boot: "boot-1", booted: time.Now().Add(-4 * time.Minute), wrong: -30 * time.Minute}, dead)
	require.Eventually(t, func() bool { return g.Stats().Spool.Packs >= 3 && g.Stats().Uplink.Connected }, soon, often)
	require.Zero(t, server.Packs())
	require.Equal(t, clock.RTCStopped, g.Status().RTC)
	require.Equal(t, wire.ClockBounded, g.Status().Clock)
	stop()

	chip := &ds3231{wrong: 6 * time.Second}
	computer := &computer{boot: "boot-2", booted: time.Now().Add(-4 * time.Minute), wrong: -20 * time.Minute}
	g, stop = run(computer, chip)
	require.Eventually(t, clockIs(wire.ClockRTC, 3), soon, often)
	require.Equal(t, clock.RTCGood, g.Status().RTC)
	require.Equal(t, wire.ClockRTC, g.Status().Clock)
	_, sets := chip.state()
	require.Zero(t, sets, "never while the true time is not known")
	for _, x := range server.Samples("furnace-1") {
		require.Less(t, time.Until(time.UnixMilli(x.TimeMs)), 8*time.Second)
	}
	computer.sync()
	require.Eventually(t, func() bool { _, sets := chip.state(); return sets == 1 }, soon, often)
	wrong, _ := chip.state()
	require.Less(t, wrong.Abs(), 3*time.Second)
	require.Eventually(t, clockIs(wire.ClockSynced, 3), soon, often)
	stop()
	require.Empty(t, server.Changed())
}
