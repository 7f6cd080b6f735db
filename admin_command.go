package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

type signingKeyCmd struct {
	storeFlags
	Site string `arg:"" help:"Site id."`
}

// Run prints the public half of the site's key, as a gateway's command_key_file holds it.
func (c signingKeyCmd) Run(e *env) error {
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := knownSite(e, db, c.Site); err != nil {
		return err
	}
	key, err := db.SigningKey(e.ctx, c.Site)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, wire.FormatPublicKey(key.Public().(ed25519.PublicKey)))
	return err
}

type commandCmd struct {
	storeFlags
	Site    string        `arg:"" help:"Site id."`
	Gateway string        `arg:"" help:"Gateway id."`
	Kind    string        `arg:"" help:"reload: read the configuration again. self-test: tell how the sensors do. replay: send again at once what has no receipt." enum:"reload,self-test,replay"`
	From    time.Time     `help:"replay: only packs whose newest sample is not before this (RFC 3339)."`
	To      time.Time     `help:"replay: only packs whose newest sample is not after this (RFC 3339)."`
	For     time.Duration `help:"How long the command may wait for the gateway." default:"10m"`
	Author  string        `help:"Who asks for it, for the audit log." default:"command line"`
}

// Run queues the command and waits for its outcome, which is also that of the program.
func (c commandCmd) Run(e *env) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	if c.For < 10*time.Second || c.For > 30*24*time.Hour {
		return fmt.Errorf("--for %s: give 10s to 720h", c.For)
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now()
	cmd, err := db.QueueCommand(e.ctx, registry.Command{
		Site: c.Site, Gateway: c.Gateway, Kind: c.Kind, Body: body, By: c.Author,
		QueuedMs: now.UnixMilli(), ExpiresMs: now.Add(c.For).UnixMilli(),
	})
	if errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("site %q has no gateway %q: bring it in with karkhana admin apply first", c.Site, c.Gateway)
	}
	if err != nil {
		return err
	}
	return c.follow(e, db, cmd)
}

func (c commandCmd) body() (string, error) {
	if c.Kind != wire.CommandReplay {
		if !c.From.IsZero() || !c.To.IsZero() {
			return "", errors.New("--from and --to go with replay only")
		}
		return "", nil
	}
	var r wire.Replay
	if !c.From.IsZero() {
		r.FromMs = c.From.UnixMilli()
	}
	if !c.To.IsZero() {
		r.ToMs = c.To.UnixMilli()
	}
	b, err := r.Encode()
	if err != nil {
		return "", errors.New("--from must not be after --to")
	}
	return string(b), nil
}

// follow tells how a command gets on until it has ended.
func (c commandCmd) follow(e *env, db *registry.DB, cmd registry.Command) error {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	said := ""
	for {
		line := fmt.Sprintf("%s %s/%s: %s", cmd.Kind, cmd.Site, cmd.Gateway, progress(cmd))
		if line != said {
			said = line
			fmt.Fprintln(e.out, line)
		}
		if cmd.EndedMs != 0 {
			break
		}
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			fmt.Fprintln(e.out, "no longer waiting; the command stays queued until", time.UnixMilli(cmd.ExpiresMs).Format("15:04:05"))
			return e.ctx.Err()
		}
		var err error
		if cmd, err = db.Command(e.ctx, cmd.Site, cmd.Gateway, cmd.ID); err != nil {
			return err
		}
	}
	if cmd.Detail != "" {
		fmt.Fprintln(e.out, "  "+strings.ReplaceAll(plainLines(cmd.Detail), "\n", "\n  "))
	}
	if cmd.State != registry.CommandDone {
		return fmt.Errorf("the command has %s", cmd.State)
	}
	return nil
}

// progress words where a command stands.
func progress(c registry.Command) string {
	switch c.State {
	case registry.CommandQueued:
		return fmt.Sprintf("queued; it waits for the gateway until %s", time.UnixMilli(c.ExpiresMs).Format("15:04:05"))
	case registry.CommandSent:
		return fmt.Sprintf("sent (%d), no answer yet", c.Sendings)
	}
	return string(c.State)
}
