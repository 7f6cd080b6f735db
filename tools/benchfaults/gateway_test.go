package benchfaults

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/sampler"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// The environment by which the test's own program becomes a gateway.
const (
	envConfig = "BENCHFAULTS_CONFIG"
	envClock  = "BENCHFAULTS_CLOCK"
	envTruth  = "BENCHFAULTS_TRUTH" // folder
	envRun    = "BENCHFAULTS_RUN"   // counts the starts of this gateway
	envDrain  = "BENCHFAULTS_DRAIN" // not empty: end when everything is sent
)

// gatewayMain is the gateway as it is shipped, but for the clock under it and the meter before it.
func gatewayMain() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c, err := config.Load(os.Getenv(envConfig))
	if err != nil {
		return err
	}
	k, err := openKernel(os.Getenv(envClock))
	if err != nil {
		return err
	}
	run, err := strconv.ParseInt(os.Getenv(envRun), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w", envRun, err)
	}
	g, err := gateway.New(gateway.Options{
		Config: c, Version: "bench", Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Kernel: k,
		ExitWhenDrained: os.Getenv(envDrain) != "", System: health.NewReader(c.Data).Read,
		Source: func(m config.Machine) (sampler.Source, error) { return openMeter(os.Getenv(envTruth), m.ID, run) },
	})
	if err != nil {
		return err
	}
	return g.Run(ctx)
}

// perRun is how many readings a run of a gateway has at most: what tells readings of different runs apart.
const perRun = 1_000_000

// meter is a made-up meter. Its register counts readings, so that each is different, and it writes each down before it
// gives it away.
type meter struct {
	truth *os.File
	next  int64
}

var _ sampler.Source = (*meter)(nil)

func openMeter(dir, machine string, run int64) (*meter, error) {
	f, err := os.OpenFile(truthFile(dir, machine, run), os.O_WRONLY|os.O_CREATE|os.O_APPEND|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &meter{f, run * perRun}, nil
}

func truthFile(dir, machine string, run int64) string {
	return filepath.Join(dir, fmt.Sprintf("%s.%d", machine, run))
}

func (m *meter) Sense(_ context.Context, at time.Time) ([]wire.Sample, error) {
	n := m.next
	m.next++
	if _, err := io.WriteString(m.truth, strconv.FormatInt(n, 10)+"\n"); err != nil {
		return nil, err
	}
	return []wire.Sample{
		{Quantity: quantity.Power, TimeMs: at.UnixMilli(), Number: powerOf(n)},
		{Quantity: quantity.Energy, TimeMs: at.UnixMilli(), Number: float64(n)},
	}, nil
}

func (m *meter) Close() error { return m.truth.Close() }

// powerOf is the power that belongs to a state of the register.
func powerOf(energy int64) float64 { return float64(energy%3001) + 0.25 }
