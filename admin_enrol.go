package main

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"karkhana/internal/enrol"
	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/wire"
)

type gatewayCodeCmd struct {
	storeFlags
	Site    string        `arg:"" help:"Site id."`
	Gateway string        `arg:"" help:"Gateway id; it is added when the site has none of that id."`
	For     time.Duration `help:"How long the code is valid." default:"24h"`
	Author  string        `help:"Who makes it, for the audit log." default:"command line"`
}

// Run makes the code and prints it with its end.
func (c gatewayCodeCmd) Run(e *env) error {
	if c.For < time.Minute || c.For > 7*24*time.Hour {
		return fmt.Errorf("--for %s: give 1m to 168h", c.For)
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	site, err := knownSite(e, db, c.Site)
	if err != nil {
		return err
	}
	zone, err := site.Location()
	if err != nil {
		return err
	}
	code := enrol.NewCode()
	expires, err := db.NewGatewayCode(e.ctx, c.Site, c.Gateway, code.Hash(), c.For, c.Author)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s\nvalid once, until %s; on the gateway: karkhana-gateway enrol --server URL\n",
		code, time.UnixMilli(expires).In(zone).Format("02-01-2006 15:04 MST"))
	return err
}

// knownSite looks a site up; what to do about an unknown one is in the error.
func knownSite(e *env, db *registry.DB, id string) (registry.Site, error) {
	s, err := db.Site(e.ctx, id)
	if errors.Is(err, registry.ErrNotFound) {
		err = fmt.Errorf("there is no site %q: bring it in with karkhana admin apply first", id)
	}
	return s, err
}

type cardSaltCmd struct {
	storeFlags
	Site   string `arg:"" help:"Site id."`
	Import string `help:"File with the salt that the site's gateways have already." type:"existingfile"`
	Force  bool   `help:"With --import: replace another salt. Cards registered with that one are not recognised any more."`
	Author string `help:"Who brings it in, for the audit log." default:"command line"`
}

// Run prints the salt, making it at the first time, or takes it from a file.
func (c cardSaltCmd) Run(e *env) error {
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := knownSite(e, db, c.Site); err != nil {
		return err
	}
	if c.Import != "" {
		return c.bringIn(e, db)
	}
	salt, err := db.CardSalt(e.ctx, c.Site)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, salt)
	return err
}

func (c cardSaltCmd) bringIn(e *env, db *registry.DB) error {
	salt, err := secret.Read(c.Import)
	if err != nil {
		return err
	}
	kept, err := db.KeptCardSalt(e.ctx, c.Site)
	if err != nil {
		return err
	}
	if kept != "" && kept != salt && !c.Force {
		return fmt.Errorf("site %s has another salt already, which gateways may use: give --force to replace it, and then enrol those gateways again", c.Site)
	}
	if err := db.SetCardSalt(e.ctx, c.Site, salt, c.Author); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "site %s has the salt of %s\n", c.Site, c.Import)
	return err
}

// cardNumber is how readers show a card: 4 to 10 bytes.
var cardNumber = regexp.MustCompile(`^[0-9A-Fa-f]{2}([ :-]?[0-9A-Fa-f]{2}){3,9}$`)

type cardHashCmd struct {
	storeFlags
	Site string   `arg:"" help:"Site id."`
	UID  []string `arg:"" help:"Number of the card in hexadecimal, as readers show it: 04A2B3C4 or 04:a2:b3:c4."`
}

// Run prints the hash of each card, which stands for it in site files and on the wire.
func (c cardHashCmd) Run(e *env) error {
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := knownSite(e, db, c.Site); err != nil {
		return err
	}
	salt, err := db.CardSalt(e.ctx, c.Site)
	if err != nil {
		return err
	}
	for _, uid := range c.UID {
		if !cardNumber.MatchString(uid) {
			return fmt.Errorf("%q is no card number: write 4 to 10 bytes in hexadecimal, such as 04A2B3C4", uid)
		}
		if _, err := fmt.Fprintln(e.out, wire.CardHash([]byte(salt), uid)); err != nil {
			return err
		}
	}
	return nil
}
