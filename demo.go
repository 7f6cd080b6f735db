package main

import (
	"context"
	"crypto/ed25519"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"karkhana/analytics/kits"
	"karkhana/hardware/sim"
	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/sitefile"
	"karkhana/internal/supervise"
	"karkhana/internal/wire"
)

// The demo's site is the example that the documentation shows.
//
//go:embed docs/site.example.yaml
var demoSiteFile []byte

//go:embed tools/demo-gateway.yaml.tmpl
var demoGatewayFile string

// demoGateways says which gateway reads which simulated machines (id → kind).
var demoGateways = []struct {
	id       string
	machines []demoMachine
}{
	{"gw-1", []demoMachine{{"furnace-1", sim.Furnace, "1s"}, {"hammer-1", sim.Hammering, "10s"}, {"main-1", sim.MainMeter, "1s"}}},
	{"gw-2", []demoMachine{{"cutting-1", sim.Cutting, "1s"}, {"polishing-1", sim.Polishing, "1s"}, {"design-1", sim.Designing, "1s"}}},
}

type demoMachine struct{ ID, Kind, Report string }

type demoCmd struct {
	notifyFlags
	Listen string `help:"Address of pages and API, HOST:PORT." default:"127.0.0.1:8080"`
	Data   string `help:"Folder for everything that is kept." default:"data/demo" type:"path"`
	Days   int    `help:"Days of history to send through the line at the first start." default:"30"`
	Seed   uint64 `help:"Seed of the simulated workshop: same seed, same machines. 0 takes one whose polishing lathe, with its worn bearing, is at work when the page opens." default:"0"`
}

