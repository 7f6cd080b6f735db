package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"karkhana/internal/electricity"
)

// The kinds of rows in table electricity.
const (
	kindTariff   = "tariff"
	kindEmission = "emission"
	kindMetal    = "metal"
	kindCold     = "cold-start"
)

// electricityRow is one row of table electricity; its body is comparable, so that a change is seen.
type electricityRow struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Body string `json:"body"`
}

func scanElectricity(row scanner) (e electricityRow, err error) {
	return e, row.Scan(&e.Kind, &e.ID, &e.Body)
}

// Electricity returns the site's electricity tariffs, emission factors, metals and what makes a start cold.
func (d *DB) Electricity(ctx context.Context, site string) (electricity.Config, error) {
	rows, err := electricityRows(ctx, d.read, site)
	if err != nil {
		return electricity.Config{}, err
	}
	var out electricity.Config
	for _, r := range rows {
		switch r.Kind {
		case kindTariff:
			err = appendBody(&out.Tariffs, r.Body)
		case kindEmission:
			err = appendBody(&out.Emission, r.Body)
		case kindMetal:
			err = appendBody(&out.Metals, r.Body)
		case kindCold:
			err = appendBody(&out.ColdStarts, r.Body)
		}
		if err != nil {
			return electricity.Config{}, fmt.Errorf("registry: electricity %s %s of %s: %w", r.Kind, r.ID, site, err)
		}
	}
	slices.SortFunc(out.Tariffs, func(a, b electricity.Tariff) int { return cmp.Compare(a.ValidFromMs, b.ValidFromMs) })
	slices.SortFunc(out.Emission, func(a, b electricity.Emission) int { return cmp.Compare(a.Year, b.Year) })
	slices.SortFunc(out.Metals, func(a, b electricity.Metal) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.ValidFromMs, b.ValidFromMs))
	})
	slices.SortFunc(out.ColdStarts, func(a, b electricity.ColdStart) int { return cmp.Compare(a.ValidFromMs, b.ValidFromMs) })
	return out, nil
}

func appendBody[T any](to *[]T, body string) error {
	var v T
	err := json.Unmarshal([]byte(body), &v)
	*to = append(*to, v)
	return err
}

func electricityRows(ctx context.Context, q querier, site string) ([]electricityRow, error) {
	return list(ctx, q, "electricity of "+site, scanElectricity, `SELECT kind, id, body FROM electricity WHERE site = $1`, site)
}

// applyElectricity adds and changes rows; rows that the definition leaves out stay, as those of other dated lists.
func (a *applying) applyElectricity(ctx context.Context, def SiteDefinition) error {
	old, err := electricityRows(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	type key struct{ kind, id string }
	before := index(old, func(r electricityRow) key { return key{r.Kind, r.ID} })
	save := func(kind, id string, v any) error {
		body, err := json.Marshal(v)
		if err != nil {
			return err
		}
		row := electricityRow{kind, id, string(body)}
		_, err = change(ctx, a, "electricity "+kind, id, before[key{kind, id}], row, func() error {
			_, err := a.tx.ExecContext(ctx, `
				INSERT INTO electricity (site, kind, id, body, author) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (site, kind, id) DO UPDATE SET body = excluded.body, author = excluded.author`,
				a.site, kind, id, row.Body, a.author)
			return err
		})
		if err != nil {
			return fmt.Errorf("electricity %s %s: %w", kind, id, err)
		}
		return nil
	}
	for _, t := range def.Electricity.Tariffs {
		if err := save(kindTariff, strconv.FormatInt(t.ValidFromMs, 10), t); err != nil {
			return err
		}
	}
	for _, e := range def.Electricity.Emission {
		if err := save(kindEmission, electricity.FiscalYear(e.Year), e); err != nil {
			return err
		}
	}
	for _, c := range def.Electricity.ColdStarts {
		if err := save(kindCold, strconv.FormatInt(c.ValidFromMs, 10), c); err != nil {
			return err
		}
	}
	for _, m := range def.Electricity.Metals {
		if err := save(kindMetal, m.ID+" "+strconv.FormatInt(m.ValidFromMs, 10), m); err != nil {
			return err
		}
	}
	return nil
}
