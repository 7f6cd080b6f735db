package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/sampler"
)

// Main is the whole program: it parses the command line and runs the command until it ends or a signal comes. source
// gives machines their samples in place of what the configuration says; nil in what is shipped. It returns the exit
// status.
func Main(args []string, version string, source func(config.Machine) (sampler.Source, error)) int {
	// A Raspberry Pi shares its memory with much else: collect before the process grows past its 20 MB.
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(10 << 20)

	var cli CLI
	parser := kong.Must(&cli, kong.Name("karkhana-gateway"),
		kong.Description("Samples shared machines, keeps the samples on disk until the server has stored them."), kong.UsageOnError())
	k, err := parser.Parse(args)
	parser.FatalIfErrorf(err)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: cli.LogLevel}))
	if err := k.Run(&Env{Context: ctx, Stdout: os.Stdout, Logger: log, Version: version, Source: source}); err != nil {
		fmt.Fprintln(os.Stderr, "karkhana-gateway:", err)
		return 1
	}
	return 0
}