// Run starts the server and two gateway processes with simulated machines, and stops them all at its end.
func (c demoCmd) Run(e *env) error {
	if c.Days < 1 || c.Days > 400 {
		return fmt.Errorf("--days %d: give 1 to 400", c.Days)
	}
	notifiers, err := c.notifiers()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	logFile, err := os.OpenFile(filepath.Join(c.Data, "karkhana.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer logFile.Close()
	log := slog.New(slog.NewTextHandler(logFile, &slog.HandlerOptions{Level: slog.LevelInfo}))

	s, err := newServer(e.ctx, serverOptions{
		Stores: storeFlags{Data: c.Data}, Listen: c.Listen, Broker: brokerListen{MQTTListen: "127.0.0.1:0"},
		Notifiers: notifiers, Log: log,
	})
	if err != nil {
		return err
	}
	if loopback(s.pages.Addr()) {
		s.o.AnonymousRole = registry.RoleViewer // simulated machines, seen from this computer only
	}
	d := &demo{demoCmd: c, server: s, log: log, logFile: logFile, out: e.out, started: time.Now()}
	if err := d.prepare(e.ctx); err != nil {
		s.close()
		return err
	}
	return d.run(e.ctx)
}

// demo is the server with two gateway processes beside it.
type demo struct {
	demoCmd
	server   *server
	log      *slog.Logger
	logFile  io.Writer
	out      io.Writer
	site     registry.SiteDefinition
	token    string    // signs the operator in as admin
	epoch    time.Time // when the simulated workshop began
	started  time.Time
	gateways []*supervise.Child
}

// prepare applies the demo's site and writes the gateways' files. At a later start it finds everything in place.
func (d *demo) prepare(ctx context.Context) error {
	salt, err := secret.Keep(filepath.Join(d.Data, "card.salt"))
	if err != nil {
		return err
	}
	known, err := kits.All()
	if err != nil {
		return err
	}
	if d.site, err = sitefile.Parse("site.example.yaml", demoSiteFile, known...); err != nil {
		return err
	}
	for i := range d.site.Groups {
		g := &d.site.Groups[i]
		g.Cards = nil
		for _, card := range sim.Cards() {
			if card.Group == g.Group.ID {
				g.Cards = append(g.Cards, wire.CardHash([]byte(salt), card.UID))
			}
		}
	}
	if err := d.server.db.Apply(ctx, d.site, "demo", time.Now().UnixMilli()); err != nil {
		return fmt.Errorf("apply the demo's site: %w", err)
	}
	// The salt of this folder's gateways is the site's.
	if err := d.server.db.SetCardSalt(ctx, d.site.Site.ID, salt, "demo"); err != nil {
		return err
	}
	if err := d.keepToken(ctx); err != nil {
		return err
	}
	return d.keepWorld()
}

// keepToken makes the token that the printed link carries, or finds the one of the former start.
func (d *demo) keepToken(ctx context.Context) error {
	var err error
	if d.token, err = secret.Keep(filepath.Join(d.Data, "admin.token")); err != nil {
		return err
	}
	hash := registry.HashSecret(d.token)
	if _, err := d.server.db.TokenByHash(ctx, hash); !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	return d.server.db.AddToken(ctx, registry.Token{
		Hash: hash, Name: "demo operator", Role: registry.RoleAdmin, CreatedMs: time.Now().UnixMilli(),
	})
}

// keepWorld fixes at the first start when the simulated workshop began and from which seed, so that its meters go on
// counting at the next.
func (d *demo) keepWorld() error {
	path := filepath.Join(d.Data, "world")
	b, err := os.ReadFile(path)
	if err == nil {
		var epoch string
		if _, err = fmt.Sscan(string(b), &epoch, &d.Seed); err == nil {
			d.epoch, err = time.Parse(time.RFC3339, epoch)
		}
		if err != nil {
			return fmt.Errorf("%s should hold a time and a seed: %w (remove %s to begin anew)", path, err, d.Data)
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	d.epoch = d.started.UTC().Truncate(time.Hour).AddDate(0, 0, -d.Days)
	if d.Seed == 0 {
		if d.Seed, err = busySeed(d.epoch, d.started); err != nil {
			return err
		}
	}
	return os.WriteFile(path, fmt.Appendf(nil, "%s %d\n", d.epoch.Format(time.RFC3339), d.Seed), 0o600)
}

// busySeed returns the first seed whose polishing lathe works through the first five minutes from now.
func busySeed(epoch, now time.Time) (uint64, error) {
	const tries = 50
	for seed := uint64(7); seed < 7+tries; seed++ {
		workshop, err := sim.New(sim.Options{Seed: seed, Epoch: epoch})
		if err != nil {
			return 0, err
		}
		lathe, err := workshop.Machine(sim.Polishing)
		if err != nil {
			return 0, err
		}
		busy := true
		for at := now; busy && at.Before(now.Add(5*time.Minute)); at = at.Add(time.Minute) {
			truth, err := lathe.Truth(at)
			if err != nil {
				return 0, err
			}
			busy = truth.State == "run"
		}
		if busy {
			return seed, nil
		}
	}
	return 7, nil // no matter: the lathe works again within the hour
}

// run serves until ctx ends. The gateways stop before the server, so that their last packs are receipted.
func (d *demo) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	below, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServer()

	fmt.Fprintf(d.out, "karkhana %s, demo of %s\n", version, d.site.Site.Name.En)
	var ground errgroup.Group
	ground.Go(func() error {
		defer cancel()
		return d.server.run(below)
	})
	above, ctx := errgroup.WithContext(ctx)
	above.Go(func() error { return d.runGateways(ctx, above) })
	err := above.Wait()
	fmt.Fprintln(d.out, "\nstopping: gateways have stopped; ingest, store and broker are finishing …")
	stopServer()
	err = errors.Join(err, ground.Wait())
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	fmt.Fprintln(d.out, "stopped. The data stay in", d.Data)
	return err
}

// runGateways starts the gateway processes and tells how far things are.
func (d *demo) runGateways(ctx context.Context, g *errgroup.Group) error {
	binary, err := findGateway()
	if err != nil {
		return err
	}
	for _, gw := range demoGateways {
		config, err := d.writeGateway(ctx, gw.id, gw.machines)
		if err != nil {
			return fmt.Errorf("gateway %s: %w", gw.id, err)
		}
		child, err := supervise.New(supervise.Options{
			Name: "gateway-" + gw.id, Path: binary, Args: []string{"run", "--config", config},
			Stdout: d.logFile, Logger: d.log, Registerer: nil,
		})
		if err != nil {
			return err
		}
		d.gateways = append(d.gateways, child)
		g.Go(func() error { return named("gateway "+gw.id, ctx, child.Run) })
	}
	g.Go(func() error { return d.tell(ctx) })
	return nil
}

// writeGateway gives a gateway its key and its configuration and returns the configuration's path.
func (d *demo) writeGateway(ctx context.Context, id string, machines []demoMachine) (string, error) {
	dir := filepath.Join(d.Data, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	key, err := secret.Keep(filepath.Join(dir, "gateway.key"))
	if err != nil {
		return "", err
	}
	if err := d.server.db.SetGatewayKey(ctx, d.site.Site.ID, id, registry.HashSecret(key)); err != nil {
		return "", err
	}
	signing, err := d.server.db.SigningKey(ctx, d.site.Site.ID)
	if err != nil {
		return "", err
	}
	public := wire.FormatPublicKey(signing.Public().(ed25519.PublicKey))
	if err := os.WriteFile(filepath.Join(dir, "command.pub"), []byte(public+"\n"), 0o600); err != nil {
		return "", err
	}
	t, err := template.New("gateway.yaml").Option("missingkey=error").Parse(demoGatewayFile)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "gateway.yaml")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	err = t.Execute(f, map[string]any{
		"Site": d.site.Site.ID, "Gateway": id, "Broker": d.server.broker.URL(), "Machines": machines,
		"Seed": d.Seed, "Epoch": d.epoch.Format(time.RFC3339), "Hours": 24 * d.Days,
	})
	return path, errors.Join(err, f.Close())
}

// findGateway returns the gateway program: beside this one, or in the PATH.
func findGateway() (string, error) {
	self, err := os.Executable()
	if err == nil {
		beside := filepath.Join(filepath.Dir(self), "karkhana-gateway")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("karkhana-gateway")
	if err != nil {
		return "", errors.New("karkhana-gateway is neither beside karkhana nor in the PATH: run make build")
	}
	return path, nil
}
