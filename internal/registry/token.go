package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// AddToken stores a bearer token; Hash is HashSecret of what the bearer holds. The role must be known, and a token of
// role group names its group.
func (d *DB) AddToken(ctx context.Context, t Token) error {
	switch {
	case t.Hash == "":
		return errors.New("registry: add token: the hash is empty")
	case !slices.Contains(Roles, t.Role):
		return fmt.Errorf("registry: add token: unknown role %q; use one of %v", t.Role, Roles)
	case (t.Role == RoleGroup) != (t.Group != ""):
		return fmt.Errorf("registry: add token: role %s with group %q: role group, and only it, names a group", t.Role, t.Group)
	}
	_, err := d.exec(ctx, "add token", `
		INSERT INTO token (hash, name, role, group_id, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6)`,
		t.Hash, clean(t.Name), string(t.Role), t.Group, t.CreatedMs, t.ExpiresMs)
	return err
}

// TokenByHash returns the token with this hash. An unknown or expired one gives ErrNotFound.
func (d *DB) TokenByHash(ctx context.Context, hash string) (Token, error) {
	scan := func(row scanner) (t Token, err error) {
		return t, row.Scan(&t.Hash, &t.Name, &t.Role, &t.Group, &t.CreatedMs, &t.ExpiresMs)
	}
	return one(ctx, d.read, "token", scan, `
		SELECT hash, name, role, group_id, created_ms, expires_ms FROM token
		WHERE hash = $1 AND (expires_ms = 0 OR expires_ms > $2)`, hash, d.now().UnixMilli())
}

// DeleteToken takes a token back at once. ErrNotFound when there is none.
func (d *DB) DeleteToken(ctx context.Context, hash string) error {
	n, err := d.exec(ctx, "delete token", `DELETE FROM token WHERE hash = $1`, hash)
	if err == nil && n == 0 {
		return fmt.Errorf("registry: delete token: %w", ErrNotFound)
	}
	return err
}
