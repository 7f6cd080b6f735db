package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"karkhana/internal/electricity"
)

// ErrBusy is returned when machine time of a job overlaps machine time of a job on the same machine.
var ErrBusy = errors.New("a job is on the machine at that time")

// Job is a piece of work with a number, for which machine time is counted.
type Job struct {
	Site, Number string
	Title, Buyer string
	Group        string           // whose work it is, "" when not said
	WeightG      int64            // what was worked on, 0: not weighed
	Pieces       int64            // 0: not counted
	Heat         electricity.Heat // of a furnace job; zero: not said
	Author       string           // who changed it last
	MadeMs       int64            // when it was first entered
}

// JobWork is machine time that a person entered for a job.
type JobWork struct {
	ID                 int64
	Site, Job, Machine string
	FromMs, ToMs       int64 // ToMs 0: goes on
	Author             string
	MadeMs             int64
	WithdrawnMs        int64 // 0: it counts
	WithdrawnBy        string
}

const (
	jobColumns     = `site, number, title, buyer, group_id, weight_g, pieces, metal, start_c, end_c, author, made_ms`
	jobWorkColumns = `id, site, job, machine, from_ms, to_ms, author, made_ms, withdrawn_ms, withdrawn_by`
)

func scanJob(row scanner) (j Job, err error) {
	return j, row.Scan(&j.Site, &j.Number, &j.Title, &j.Buyer, &j.Group, &j.WeightG, &j.Pieces, &j.Heat.Metal, &j.Heat.StartC, &j.Heat.EndC, &j.Author, &j.MadeMs)
}

func scanJobWork(row scanner) (w JobWork, err error) {
	return w, row.Scan(&w.ID, &w.Site, &w.Job, &w.Machine, &w.FromMs, &w.ToMs, &w.Author, &w.MadeMs, &w.WithdrawnMs, &w.WithdrawnBy)
}

// SaveJob enters a job, or changes what is said of one; MadeMs of one that is there stays. reason says why one that is
// there is changed; it is kept as a correction.
func (d *DB) SaveJob(ctx context.Context, j Job, reason string) error {
	return d.tx(ctx, "job "+j.Number+" of "+j.Site, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO job (`+jobColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (site, number) DO UPDATE SET title = excluded.title, buyer = excluded.buyer, group_id = excluded.group_id,
				weight_g = excluded.weight_g, pieces = excluded.pieces, metal = excluded.metal, start_c = excluded.start_c,
				end_c = excluded.end_c, author = excluded.author`,
			j.Site, clean(j.Number), clean(j.Title), clean(j.Buyer), j.Group, j.WeightG, j.Pieces, j.Heat.Metal, j.Heat.StartC, j.Heat.EndC, clean(j.Author), j.MadeMs)
		if err != nil || reason == "" {
			return err
		}
		_, err = insertJobCorrection(ctx, tx, JobCorrection{Site: j.Site, Job: j.Number, Kind: JobSaid, Author: j.Author, Reason: reason, MadeMs: j.MadeMs})
		return err
	})
}

// Jobs returns the jobs of a site, newest first.
func (d *DB) Jobs(ctx context.Context, site string) ([]Job, error) {
	return list(ctx, d.read, "jobs of "+site, scanJob, `SELECT `+jobColumns+` FROM job WHERE site = $1 ORDER BY made_ms DESC, number`, site)
}

// Job returns one job, or ErrNotFound.
func (d *DB) Job(ctx context.Context, site, number string) (Job, error) {
	return one(ctx, d.read, "job "+number+" of "+site, scanJob, `SELECT `+jobColumns+` FROM job WHERE site = $1 AND number = $2`, site, number)
}

