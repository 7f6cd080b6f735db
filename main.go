// Command karkhana is the server: broker, ingest, analytics and pages, together (`up`, `demo`) or one by one.
//
// The commands only parse and wire; what they wire lives in ingest, analytics, dashboards and internal.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the Makefile (-ldflags -X main.version=…).
var version = "dev"

type cli struct {
	LogLevel slog.Level `help:"Least important log line to write: debug, info, warn, error." default:"info"`

	Up         upCmd         `cmd:"" help:"Run everything in one process: broker, store, ingest, analytics, pages."`
	Demo       demoCmd       `cmd:"" help:"Run a simulated CFC: everything of up, two gateways, six machines, a month of history."`
	Broker     brokerCmd     `cmd:"" help:"Run the broker for gateways alone (NATS server with MQTT and JetStream)."`
	Ingest     ingestCmd     `cmd:"" help:"Run ingest alone, against a broker and stores given by URL."`
	Analytics  analyticsCmd  `cmd:"" help:"Run analytics and maintenance alone."`
	Dashboards dashboardsCmd `cmd:"" help:"Run the HTTP API and pages alone."`
	Admin      adminCmd      `cmd:"" help:"Tokens, codes and keys of gateways, cards, site files."`
	Check      checkCmd      `cmd:"" help:"Check a site file and say where it is wrong; changes nothing."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// env is what every command gets besides its own flags.
type env struct {
	ctx context.Context
	log *slog.Logger
	out io.Writer
}

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // small machines: memory is scarcer than cycles
	}
	var c cli
	k := kong.Parse(&c,
		kong.Name("karkhana"),
		kong.Description("Telemetry, utilisation, billing and maintenance for the shared machines of a common facility centre."),
		kong.UsageOnError(),
	)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{
		ctx: ctx,
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel})),
		out: os.Stdout,
	}
	if err := k.Run(e); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "karkhana:", err)
		os.Exit(1)
	}
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.out, "karkhana", version)
	return err
}
