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

// GatewayHeard is that a gateway was heard at server time SeenMs, and what it said of itself; StatusJSON is empty when a pack
// came and no status.
type GatewayHeard struct {
	Site, Gateway string
	StatusJSON    string
	Online        bool
	SeenMs        int64
}

// GatewaysHeard notes what gateways said, in one transaction. An empty StatusJSON keeps the last one, an older SeenMs never
// replaces a newer one. Those that no site has are returned, and nothing is noted of them.
func (d *DB) GatewaysHeard(ctx context.Context, heard []GatewayHeard) (unknown []GatewayHeard, err error) {
	if len(heard) == 0 {
		return nil, nil
	}
	heard = slices.Clone(heard)
	slices.SortFunc(heard, func(a, b GatewayHeard) int { // one order of row locks for all
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Gateway, b.Gateway))
	})
	return unknown, d.txPrepared(ctx, "gateways heard", func(q querier) error {
		for _, h := range heard {
			res, err := q.ExecContext(ctx, `
				UPDATE gateway SET status_json = CASE WHEN $3 = '' THEN status_json ELSE $3 END, online = $4,
					seen_ms = CASE WHEN seen_ms > $5 THEN seen_ms ELSE $5 END
				WHERE site = $1 AND id = $2`, h.Site, h.Gateway, clean(h.StatusJSON), h.Online, h.SeenMs)
			if err != nil {
				return fmt.Errorf("gateway %s/%s: %w", h.Site, h.Gateway, err)
			}
			n, err := res.RowsAffected()
			if err != nil {
				return fmt.Errorf("gateway %s/%s: %w", h.Site, h.Gateway, err)
			}
			if n == 0 {
				unknown = append(unknown, h)
			}
		}
		return nil
	})
}

// addGateway adds a gateway without a key; one that is there already stays as it is.
func addGateway(ctx context.Context, q querier, site, id string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO gateway (site, id) VALUES ($1, $2) ON CONFLICT (site, id) DO NOTHING`, site, id)
	if err != nil {
		return fmt.Errorf("gateway %s: %w", id, err)
	}
	return nil
}
