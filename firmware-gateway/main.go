// Command karkhana-gateway samples machines and brings their samples to the server without losing one.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"karkhana/firmware-gateway/command"
)

// version is set by the build (-ldflags "-X main.version=…").
var version = "dev"

func main() {
	// A Raspberry Pi shares its memory with much else: collect before the process grows past its 20 MB.
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(10 << 20)

	var cli command.CLI
	parser := kong.Must(&cli, kong.Name("karkhana-gateway"),
		kong.Description("Samples shared machines, keeps the samples on disk until the server has stored them."), kong.UsageOnError())
	k, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: cli.LogLevel}))
	if err := k.Run(&command.Env{Context: ctx, Stdout: os.Stdout, Logger: log, Version: version}); err != nil {
		fmt.Fprintln(os.Stderr, "karkhana-gateway:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}
