package gateway_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/quantity"
)

// onlyPin are buses with one pin.
type onlyPin struct {
	onlyI2C
	pin gpio.PinIO
}

func (b onlyPin) Pin(string) (gpio.PinIO, error) { return b.pin, nil }

// contact is a pin whose edges wait until they are taken up with their time. Else a busy computer might look at the clock so late
// that a pulse seems too short.
type contact struct {
	*gpiotest.Pin
	edge  bool          // the last wait ended with one
	taken chan struct{} // it was taken up, and the next one is waited for
}

func (c *contact) WaitForEdge(timeout time.Duration) bool {
	if c.edge {
		c.taken <- struct{}{}
	}
	c.edge = c.Pin.WaitForEdge(timeout)
	return c.edge
}

// The register of an S0 input goes on where it was: over a clean restart, and over a power cut, of which a copy of the
// disk is what is left. It never goes back behind what was sent and never jumps.
func TestPulsesOverRestarts(t *testing.T) {
	b := brokertest.Embedded(t, uplinktest.Users())
	server := uplinktest.NewServer(t, b)
	server.Answer(true)
	s := newSite(t, b.URL(), "  - id: fan-1\n    source: sensors\n    every: 50ms\n    pack: 100ms\n    sensors:\n      - {s0: GPIO22, imp_per_kwh: 1000}\n")
	run := func(dir string) (pulse func(n int), stop func()) {
		pin := &contact{Pin: &gpiotest.Pin{N: "GPIO22", L: gpio.High, EdgesChan: make(chan gpio.Level)}, taken: make(chan struct{}, 1)}
		c, err := config.Load(filepath.Join(dir, "gateway.yaml"))
		require.NoError(t, err)
		g, err := gateway.New(gateway.Options{Config: c, Version: "test", Buses: onlyPin{pin: pin}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		stop = sync.OnceFunc(func() {
			cancel()
			require.NoError(t, <-done)
		})
		t.Cleanup(stop)
		return func(n int) {
			for range n {
				for _, l := range []gpio.Level{gpio.Low, gpio.High} {
					select {
					case pin.EdgesChan <- l:
					case <-time.After(soon):
						t.Error("nobody counts")
						return
					}
					<-pin.taken
					time.Sleep(100 * time.Millisecond) // the contact's own time: 30 ms closed, 20 ms open at least
				}
			}
		}, stop
	}
	last := func() (pulses, energy float64) {
		pulses = -1
		for _, x := range server.Samples("fan-1") {
			require.False(t, x.IsFault(), "%+v", x)
			switch x.Quantity {
			case quantity.Pulses:
				require.GreaterOrEqual(t, x.Number, pulses, "the register goes back")
				pulses = x.Number
			case quantity.Energy:
				require.Equal(t, "estimated", x.Quality)
				energy = x.Number
			}
		}
		return pulses, energy
	}
	shows := func(n float64) {
		t.Helper()
		require.Eventually(t, func() bool { p, e := last(); return p == n && e == n }, soon, often, "%v", n)
	}
	pulse, stop := run(s.dir)
	shows(0) // opening the pin throws edges away
	pulse(5)
	shows(5)
	var cut string
	require.Eventually(t, func() bool { // a file may go while they are copied
		cut = t.TempDir()
		return os.CopyFS(cut, os.DirFS(s.dir)) == nil
	}, soon, often)
	pulse(2)
	stop()

	pulse, stop = run(s.dir)
	shows(7)
	pulse(3)
	shows(10)
	stop()

	before, again := server.Count("fan-1"), time.Now()
	pulse, stop = run(cut)
	require.Eventually(t, func() bool { return server.Count("fan-1") > before+10 }, soon, often)
	pulse(1)
	require.Eventually(t, func() bool {
		all := server.Samples("fan-1")
		for _, x := range all {
			if x.Quantity == quantity.Pulses && x.TimeMs > again.UnixMilli() && x.Number == 6 {
				return true
			}
		}
		return false
	}, soon, often, "what was durable at the power cut, and one more")
	stop()
}
