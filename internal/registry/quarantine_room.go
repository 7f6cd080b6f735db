package registry

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// QuarantineLimits bound what the quarantine holds.
type QuarantineLimits struct {
	SitePacks, SiteBytes   int64 // of each site, and of what came without a site
	TotalPacks, TotalBytes int64
	Summaries              int64 // rows of summary of each site; the oldest are made one for each reason and month
}

// DefaultQuarantineLimits hold a day of a machine's packs that nobody registered, and leave room on a small disk.
var DefaultQuarantineLimits = QuarantineLimits{
	SitePacks: 100_000, SiteBytes: 64 << 20, TotalPacks: 1_000_000, TotalBytes: 512 << 20, Summaries: 5000,
}

// LimitQuarantine sets the limits; zero fields mean the default. Call it before the DB is shared.
//
// When a site's share is full, its own oldest packs make room; when the total is full, the oldest of the site that holds
// most, so that one bad site pushes out nobody else's. Packs that make room are counted in a summary, see QuarantineSummary.
func (d *DB) LimitQuarantine(l QuarantineLimits) {
	def := DefaultQuarantineLimits
	d.quarantine = QuarantineLimits{
		SitePacks: cmp.Or(l.SitePacks, def.SitePacks), SiteBytes: cmp.Or(l.SiteBytes, def.SiteBytes),
		TotalPacks: cmp.Or(l.TotalPacks, def.TotalPacks), TotalBytes: cmp.Or(l.TotalBytes, def.TotalBytes), Summaries: cmp.Or(l.Summaries, def.Summaries),
	}
}

// QuarantineUsage is what a site's quarantine holds.
type QuarantineUsage struct {
	Site         string
	Packs, Bytes int64
}

func scanUsage(row scanner) (u QuarantineUsage, err error) {
	return u, row.Scan(&u.Site, &u.Packs, &u.Bytes)
}

