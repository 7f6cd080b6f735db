package registry

import "context"

// Unbuilt returns the stretches of a site's machines whose samples are stored and not yet worked into states: those that wait
// and those that are being built.
func (d *DB) Unbuilt(ctx context.Context, site string) ([]Touched, error) {
	if err := d.mergeLog(ctx); err != nil {
		return nil, err
	}
	scan := func(row scanner) (t Touched, err error) {
		return t, row.Scan(&t.Site, &t.Machine, &t.FromMs, &t.ToMs, &t.Version)
	}
	rows, err := list(ctx, d.read, "stretches to be built of "+site, scan, `SELECT site, machine, from_ms, to_ms, version FROM (
			SELECT site, machine, from_ms, to_ms, version FROM touched WHERE pending AND site = $1
			UNION ALL SELECT site, machine, claim_from_ms, claim_to_ms, claim_version FROM touched WHERE claim_version <> 0 AND site = $1
		) AS unbuilt`, site)
	sortTouched(rows)
	return rows, err
}
