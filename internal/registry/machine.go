package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"karkhana/internal/quantity"
)

// Classes lists the machine classes. Tariffs and sensor kits go by class.
var Classes = []string{"furnace", "kiln", "cutting", "polishing", "hammering", "designing", ClassMainMeter}

// Signals lists the quantities that can show a machine's state; see Settings.
// power is the mean of the gateway's window, power_max and power_min its extremes; where a pack has no extreme, the mean stands
// for it. status and status_code come from the machine's own controller.
var Signals = []string{
	quantity.Power, quantity.PowerMax, quantity.PowerMin, quantity.Current, quantity.Speed, quantity.Status, quantity.StatusCode,
}

// StatusStates lists what a value of a status signal can mean.
var StatusStates = []string{"off", "idle", "run", "unknown"}

func scanMachine(row scanner) (m Machine, err error) {
	return m, row.Scan(&m.Site, &m.ID, &m.Class, &m.Name.Hi, &m.Name.En, &m.Position, &m.RatedW)
}

// Machines returns the machines of a site in the order of pages: Position, then ID.
func (d *DB) Machines(ctx context.Context, site string) ([]Machine, error) {
	return machines(ctx, d.read, site)
}

func machines(ctx context.Context, q querier, site string) ([]Machine, error) {
	ms, err := list(ctx, q, "machines of "+site, scanMachine,
		`SELECT site, id, class, name_hi, name_en, position, rated_w FROM machine WHERE site = $1`, site)
	slices.SortFunc(ms, func(a, b Machine) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.ID, b.ID))
	})
	return ms, err
}

// MachineKnown reports whether the site has the machine.
func (d *DB) MachineKnown(ctx context.Context, site, machine string) (bool, error) {
	scan := func(row scanner) (n int64, err error) { return n, row.Scan(&n) }
	_, err := one(ctx, d.read, "machine "+site+"/"+machine, scan,
		`SELECT 1 FROM machine WHERE site = $1 AND id = $2`, site, machine)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// EachMachine calls f for every machine of every site, in no order.
func (d *DB) EachMachine(ctx context.Context, f func(MachineRef)) error {
	rows, err := d.read.QueryContext(ctx, `SELECT site, id FROM machine`)
	if err != nil {
		return fmt.Errorf("registry: read machines: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var m MachineRef
		if err := rows.Scan(&m.Site, &m.Machine); err != nil {
			return fmt.Errorf("registry: read machines: %w", err)
		}
		f(m)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("registry: read machines: %w", err)
	}
	return nil
}

func saveMachine(ctx context.Context, q querier, m Machine) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO machine (site, id, class, name_hi, name_en, position, rated_w) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (site, id) DO UPDATE SET class = excluded.class, name_hi = excluded.name_hi,
			name_en = excluded.name_en, position = excluded.position, rated_w = excluded.rated_w`,
		m.Site, m.ID, m.Class, m.Name.Hi, m.Name.En, m.Position, m.RatedW)
	if err != nil {
		return fmt.Errorf("machine %s: %w", m.ID, err)
	}
	return nil
}
