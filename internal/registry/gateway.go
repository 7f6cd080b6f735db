package registry

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
)

const gatewayColumns = `site, id, key_hash, status_json, online, seen_ms`

func scanGateway(row scanner) (g Gateway, err error) {
	return g, row.Scan(&g.Site, &g.ID, &g.KeyHash, &g.StatusJSON, &g.Online, &g.SeenMs)
}

// Gateways returns the gateways of a site, ordered by id.
func (d *DB) Gateways(ctx context.Context, site string) ([]Gateway, error) {
	return gateways(ctx, d.read, site)
}

func gateways(ctx context.Context, q querier, site string) ([]Gateway, error) {
	gs, err := list(ctx, q, "gateways of "+site, scanGateway, `SELECT `+gatewayColumns+` FROM gateway WHERE site = $1`, site)
	slices.SortFunc(gs, func(a, b Gateway) int { return cmp.Compare(a.ID, b.ID) })
	return gs, err
}

// Gateway returns one gateway, or ErrNotFound.
func (d *DB) Gateway(ctx context.Context, site, id string) (Gateway, error) {
	return one(ctx, d.read, "gateway "+site+"/"+id, scanGateway,
		`SELECT `+gatewayColumns+` FROM gateway WHERE site = $1 AND id = $2`, site, id)
}

// SetGatewayKey stores HashSecret of a gateway's key; "" locks the gateway out. A one-time code of the gateway becomes
// useless. ErrNotFound when the site has no such gateway.
func (d *DB) SetGatewayKey(ctx context.Context, site, id, keyHash string) error {
	what := "key of gateway " + site + "/" + id
	return d.tx(ctx, what, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM gateway_code WHERE site = $1 AND gateway = $2`, site, id); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE gateway SET key_hash = $3 WHERE site = $1 AND id = $2`, site, id, keyHash)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, ErrNotFound)
		}
		return nil
	})
}

// GatewayStatus notes what a gateway said of itself at server time seenMs. An empty statusJSON keeps the last one (a
// pack came, no status). An older seenMs never replaces a newer one. ErrNotFound when the site has no such gateway.
func (d *DB) GatewayStatus(ctx context.Context, site, id, statusJSON string, online bool, seenMs int64) error {
	return d.changeGateway(ctx, site, id, `
		UPDATE gateway SET status_json = CASE WHEN $3 = '' THEN status_json ELSE $3 END, online = $4,
			seen_ms = CASE WHEN seen_ms > $5 THEN seen_ms ELSE $5 END
		WHERE site = $1 AND id = $2`, clean(statusJSON), online, seenMs)
}

func (d *DB) changeGateway(ctx context.Context, site, id, query string, args ...any) error {
	what := "gateway " + site + "/" + id
	n, err := d.exec(ctx, what, query, append([]any{site, id}, args...)...)
	if err == nil && n == 0 {
		return fmt.Errorf("registry: %s: %w", what, ErrNotFound)
	}
	return err
}

// addGateway adds a gateway without a key; one that is there already stays as it is.
func addGateway(ctx context.Context, q querier, site, id string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO gateway (site, id) VALUES ($1, $2) ON CONFLICT (site, id) DO NOTHING`, site, id)
	if err != nil {
		return fmt.Errorf("gateway %s: %w", id, err)
	}
	return nil
}