// useQuarantine books packs and bytes into a site's share; negative ones out of it.
func useQuarantine(ctx context.Context, q querier, site string, packs, bytes int64) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO quarantine_usage (site, packs, bytes) VALUES ($1, $2, $3)
		ON CONFLICT (site) DO UPDATE SET packs = quarantine_usage.packs + excluded.packs, bytes = quarantine_usage.bytes + excluded.bytes`,
		site, packs, bytes)
	return err
}

// makeRoom summarises packs until the limits hold again. The caller holds the lock.
func (d *DB) makeRoom(ctx context.Context, tx querier, site string) error {
	l := d.quarantine
	own, err := one(ctx, tx, "quarantine usage", scanUsage, `SELECT site, packs, bytes FROM quarantine_usage WHERE site = $1`, site)
	if err != nil {
		return err
	}
	if err := d.summarise(ctx, tx, site, own.Packs-l.SitePacks, own.Bytes-l.SiteBytes); err != nil {
		return err
	}
	for {
		total, err := one(ctx, tx, "quarantine usage", scanUsage, `SELECT '', COALESCE(SUM(packs), 0), COALESCE(SUM(bytes), 0) FROM quarantine_usage`)
		if err != nil || total.Packs <= l.TotalPacks && total.Bytes <= l.TotalBytes {
			return err
		}
		by := `bytes`
		if total.Bytes <= l.TotalBytes {
			by = `packs`
		}
		largest, err := one(ctx, tx, "quarantine usage", scanUsage, `SELECT site, packs, bytes FROM quarantine_usage ORDER BY `+by+` DESC, site LIMIT 1`)
		if err != nil {
			return err
		}
		// A little at a time: it may not be the largest any more.
		if err := d.summarise(ctx, tx, largest.Site, min(1, total.Packs-l.TotalPacks), min(1, total.Bytes-l.TotalBytes)); err != nil {
			return err
		}
	}
}

// outgoing is a pack that makes room.
type outgoing struct {
	id, receivedMs, kept, length int64
	topic, reason, sha256        string
}

// summariseAtOnce is how many packs a statement looks at.
const summariseAtOnce = 100

// summarise takes the oldest packs of a site out until so many packs and bytes are free.
func (d *DB) summarise(ctx context.Context, tx querier, site string, packs, bytes int64) error {
	scan := func(row scanner) (o outgoing, err error) {
		return o, row.Scan(&o.id, &o.topic, &o.reason, &o.receivedMs, &o.kept, &o.length, &o.sha256)
	}
	for packs > 0 || bytes > 0 {
		rows, err := list(ctx, tx, "quarantine", scan, `
			SELECT id, topic, reason, received_ms, LENGTH(payload), length, sha256 FROM quarantine
			WHERE site = $1 ORDER BY received_ms, id LIMIT $2`, site, summariseAtOnce)
		if err != nil || len(rows) == 0 {
			return err
		}
		n := 0
		var freed int64
		for ; n < len(rows) && (packs > 0 || bytes > 0); n++ {
			packs, bytes, freed = packs-1, bytes-rows[n].kept, freed+rows[n].kept
		}
		if err := replaceBySummary(ctx, tx, site, rows[:n]); err != nil {
			return err
		}
		if err := useQuarantine(ctx, tx, site, -int64(n), -freed); err != nil {
			return err
		}
	}
	return d.boundSummaries(ctx, tx, site)
}

// replaceBySummary deletes a site's oldest packs, given in their order, and counts them in rows of summary.
func replaceBySummary(ctx context.Context, tx querier, site string, oldest []outgoing) error {
	last := oldest[len(oldest)-1]
	_, err := tx.ExecContext(ctx, `DELETE FROM quarantine WHERE site = $1 AND (received_ms < $2 OR received_ms = $2 AND id <= $3)`, site, last.receivedMs, last.id)
	if err != nil {
		return err
	}
	var sums []QuarantineSummary
	for _, o := range oldest {
		day := time.UnixMilli(o.receivedMs).UTC().Format(time.DateOnly)
		i := slices.IndexFunc(sums, func(s QuarantineSummary) bool { return s.Topic == o.topic && s.Reason == o.reason && s.Day == day })
		if i < 0 {
			i = len(sums)
			sums = append(sums, QuarantineSummary{Site: site, Topic: o.topic, Reason: o.reason, Day: day, FirstMs: o.receivedMs})
		}
		s := &sums[i]
		s.Packs, s.Bytes, s.LastMs, s.SHA256 = s.Packs+1, s.Bytes+o.length, o.receivedMs, o.sha256
	}
	for _, s := range sums {
		if err := addSummary(ctx, tx, s); err != nil {
			return err
		}
	}
	return nil
}

// QuarantineSummary is what is left of packs that had to make room: one row for each topic, reason and day (UTC).
type QuarantineSummary struct {
	Site, Topic, Reason string
	Day                 string // 2026-11-22; 2026-11 and an empty topic where rows of a month were made one
	Packs, Bytes        int64
	FirstMs, LastMs     int64  // when they were received
	SHA256              string // of one of them
}

const summaryColumns = `site, topic, reason, day, packs, bytes, first_ms, last_ms, sha256`

func scanSummary(row scanner) (s QuarantineSummary, err error) {
	return s, row.Scan(&s.Site, &s.Topic, &s.Reason, &s.Day, &s.Packs, &s.Bytes, &s.FirstMs, &s.LastMs, &s.SHA256)
}

func addSummary(ctx context.Context, q querier, s QuarantineSummary) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO quarantine_summary (`+summaryColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (site, topic, reason, day) DO UPDATE SET
			packs = quarantine_summary.packs + excluded.packs, bytes = quarantine_summary.bytes + excluded.bytes,
			first_ms = CASE WHEN quarantine_summary.first_ms < excluded.first_ms THEN quarantine_summary.first_ms ELSE excluded.first_ms END,
			last_ms = CASE WHEN quarantine_summary.last_ms > excluded.last_ms THEN quarantine_summary.last_ms ELSE excluded.last_ms END,
			sha256 = excluded.sha256`,
		s.Site, s.Topic, s.Reason, s.Day, s.Packs, s.Bytes, s.FirstMs, s.LastMs, s.SHA256)
	return err
}

// boundSummaries makes the oldest rows of a site one for each reason and month when there are too many.
func (d *DB) boundSummaries(ctx context.Context, tx querier, site string) error {
	var n int64
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM quarantine_summary WHERE site = $1 AND topic <> ''`, site).Scan(&n); err != nil || n <= d.quarantine.Summaries {
		return err
	}
	rows, err := list(ctx, tx, "quarantine summary", scanSummary, `
		SELECT `+summaryColumns+` FROM quarantine_summary WHERE site = $1 AND topic <> '' ORDER BY last_ms, topic, reason, day LIMIT $2`,
		site, n-d.quarantine.Summaries*9/10)
	if err != nil {
		return err
	}
	for _, s := range rows {
		_, err := tx.ExecContext(ctx, `DELETE FROM quarantine_summary WHERE site = $1 AND topic = $2 AND reason = $3 AND day = $4`, s.Site, s.Topic, s.Reason, s.Day)
		if err != nil {
			return err
		}
		s.Topic, s.Day = "", s.Day[:len("2026-11")]
		if err := addSummary(ctx, tx, s); err != nil {
			return err
		}
	}
	return nil
}

