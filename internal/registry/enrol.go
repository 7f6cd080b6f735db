package registry

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"karkhana/internal/wire"
)

// What keeps a code from being redeemed.
var (
	// ErrCodeWrong is returned for a code that was never made, or for which a newer one was made.
	ErrCodeWrong = errors.New("the code is wrong")
	// ErrCodeExpired is returned for a code whose time is over.
	ErrCodeExpired = errors.New("the code has expired")
	// ErrCodeUsed is returned for a code that another key has used.
	ErrCodeUsed = errors.New("the code was used already")
)

// NewGatewayCode stores the hash of a one-time code by which a gateway can join, valid for the given time. A former
// code of the gateway becomes useless. The gateway is added when the site has none of that id; its key goes on
// working until the code is redeemed. ErrNotFound when there is no such site.
func (d *DB) NewGatewayCode(ctx context.Context, site, gateway, codeHash string, life time.Duration, author string) (expiresMs int64, err error) {
	if err := wire.CheckID("gateway", gateway); err != nil {
		return 0, fmt.Errorf("registry: new gateway code: %w", err)
	}
	what := "new code of gateway " + site + "/" + gateway
	return expiresMs, d.tx(ctx, what, func(tx *sql.Tx) error {
		if _, err := one(ctx, tx, "site "+site, scanSite, `SELECT `+siteColumns+` FROM site WHERE id = $1`, site); err != nil {
			return err
		}
		nowMs := d.now().UnixMilli()
		expiresMs = nowMs + life.Milliseconds()
		added, err := tx.ExecContext(ctx, `INSERT INTO gateway (site, id) VALUES ($1, $2) ON CONFLICT (site, id) DO NOTHING`, site, gateway)
		if err != nil {
			return err
		}
		n, err := added.RowsAffected()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO gateway_code (site, gateway, hash, made_ms, expires_ms) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (site, gateway) DO UPDATE SET hash = excluded.hash, made_ms = excluded.made_ms,
				expires_ms = excluded.expires_ms, used_ms = 0, key_hash = ''`,
			site, gateway, codeHash, nowMs, expiresMs)
		if err != nil {
			return err
		}
		return auditGateway(ctx, tx, nowMs, author, "gateway code made", gatewayAudit{Site: site, Gateway: gateway, Added: n > 0, ExpiresMs: expiresMs})
	})
}

// gatewayAudit is the detail of audit rows on enrolment.
type gatewayAudit struct {
	Site      string `json:"site"`
	Gateway   string `json:"gateway"`
	Added     bool   `json:"added,omitempty"`
	ExpiresMs int64  `json:"expires_ms,omitempty"`
	Host      string `json:"host,omitempty"`
	Version   string `json:"version,omitempty"`
	Address   string `json:"address,omitempty"`
}

func auditGateway(ctx context.Context, tx *sql.Tx, nowMs int64, who, what string, detail gatewayAudit) error {
	b, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	return audit(ctx, tx, nowMs, who, what, string(b))
}

// Redeeming is a gateway that joins.
type Redeeming struct {
	CodeHash string // enrol.Code.Hash
	KeyHash  string // HashSecret of the key that the gateway made
	// For the audit log only.
	Host, Version, Address string
}

type gatewayCode struct {
	site, gateway, keyHash string
	expiresMs, usedMs      int64
}

// RedeemGatewayCode makes the gateway's key valid, in place of a former one, and returns the gateway that the code was
// made for. The same code with the same key gives the same answer until the code expires, so that a gateway whose
// answer was lost can ask again. Errors: ErrCodeWrong, ErrCodeExpired, ErrCodeUsed.
//
// The code is looked up by its hash: what the time of the look-up tells is of the hash, not of the code.
func (d *DB) RedeemGatewayCode(ctx context.Context, r Redeeming) (g Gateway, err error) {
	const what = "redeem a gateway code"
	err = d.tx(ctx, what, func(tx *sql.Tx) error {
		nowMs := d.now().UnixMilli()
		res, err := tx.ExecContext(ctx, `
			UPDATE gateway_code SET used_ms = $1, key_hash = $2 WHERE hash = $3 AND used_ms = 0 AND expires_ms > $4`,
			nowMs, r.KeyHash, r.CodeHash, nowMs)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		scan := func(row scanner) (c gatewayCode, err error) {
			return c, row.Scan(&c.site, &c.gateway, &c.expiresMs, &c.usedMs, &c.keyHash)
		}
		c, err := one(ctx, tx, "code", scan, `SELECT site, gateway, expires_ms, used_ms, key_hash FROM gateway_code WHERE hash = $1`, r.CodeHash)
		switch {
		case errors.Is(err, ErrNotFound):
			return ErrCodeWrong
		case err != nil:
			return err
		case c.expiresMs <= nowMs:
			return ErrCodeExpired
		case subtle.ConstantTimeCompare([]byte(c.keyHash), []byte(r.KeyHash)) != 1:
			return ErrCodeUsed
		}
		if n > 0 {
			if _, err := tx.ExecContext(ctx, `UPDATE gateway SET key_hash = $3 WHERE site = $1 AND id = $2`, c.site, c.gateway, r.KeyHash); err != nil {
				return err
			}
			err := auditGateway(ctx, tx, nowMs, wire.Username(c.site, c.gateway), "gateway enrolled",
				gatewayAudit{Site: c.site, Gateway: c.gateway, Host: r.Host, Version: r.Version, Address: r.Address})
			if err != nil {
				return err
			}
		}
		g, err = one(ctx, tx, "gateway", scanGateway, `SELECT `+gatewayColumns+` FROM gateway WHERE site = $1 AND id = $2`, c.site, c.gateway)
		return err
	})
	return g, err
}
