package registry

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// MachineBoot says that a gateway sampled a machine in one of its boots from FromMs on, the oldest sample of that boot.
type MachineBoot struct {
	Site, Machine, Gateway, Boot string
	FromMs                       int64
}

// Kinds of GatewayEvent.
const (
	GatewayOnline     = "online"      // heard again
	GatewayLost       = "lost"        // the broker noticed that it was gone
	GatewayStopped    = "stopped"     // it said that it stops
	GatewaySupplyLost = "supply-lost" // its status says that the mains are out
	GatewaySupplyBack = "supply-back"
)

// GatewayEvent is a change of what is known of a gateway. AtMs is the gateway's own time where it gave one, else the
// server's.
type GatewayEvent struct {
	Site, Gateway string
	AtMs          int64
	Kind          string
}

// What is kept of the past: bounded, whatever gateways do.
const (
	bootsKept  = 200  // for each machine
	eventsKept = 2000 // for each gateway
)

// NoteBoots notes boots, in one transaction; of a boot already noted the earliest time stays. Only the newest boots of a machine are kept.
func (d *DB) NoteBoots(ctx context.Context, boots []MachineBoot) error {
	if len(boots) == 0 {
		return nil
	}
	boots = slices.Clone(boots)
	for i := range boots {
		boots[i].Boot = clean(boots[i].Boot)
	}
	byKey := func(a, b MachineBoot) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Boot, b.Boot))
	}
	slices.SortFunc(boots, func(a, b MachineBoot) int { // one order of row locks for all
		return cmp.Or(byKey(a, b), cmp.Compare(a.FromMs, b.FromMs))
	})
	boots = slices.CompactFunc(boots, func(a, b MachineBoot) bool { return byKey(a, b) == 0 }) // a statement may touch a row only once
	return d.txPrepared(ctx, "note boots", func(q querier) error {
		for n := touchRows; len(boots) > 0; boots = boots[n:] {
			for n > len(boots) {
				n /= 2 // as in touch
			}
			args := make([]any, 0, 5*n)
			for _, b := range boots[:n] {
				args = append(args, b.Site, b.Machine, b.Gateway, b.Boot, b.FromMs)
			}
			scan := func(row scanner) (m MachineRef, err error) { return m, row.Scan(&m.Site, &m.Machine) }
			changed, err := list(ctx, q, "boots", scan, bootQueries[n], args...) // none that is known: of another ingest, or from before a restart
			if err != nil {
				return err
			}
			for _, m := range changed {
				_, err = q.ExecContext(ctx, `
					DELETE FROM machine_boot WHERE site = $1 AND machine = $2 AND from_ms <
						(SELECT from_ms FROM machine_boot WHERE site = $1 AND machine = $2 ORDER BY from_ms DESC LIMIT 1 OFFSET $3)`,
					m.Site, m.Machine, bootsKept-1)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// bootQueries are the statements by number of rows.
var bootQueries = byRows(func(n int) string {
	return `INSERT INTO machine_boot (site, machine, gateway, boot, from_ms) VALUES ` + valueRows(n, 1, 5, `($%d, $%d, $%d, $%d, $%d)`) + `
		ON CONFLICT (site, machine, gateway, boot) DO UPDATE SET from_ms = excluded.from_ms
			WHERE excluded.from_ms < machine_boot.from_ms
		RETURNING site, machine`
})

// MachineBoots returns the boots of all machines of a site that began before toMs, ascending by start.
func (d *DB) MachineBoots(ctx context.Context, site string, toMs int64) ([]MachineBoot, error) {
	scan := func(row scanner) (b MachineBoot, err error) {
		return b, row.Scan(&b.Site, &b.Machine, &b.Gateway, &b.Boot, &b.FromMs)
	}
	b, err := list(ctx, d.read, "boots of "+site, scan,
		`SELECT site, machine, gateway, boot, from_ms FROM machine_boot WHERE site = $1 AND from_ms < $2`, site, toMs)
	slices.SortFunc(b, func(a, b MachineBoot) int {
		return cmp.Or(cmp.Compare(a.FromMs, b.FromMs), cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Boot, b.Boot))
	})
	return b, err
}

// MachineGateways returns the gateway of the newest boot of each machine of a site, by machine: the one that reads it.
// A machine that was never sampled is left out.
func (d *DB) MachineGateways(ctx context.Context, site string) (map[string]string, error) {
	scan := func(row scanner) (b MachineBoot, err error) { return b, row.Scan(&b.Machine, &b.Gateway) }
	newest, err := list(ctx, d.read, "gateways of the machines of "+site, scan, `
		SELECT b.machine, b.gateway FROM machine_boot b
		JOIN (SELECT machine, MAX(from_ms) AS from_ms FROM machine_boot WHERE site = $1 GROUP BY machine) n
			ON n.machine = b.machine AND n.from_ms = b.from_ms
		WHERE b.site = $1 ORDER BY b.gateway`, site)
	out := make(map[string]string, len(newest))
	for _, b := range newest {
		out[b.Machine] = b.Gateway
	}
	return out, err
}

// NoteGatewayEvent notes an event unless the gateway's newest one of the same subject (link or supply) before it says the
// same; a farewell is a fact of its own, whatever came before. Only the newest events of a gateway are kept.
func (d *DB) NoteGatewayEvent(ctx context.Context, e GatewayEvent) error {
	subject := []any{GatewayOnline, GatewayLost, GatewayStopped}
	if e.Kind == GatewaySupplyLost || e.Kind == GatewaySupplyBack {
		subject = []any{GatewaySupplyLost, GatewaySupplyBack, GatewaySupplyBack}
	}
	return d.tx(ctx, fmt.Sprintf("note %s of gateway %s/%s", e.Kind, e.Site, e.Gateway), func(tx *sql.Tx) error {
		var newest string
		err := tx.QueryRowContext(ctx, `
			SELECT kind FROM gateway_event WHERE site = $1 AND gateway = $2 AND at_ms <= $3 AND kind IN ($4, $5, $6)
			ORDER BY at_ms DESC, kind LIMIT 1`, append([]any{e.Site, e.Gateway, e.AtMs}, subject...)...).Scan(&newest)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if newest == e.Kind && e.Kind != GatewayStopped {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO gateway_event (site, gateway, at_ms, kind) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, gateway, at_ms, kind) DO NOTHING`, e.Site, e.Gateway, e.AtMs, e.Kind)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			DELETE FROM gateway_event WHERE site = $1 AND gateway = $2 AND at_ms <
				(SELECT at_ms FROM gateway_event WHERE site = $1 AND gateway = $2 ORDER BY at_ms DESC LIMIT 1 OFFSET $3)`,
			e.Site, e.Gateway, eventsKept-1)
		return err
	})
}

// GatewayEvents returns the events of a site's gateways in [fromMs, toMs), ascending by time.
func (d *DB) GatewayEvents(ctx context.Context, site string, fromMs, toMs int64) ([]GatewayEvent, error) {
	scan := func(row scanner) (e GatewayEvent, err error) {
		return e, row.Scan(&e.Site, &e.Gateway, &e.AtMs, &e.Kind)
	}
	events, err := list(ctx, d.read, "events of "+site, scan,
		`SELECT site, gateway, at_ms, kind FROM gateway_event WHERE site = $1 AND at_ms >= $2 AND at_ms < $3`, site, fromMs, toMs)
	slices.SortFunc(events, func(a, b GatewayEvent) int {
		return cmp.Or(cmp.Compare(a.AtMs, b.AtMs), cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Kind, b.Kind))
	})
	return events, err
}
