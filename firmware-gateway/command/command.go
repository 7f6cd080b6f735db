// Package command holds the commands of the gateway's binary.
package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/local"
	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/spool"
)

// Env is what every command gets.
type Env struct {
	Context context.Context //nolint:containedctx // kong hands commands one value
	Stdout  io.Writer
	Stdin   io.Reader    // for answers; nil: the process's
	Stderr  io.Writer    // for progress; nil: the process's
	Buses   sensor.Buses // nil: the computer's
	Logger  *slog.Logger
	Version string

	Source func(config.Machine) (sampler.Source, error) // of run, in place of the configuration's; nil: the configuration's
}

// CLI is the command line.
type CLI struct {
	LogLevel slog.Level `help:"Least important log lines that are shown: debug, info, warn, error." default:"info"`

	Run      Run      `cmd:"" help:"Sample and send until stopped."`
	Check    Check    `cmd:"" help:"Check a configuration and exit."`
	Kits     Kits     `cmd:"" help:"The kits of the machine classes."`
	Config   Sample   `cmd:"" help:"Print a configuration with every key explained."`
	Spool    Spool    `cmd:"" help:"Look at the queue on disk."`
	Enrol    Enrol    `cmd:"" help:"Join a server with a one-time code: makes this gateway's key and configuration."`
	Health   Health   `cmd:"" help:"Is the gateway on this computer well? Exit 1 when something needs attention."`
	Scan     Scan     `cmd:"" help:"Look what is connected: I2C, SPI, 1-Wire, Modbus lines."`
	Watch    Watch    `cmd:"" help:"Show the live values of all machines in a table."`
	Selftest Selftest `cmd:"" help:"Test every sensor: dead, reversed, saturated, open, swapped; exit 1 on faults."`
	Pin      PIN      `cmd:"" help:"Show the PIN of the local page, or change it."`
	Upgrade  Upgrade  `cmd:"" help:"Install another version, and go back by itself when that does not sample and store."`
	Version  Version  `cmd:"" help:"Print the version."`
}

// file is the flag that all commands on a configuration share.
type file struct {
	Path string `name:"config" short:"c" help:"Configuration file." default:"gateway.yaml" type:"path"`
}

// Run samples and sends.
type Run struct {
	file
	ExitWhenDrained bool `help:"Exit once all recordings have been played and the server has stored everything."`
}

// Run runs a gateway until the context ends. SIGHUP makes it read its configuration anew.
func (r *Run) Run(e *Env) error {
	c, err := config.Load(r.Path)
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Options{
		Config: c, Version: e.Version, Logger: e.Logger, ExitWhenDrained: r.ExitWhenDrained, Source: e.Source,
		System: health.NewReader(c.Data).Read, HealthFile: health.ReportFile(os.Getenv),
		Socket: local.Socket(health.RuntimeDirectory(os.Getenv), c.Data),
	})
	if err != nil {
		return err
	}
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	ctx, stop := context.WithCancel(e.Context)
	var reloading sync.WaitGroup
	reloading.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangUp:
				_ = g.Reload(ctx) // the gateway logs it and says it in its status
			}
		}
	})
	err = g.Run(ctx)
	stop()
	reloading.Wait()
	return err
}

// Check checks a configuration.
type Check struct {
	file
	Wiring  bool   `help:"Print ports, pins, every wire and the parts of the kits."`
	Diagram string `help:"Write the picture of the wiring to this file (SVG)." type:"path" placeholder:"FILE"`
}