// GiveJobCard lets a card stand for a job from atMs on; what it stood for before ends then. A job "" takes it from its job.
func (d *DB) GiveJobCard(ctx context.Context, site, hash, job string, atMs int64) error {
	return d.tx(ctx, "job card of "+site, func(tx *sql.Tx) error {
		if err := cardsChanged(ctx, tx, site, atMs); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE job_card SET valid_to_ms = $3 WHERE site = $1 AND hash = $2 AND valid_to_ms = 0`, site, hash, atMs); err != nil {
			return err
		}
		if job == "" {
			return nil
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO job_card (site, hash, job, valid_from_ms, valid_to_ms) VALUES ($1, $2, $3, $4, 0)
			ON CONFLICT (site, hash, valid_from_ms) DO UPDATE SET job = excluded.job, valid_to_ms = 0`, site, hash, job, atMs)
		return err
	})
}

func jobCards(ctx context.Context, q querier, site string) ([]Card, error) {
	scan := func(row scanner) (c Card, err error) {
		return c, row.Scan(&c.Site, &c.Hash, &c.Job, &c.ValidFromMs, &c.ValidTo)
	}
	return list(ctx, q, "job cards of "+site, scan, `SELECT site, hash, job, valid_from_ms, valid_to_ms FROM job_card WHERE site = $1`, site)
}

// AddJobWork stores machine time of a job and returns it with its ID. Time that overlaps what was entered for any job
// on the same machine gives ErrBusy.
func (d *DB) AddJobWork(ctx context.Context, w JobWork) (JobWork, error) {
	err := d.tx(ctx, "machine time of job "+w.Job, func(tx *sql.Tx) (err error) {
		w, err = insertJobWork(ctx, tx, w)
		return err
	})
	return w, err
}

func insertJobWork(ctx context.Context, tx *sql.Tx, w JobWork) (JobWork, error) {
	w.Author = clean(w.Author)
	if err := lock(ctx, tx, "job_work"); err != nil {
		return w, err
	}
	others, err := list(ctx, tx, "machine time of jobs", scanJobWork, `SELECT `+jobWorkColumns+` FROM job_work
		WHERE site = $1 AND machine = $2 AND withdrawn_ms = 0 AND (to_ms = 0 OR to_ms > $3) AND ($4 = 0 OR from_ms < $4)`,
		w.Site, w.Machine, w.FromMs, w.ToMs)
	if err != nil {
		return w, err
	}
	if len(others) > 0 {
		return w, fmt.Errorf("job %s: %w", others[0].Job, ErrBusy)
	}
	if w.ID, err = next(ctx, tx, "job_work"); err != nil {
		return w, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO job_work (`+jobWorkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		w.ID, w.Site, w.Job, w.Machine, w.FromMs, w.ToMs, w.Author, w.MadeMs, w.WithdrawnMs, w.WithdrawnBy)
	return w, err
}

// EndJobWork ends machine time that goes on. ErrNotFound when there is none of that id.
func (d *DB) EndJobWork(ctx context.Context, site, job string, id, atMs int64) error {
	return d.changeJobWork(ctx, id, `UPDATE job_work SET to_ms = $4
		WHERE site = $1 AND job = $2 AND id = $3 AND to_ms = 0 AND withdrawn_ms = 0 AND from_ms < $4`, site, job, id, atMs)
}

func (d *DB) changeJobWork(ctx context.Context, id int64, query string, args ...any) error {
	n, err := d.exec(ctx, "machine time of a job", query, args...)
	if err == nil && n == 0 {
		err = fmt.Errorf("registry: machine time %d of a job: %w", id, ErrNotFound)
	}
	return err
}

// JobWorks returns the machine time entered for a job ("": for any job of the site), withdrawn rows too, in the order
// it was entered.
func (d *DB) JobWorks(ctx context.Context, site, job string) ([]JobWork, error) {
	return list(ctx, d.read, "machine time of jobs of "+site, scanJobWork,
		`SELECT `+jobWorkColumns+` FROM job_work WHERE site = $1 AND ($2 = '' OR job = $2) ORDER BY id`, site, job)
}
