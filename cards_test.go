package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/uplink"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
	"karkhana/hardware/meter"
	"karkhana/ingest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// reader is what is connected to the gateway of the test: a card reader and a red LED.
type reader struct {
	chip mfrc522test.Chip
	red  led
}

// led counts how often it went on.
type led struct {
	gpiotest.Pin
	mu  sync.Mutex
	on  gpio.Level
	ons int
}

func (l *led) Out(level gpio.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level && !l.on {
		l.ons++
	}
	l.on = level
	return nil
}

func (l *led) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ons
}

func (r *reader) SPI(string) (spi.Port, error) { return &r.chip, nil }

func (r *reader) I2C(name string) (i2c.Bus, error) { return nil, fmt.Errorf("no bus %s", name) }

func (r *reader) Pin(string) (gpio.PinIO, error) { return &r.red, nil }

func (r *reader) Line(l meter.Line) (meter.Registers, error) { return meter.NewClient(l) }

// The cards of a site come from the registry through a real Mosquitto to a gateway's disk. When the server is gone and
// the gateway was started anew, a known card is accepted at the reader and an unknown one is not; both taps arrive at the
// server when it is back.
func TestCardsAreAnsweredWithoutAServer(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	b := brokertest.Mosquitto(t, uplinktest.Users())
	db := registrytest.Open(t)
	salt, uid := "a-salt", []byte{0x04, 0xA1, 0xB2, 0xC3}
	hash := wire.CardHash([]byte(salt), "04A1B2C3")
	name := registry.Name{Hi: "क", En: "K"}
	require.NoError(t, db.Apply(t.Context(), registry.SiteDefinition{
		Site: registry.Site{ID: uplinktest.Site, Name: name, Zone: "Asia/Kolkata"}, Gateways: []string{uplinktest.Gateway},
		Machines: []registry.MachineDefinition{{Machine: registry.Machine{ID: "furnace-1", Class: "furnace", Name: name},
			Settings: []registry.Settings{{Signal: "power", IdleAbove: 1, RunAbove: 2, Hysteresis: 0.1, ReportMs: 1000}}}},
		Groups: []registry.GroupDefinition{{Group: registry.Group{ID: "kumhar", Name: name}, Cards: []string{hash}}},
	}, "test", time.Now().Add(-time.Hour).UnixMilli()))
	key, err := db.SigningKey(t.Context(), uplinktest.Site)
	require.NoError(t, err)
	store := tsdb.NewMemory()
	startIngest := func() (stop func()) {
		in, err := ingest.New(ingest.Options{
			Source: b.URL(), Username: "ingest", Password: "secret", ClientID: "karkhana-ingest",
			Store: store, Registry: db, Commands: db, Logger: log, Registerer: prometheus.NewRegistry(), Now: time.Now,
		})
		require.NoError(t, err)
		return running(t, in.Run)
	}

	dir := t.TempDir()
	for file, text := range map[string]string{
		"key": uplinktest.Key, "salt": salt, "command.pub": wire.FormatPublicKey(key.Public().(ed25519.PublicKey)),
		"gateway.yaml": fmt.Sprintf(`site: %s
gateway: %s
broker: %s
key_file: key
card_salt_file: salt
command_key_file: command.pub
data: data
clock: trusted
machines:
  - id: furnace-1
    source: sensors
    every: 100ms
    pack: 200ms
    sensors:
      - {card_reader: mfrc522, bus: SPI1.0, led_no: GPIO5}
`, uplinktest.Site, uplinktest.Gateway, b.URL()),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	startGateway := func() (g *gateway.Gateway, r *reader, stop func()) {
		c, err := config.Load(filepath.Join(dir, "gateway.yaml"))
		require.NoError(t, err)
		r = &reader{}
		g, err = gateway.New(gateway.Options{Config: c, Version: "test", Logger: log, Buses: r,
			TuneUplink: func(o *uplink.Options) {
				o.RetryMin, o.RetryMax, o.StatusEvery = 10*time.Millisecond, 50*time.Millisecond, 500*time.Millisecond
			}})
		require.NoError(t, err)
		return g, r, running(t, g.Run)
	}
	soon := func(what string, f func() bool) {
		t.Helper()
		require.Eventually(t, f, 90*time.Second, 20*time.Millisecond, what)
	}

	stopIngest := startIngest()
	g, _, stopGateway := startGateway()
	soon("the list arrives", func() bool { return g.Status().AllowList.Cards == 1 })
	stopIngest()
	stopGateway()
	b.Stop(t)

	again, r, stopAgain := startGateway()
	r.chip.Place(uid)
	soon("accepted", func() bool { return again.Status().AllowList.Accepted == 1 })
	require.Zero(t, r.red.count())
	r.chip.Place([]byte{0xDE, 0xAD, 0xBE, 0xEF})
	soon("unknown", func() bool { return again.Status().AllowList.Unknown == 1 && r.red.count() == 1 })
	b.Start(t)
	startIngest()
	soon("both taps are at the server", func() bool {
		taps := 0
		err := store.Read(t.Context(), tsdb.Query{
			Measurement: tsdb.Telemetry, Site: uplinktest.Site, Machine: "furnace-1", Fields: []string{"card"},
			FromMs: time.Now().Add(-time.Hour).UnixMilli(), ToMs: time.Now().Add(time.Hour).UnixMilli(),
		}, func(tsdb.Row) error { taps++; return nil })
		return err == nil && taps == 2
	})
	stopAgain()
}

// running runs something until the returned function or the test's end stops it.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}
