package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// The kinds of corrections of jobs.
const (
	JobSaid     = "said"     // weight, pieces, buyer … of the job were changed
	JobWithdraw = "withdraw" // machine time [FromMs, ToMs) (0: it went on) that was entered does not count
	JobCut      = "cut"      // what a job card gave in [FromMs, ToMs) (0: until that tap ends) does not count
)

// JobCorrection is what a person changed of a job afterwards. Rows are only added.
type JobCorrection struct {
	ID           int64
	Site, Job    string
	Machine      string // "" of JobSaid
	Kind         string
	FromMs, ToMs int64
	Author       string
	Reason       string
	MadeMs       int64
}

const jobCorrectionColumns = `id, site, job, machine, kind, from_ms, to_ms, author, reason, made_ms`

func scanJobCorrection(row scanner) (c JobCorrection, err error) {
	return c, row.Scan(&c.ID, &c.Site, &c.Job, &c.Machine, &c.Kind, &c.FromMs, &c.ToMs, &c.Author, &c.Reason, &c.MadeMs)
}

// CorrectJobWork stores a correction of a job's machine time in one transaction with its line of the audit log: row workID
// of the job is withdrawn (JobWithdraw), or tapped time is cut (JobCut; workID 0); instead, when not nil, is entered in
// its place. A row that is not there, or is withdrawn already, gives ErrNotFound; time that another job has, ErrBusy.
func (d *DB) CorrectJobWork(ctx context.Context, c JobCorrection, workID int64, instead *JobWork) error {
	return d.tx(ctx, "correction of job "+c.Job, func(tx *sql.Tx) error {
		if c.Kind == JobWithdraw {
			done, err := tx.ExecContext(ctx, `UPDATE job_work SET withdrawn_ms = $4, withdrawn_by = $5
				WHERE site = $1 AND job = $2 AND id = $3 AND withdrawn_ms = 0`, c.Site, c.Job, workID, c.MadeMs, clean(c.Author))
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil {
				return err
			} else if n == 0 {
				return fmt.Errorf("machine time %d of job %s: %w", workID, c.Job, ErrNotFound)
			}
		}
		if instead != nil {
			if _, err := insertJobWork(ctx, tx, *instead); err != nil {
				return err
			}
		}
		c, err := insertJobCorrection(ctx, tx, c)
		if err != nil {
			return err
		}
		detail, err := json.Marshal(struct {
			JobCorrection
			Work    int64
			Instead *JobWork
		}{c, workID, instead})
		if err != nil {
			return err
		}
		return audit(ctx, tx, c.MadeMs, c.Author, "correct job", string(detail))
	})
}

// JobCorrections returns the corrections of a job ("": of every job of the site) in the order they were made.
func (d *DB) JobCorrections(ctx context.Context, site, job string) ([]JobCorrection, error) {
	return list(ctx, d.read, "corrections of jobs of "+site, scanJobCorrection,
		`SELECT `+jobCorrectionColumns+` FROM job_correction WHERE site = $1 AND ($2 = '' OR job = $2) ORDER BY id`, site, job)
}

func insertJobCorrection(ctx context.Context, tx *sql.Tx, c JobCorrection) (JobCorrection, error) {
	c.Author, c.Reason = clean(c.Author), clean(c.Reason)
	id, err := next(ctx, tx, "job_correction")
	if err != nil {
		return c, err
	}
	c.ID = id
	_, err = tx.ExecContext(ctx, `INSERT INTO job_correction (`+jobCorrectionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		c.ID, c.Site, c.Job, c.Machine, c.Kind, c.FromMs, c.ToMs, c.Author, c.Reason, c.MadeMs)
	return c, err
}
