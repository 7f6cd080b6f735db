package registry

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// CardSalt returns the salt with which the site's gateways hash cards, 64 hex digits unless another was brought in by
// SetCardSalt. The first call makes it. ErrNotFound when there is no such site.
func (d *DB) CardSalt(ctx context.Context, site string) (string, error) {
	salt, err := d.keptCardSalt(ctx, d.read, site)
	if err != nil || salt != "" {
		return salt, err
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	// Who comes second takes what the first has made.
	if _, err := d.exec(ctx, "make the card salt of "+site, `UPDATE site SET card_salt = $2 WHERE id = $1 AND card_salt = ''`, site, hex.EncodeToString(b)); err != nil {
		return "", err
	}
	return d.keptCardSalt(ctx, d.write, site)
}

// KeptCardSalt is CardSalt that makes none: "" when the site has no salt yet.
func (d *DB) KeptCardSalt(ctx context.Context, site string) (string, error) {
	return d.keptCardSalt(ctx, d.read, site)
}

func (d *DB) keptCardSalt(ctx context.Context, q querier, site string) (string, error) {
	scan := func(row scanner) (salt string, err error) { return salt, row.Scan(&salt) }
	return one(ctx, q, "site "+site, scan, `SELECT card_salt FROM site WHERE id = $1`, site)
}

// SetCardSalt brings in the salt that a site's gateways already have. Cards registered with another salt are not
// recognised any more. ErrNotFound when there is no such site.
func (d *DB) SetCardSalt(ctx context.Context, site, salt, author string) error {
	if salt == "" || clean(salt) != salt {
		return errors.New("registry: set card salt: it is empty, or no text")
	}
	return d.tx(ctx, "set the card salt of "+site, func(tx *sql.Tx) error {
		before, err := d.keptCardSalt(ctx, tx, site)
		if err != nil || before == salt {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE site SET card_salt = $2 WHERE id = $1`, site, salt); err != nil {
			return err
		}
		detail, err := json.Marshal(map[string]any{"site": site, "replaced": before != ""})
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		return audit(ctx, tx, d.now().UnixMilli(), author, "card salt set", string(detail))
	})
}