// QuarantineSummaries returns what is left of packs that had to make room, of a site ("" for all), newest first.
func (d *DB) QuarantineSummaries(ctx context.Context, site string, limit int) ([]QuarantineSummary, error) {
	return list(ctx, d.read, "quarantine summary of "+site, scanSummary, `
		SELECT `+summaryColumns+` FROM quarantine_summary WHERE ($1 = '' OR site = $1)
		ORDER BY last_ms DESC, site, topic, reason LIMIT $2`, site, atMost(limit))
}

// QuarantineCount is what a site's quarantine holds of one machine and reason.
type QuarantineCount struct {
	Site, Machine, Reason string
	Packs                 int64 // kept
	Bytes                 int64 // kept of them
	Cut                   int64 // of the packs: only their beginning is kept, they can't be tried again
	Waiting               int64 // of the packs: somebody asked that they be tried again
	FirstMs, LastMs       int64 // received
	Detail                string
}

// QuarantineCounts counts the packs of a site ("" for all) by machine and reason, most packs first. Detail is that of one
// of the packs.
func (d *DB) QuarantineCounts(ctx context.Context, site string) ([]QuarantineCount, error) {
	scan := func(row scanner) (c QuarantineCount, err error) {
		return c, row.Scan(&c.Site, &c.Machine, &c.Reason, &c.Packs, &c.Bytes, &c.Cut, &c.Waiting, &c.FirstMs, &c.LastMs, &c.Detail)
	}
	rows, err := list(ctx, d.read, "quarantine of "+site, scan, `
		SELECT site, machine, reason, COUNT(*), COALESCE(SUM(LENGTH(payload)), 0), SUM(CASE WHEN LENGTH(payload) < length THEN 1 ELSE 0 END),
			SUM(CASE WHEN replay_ms > 0 THEN 1 ELSE 0 END), MIN(received_ms), MAX(received_ms), MAX(detail)
		FROM quarantine WHERE ($1 = '' OR site = $1) GROUP BY site, machine, reason`, site)
	slices.SortFunc(rows, func(a, b QuarantineCount) int {
		return cmp.Or(cmp.Compare(b.Packs, a.Packs), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Reason, b.Reason))
	})
	return rows, err
}

// QuarantineTotal is what the whole quarantine holds, and what made room so far.
type QuarantineTotal struct {
	Sites, Packs, Bytes              int64
	SummarisedPacks, SummarisedBytes int64
}

// QuarantineTotals adds up the quarantine of all sites.
func (d *DB) QuarantineTotals(ctx context.Context) (t QuarantineTotal, err error) {
	scan := func(row scanner) (t QuarantineTotal, err error) {
		return t, row.Scan(&t.Sites, &t.Packs, &t.Bytes, &t.SummarisedPacks, &t.SummarisedBytes)
	}
	return one(ctx, d.read, "quarantine totals", scan, `
		SELECT (SELECT COUNT(*) FROM quarantine_usage WHERE packs > 0), (SELECT COALESCE(SUM(packs), 0) FROM quarantine_usage),
			(SELECT COALESCE(SUM(bytes), 0) FROM quarantine_usage), (SELECT COALESCE(SUM(packs), 0) FROM quarantine_summary),
			(SELECT COALESCE(SUM(bytes), 0) FROM quarantine_summary)`)
}
