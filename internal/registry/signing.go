package registry

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
)

// SigningKey returns the key with which the server signs what it asks of the site's gateways, and makes it on first
// use. Whoever asks first, and from how many processes, all get the same key. ErrNotFound when there is no such site.
// The key must never be logged; gateways get its public half.
func (d *DB) SigningKey(ctx context.Context, site string) (ed25519.PrivateKey, error) {
	key, err := d.signingKey(ctx, site)
	if !errors.Is(err, ErrNotFound) {
		return key, err
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, fmt.Errorf("registry: make the signing key of site %s: %w", site, err)
	}
	_, err = d.exec(ctx, "keep the signing key of site "+site, `
		INSERT INTO signing_key (site, seed, created_ms) SELECT id, $2, $3 FROM site WHERE id = $1
		ON CONFLICT (site) DO NOTHING`, site, seed, d.now().UnixMilli())
	if err != nil {
		return nil, err
	}
	return d.signingKey(ctx, site) // ours, or that of somebody who was quicker
}

func (d *DB) signingKey(ctx context.Context, site string) (ed25519.PrivateKey, error) {
	scan := func(row scanner) (seed []byte, err error) { return seed, row.Scan(&seed) }
	seed, err := one(ctx, d.read, "signing key of site "+site, scan, `SELECT seed FROM signing_key WHERE site = $1`, site)
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("registry: the signing key of site %s has %d bytes, %d are needed: restore the registry from a backup", site, len(seed), ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
