package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"karkhana/analytics/kits"
	"karkhana/analytics/service"
	"karkhana/internal/config"
	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/wire"
)

type adminCmd struct {
	Token       tokenCmd       `cmd:"" help:"Make a bearer token and print it once."`
	GatewayCode gatewayCodeCmd `cmd:"" help:"Make a one-time code by which a gateway joins (karkhana-gateway enrol). A former code stops working."`
	GatewayKey  gatewayKeyCmd  `cmd:"" help:"Give a gateway a new key and print it once. The former key stops working."`
	Command     commandCmd     `cmd:"" help:"Ask a gateway to reload its configuration, test its sensors or send again what has no receipt, and wait for the outcome."`
	SigningKey  signingKeyCmd  `cmd:"" help:"Print the public key that a site's commands are signed with, for the command_key_file of gateways set up by hand."`
	CardSalt    cardSaltCmd    `cmd:"" help:"Print the salt of a site's card hashes, or bring in the one its gateways have."`
	CardHash    cardHashCmd    `cmd:"" help:"Print the hash of a card for the site file."`
	Quarantine  quarantineCmd  `cmd:"" help:"Look through the packs that could not be stored, try them again or throw them away."`
	Suggest     suggestCmd     `cmd:"" help:"Suggest the thresholds of a machine from its history. Changes nothing."`
	Confirm     confirmCmd     `cmd:"" help:"Confirm thresholds of a machine from a day on, or keep the present ones. Ends an alarm of drift."`
	Apply       applyCmd       `cmd:"" help:"Check a site file and apply it whole: machines, settings, gateways, groups, cards, tariffs."`
}

type tokenCmd struct {
	storeFlags
	Role  registry.Role `help:"admin, manager, accountant, technician, group or viewer." required:"" enum:"admin,manager,accountant,technician,group,viewer"`
	Group string        `help:"Which producer group (role group only)."`
	Name  string        `help:"Whose it is: stands beside all that is entered with it. Default: the role."`
	For   time.Duration `help:"How long it is valid; 0 is for ever." default:"0"`
}

// Run makes the token. Only its hash is kept.
func (c tokenCmd) Run(e *env) error {
	if (c.Role == registry.RoleGroup) != (c.Group != "") {
		return errors.New("--role group needs --group with the id of the producer group, and no other role takes one")
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if c.Group != "" {
		if err := knownGroup(e.ctx, db, c.Group); err != nil {
			return err
		}
	}
	secret := secret.New()
	now := time.Now()
	t := registry.Token{Hash: registry.HashSecret(secret), Name: cmp.Or(c.Name, string(c.Role)), Role: c.Role, Group: c.Group, CreatedMs: now.UnixMilli()}
	if c.For > 0 {
		t.ExpiresMs = now.Add(c.For).UnixMilli()
	}
	if err := db.AddToken(e.ctx, t); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, secret)
	return err
}

// knownGroup refuses a group that no site has: its token would show nothing and say nothing.
func knownGroup(ctx context.Context, db *registry.DB, id string) error {
	sites, err := db.Sites(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, s := range sites {
		groups, err := db.Groups(ctx, s.ID)
		if err != nil {
			return err
		}
		for _, g := range groups {
			ids = append(ids, g.ID)
		}
	}
	if slices.Contains(ids, id) {
		return nil
	}
	return fmt.Errorf("group %q is in no site file that was applied%s", id, config.DidYouMean(id, ids))
}

type gatewayKeyCmd struct {
	storeFlags
	Site    string `arg:"" help:"Site id."`
	Gateway string `arg:"" help:"Gateway id."`
}

// Run makes the key. The gateway must stand in the site file.
func (c gatewayKeyCmd) Run(e *env) error {
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Gateway(e.ctx, c.Site, c.Gateway); err != nil {
		return fmt.Errorf("gateway %s of site %s: %w (add it to the site file and run admin apply first)", c.Gateway, c.Site, err)
	}
	key := secret.New()
	if err := db.SetGatewayKey(e.ctx, c.Site, c.Gateway, registry.HashSecret(key)); err != nil {
		return err
	}
	if err := db.Audit(e.ctx, "command line", "gateway-key", wire.Username(c.Site, c.Gateway)); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, key)
	return err
}

type applyCmd struct {
	storeFlags
	File   string `help:"Site file (YAML)." required:"" type:"existingfile"`
	Author string `help:"Who applies it, for the audit log." default:"command line"`
}

// Run applies the file in one transaction, or not at all.
func (c applyCmd) Run(e *env) error {
	def, err := loadSite(c.File)
	if err != nil {
		return err
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now().UnixMilli()
	changed, err := db.KitChanges(e.ctx, def, now)
	if err != nil {
		return err
	}
	if err := db.Apply(e.ctx, def, c.Author, now); err != nil {
		return err
	}
	for _, k := range changed {
		fmt.Fprintln(e.out, k)
	}
	_, err = fmt.Fprintf(e.out, "%s: site %s applied: %d machines, %d groups\n", c.File, def.Site.ID, len(def.Machines), len(def.Groups))
	return err
}

// loadSite reads a site file and holds its service tasks against the kits.
func loadSite(file string) (registry.SiteDefinition, error) {
	def, err := kits.Load(file)
	if err != nil {
		return def, err
	}
	if err := service.Check(def); err != nil {
		return def, fmt.Errorf("%s: maintenance: %w", file, err)
	}
	return def, nil
}

type checkCmd struct {
	File string `arg:"" help:"Site file (YAML)." type:"existingfile"`
}

// Run checks the file and says so.
func (c checkCmd) Run(e *env) error {
	def, err := loadSite(c.File)
	if err != nil {
		return err
	}
	for _, m := range def.Machines {
		for i, s := range m.Settings {
			if m.Kit == "" {
				break
			}
			from := "the beginning"
			if s.ValidFromMs != 0 {
				from = time.UnixMilli(s.ValidFromMs).UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(e.out, "%s: kit %s, from %s: %s (%d of its values from the kit)\n", m.Machine.ID, m.Kit, from, s.KitText(), len(m.FromKit[i]))
		}
	}
	_, err = fmt.Fprintf(e.out, "%s: ok: site %s, %d machines, %d groups\n", c.File, def.Site.ID, len(def.Machines), len(def.Groups))
	return err
}