// Run prints what the configuration holds, or fails with everything that is wrong, one line each.
func (c *Check) Run(e *Env) error {
	g, err := config.Load(c.Path)
	if err != nil {
		return fmt.Errorf("configuration is not right:\n%w", err)
	}
	if _, err := fmt.Fprintf(e.Stdout, "%s: right: gateway %s of %s, %d machines, sends to %s\n", c.Path, g.Gateway, g.Site, len(g.Machines), g.Broker); err != nil {
		return err
	}
	if len(g.Machines) == 0 {
		if _, err := fmt.Fprintln(e.Stdout, "no machines are configured yet: list them under machines:, for most {id: saw-1, kit: cutting} is enough"); err != nil {
			return err
		}
	}
	if c.Diagram != "" {
		if err := drawWiring(c.Diagram, g); err != nil {
			return err
		}
	}
	if c.Wiring {
		return wiring(e.Stdout, g)
	}
	return nil
}

// Sample prints the sample configuration.
type Sample struct {
	Packaged bool `help:"As the package installs it: file names of the package, machines yet to be filled in."`
}

// Run prints it.
func (s *Sample) Run(e *Env) error {
	text := config.Sample
	if s.Packaged {
		text = config.Packaged()
	}
	_, err := io.WriteString(e.Stdout, text)
	return err
}

// Version prints the version.
type Version struct{}

// Run prints it.
func (*Version) Run(e *Env) error {
	_, err := fmt.Fprintln(e.Stdout, "karkhana-gateway", e.Version)
	return err
}

// Spool holds the commands on the queue.
type Spool struct {
	Status Status `cmd:"" help:"What is on disk and how old."`
	Verify Verify `cmd:"" help:"Read every record; exit 1 when anything is damaged."`
	Export Export `cmd:"" help:"Print every queued sample as a line of JSON; the gateway must not run."`
}

// Status sums up the queue, as far as a reader beside a running gateway can know: receipts of its last seconds may be
// missing.
type Status struct{ file }

// Run prints it.
func (s *Status) Run(e *Env) error {
	in, err := inspect(s.Path)
	if err != nil {
		return err
	}
	packs, bytes, oldest := 0, int64(0), int64(0)
	for _, f := range append(in.Files, in.Journal) {
		packs += f.Packs
		bytes += f.Bytes
		if f.OldestMs > 0 && (oldest == 0 || f.OldestMs < oldest) {
			oldest = f.OldestMs
		}
	}
	fmt.Fprintf(e.Stdout, "spool %s: %d packs in %d files, %.1f kB", in.ID, packs, len(in.Files), float64(bytes)/1e3)
	if oldest > 0 {
		at := time.UnixMilli(oldest).UTC()
		fmt.Fprintf(e.Stdout, ", oldest %s (%s ago)", at.Format(time.RFC3339), time.Since(at).Round(time.Second))
	}
	if in.Open > 0 {
		fmt.Fprintf(e.Stdout, ", %d packs still open", in.Open)
	}
	if in.Bad > 0 {
		fmt.Fprintf(e.Stdout, ", %d unreadable files moved aside", in.Bad)
	}
	_, err = fmt.Fprintln(e.Stdout)
	return err
}

// Verify reads everything.
type Verify struct{ file }

// Run prints one line per file and fails when one is damaged.
func (v *Verify) Run(e *Env) error {
	in, err := inspect(v.Path)
	if err != nil {
		return err
	}
	damaged := 0
	for _, f := range append(in.Files, in.Journal) {
		switch {
		case f.Good():
			fmt.Fprintf(e.Stdout, "%s: good, %d packs\n", f.Name, f.Packs)
			continue
		case f.Err != nil:
			fmt.Fprintf(e.Stdout, "%s: unreadable: %v\n", f.Name, f.Err)
		default:
			fmt.Fprintf(e.Stdout, "%s: %d packs, %d damaged places, %d bytes of torn tail\n", f.Name, f.Packs, f.Damaged, f.Torn)
		}
		damaged++
	}
	if damaged > 0 {
		return fmt.Errorf("%d of %d files are damaged; the gateway steps over the damage by itself", damaged, len(in.Files))
	}
	return nil
}

func inspect(configPath string) (spool.Inspection, error) {
	c, err := config.Load(configPath)
	if err != nil {
		return spool.Inspection{}, err
	}
	return spool.Inspect(filepath.Join(c.Data, "spool"))
}
