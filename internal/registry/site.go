package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // a small computer may come without zone files
)

// Location is the site's zone.
func (s Site) Location() (*time.Location, error) {
	loc, err := time.LoadLocation(s.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone of site %s: %w", s.ID, err)
	}
	return loc, nil
}

// CheckZone returns an error unless zone is a name of the IANA time zone database. "Local" is none: it would mean
// another time on every computer.
func CheckZone(zone string) error {
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return fmt.Errorf("unknown zone %.100q: use a name of the IANA time zone database, such as Asia/Kolkata", zone)
	}
	return nil
}

const siteColumns = `id, name_hi, name_en, zone`

func scanSite(row scanner) (s Site, err error) {
	return s, row.Scan(&s.ID, &s.Name.Hi, &s.Name.En, &s.Zone)
}

// Sites returns every site, ordered by id.
func (d *DB) Sites(ctx context.Context) ([]Site, error) {
	sites, err := list(ctx, d.read, "sites", scanSite, `SELECT `+siteColumns+` FROM site`)
	// Sorted here and not by the database: databases differ in how they order text.
	slices.SortFunc(sites, func(a, b Site) int { return cmp.Compare(a.ID, b.ID) })
	return sites, err
}

// Site returns one site, or ErrNotFound.
func (d *DB) Site(ctx context.Context, id string) (Site, error) {
	return one(ctx, d.read, "site "+id, scanSite, `SELECT `+siteColumns+` FROM site WHERE id = $1`, id)
}

func saveSite(ctx context.Context, q querier, s Site) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO site (id, name_hi, name_en, zone) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET name_hi = excluded.name_hi, name_en = excluded.name_en, zone = excluded.zone`,
		s.ID, s.Name.Hi, s.Name.En, s.Zone)
	return err
}
