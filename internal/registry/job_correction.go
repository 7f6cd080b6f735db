package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// The kinds of corrections of jobs. They stand in the table of corrections and are no part of Corrections: GroupWas is
// the number of the job.
const (
	JobSaid     = "job-said"     // weight, pieces, buyer … of the job were changed
	JobWithdraw = "job-withdraw" // machine time [FromMs, ToMs) (0: it went on) that was entered does not count
	JobCut      = "job-cut"      // what a job card gave in [FromMs, ToMs) does not count
)

// CorrectJobWork stores a correction of a job's machine time in one transaction with its line of the audit log: row workID
// of the job is withdrawn (JobWithdraw), or tapped time is cut (JobCut; workID 0); instead, when not nil, is entered in
// its place. A row that is not there, or is withdrawn already, gives ErrNotFound; time that another job has, ErrBusy.
func (d *DB) CorrectJobWork(ctx context.Context, c Correction, workID int64, instead *JobWork) error {
	return d.tx(ctx, "correction of job "+c.GroupWas, func(tx *sql.Tx) error {
		if c.Kind == JobWithdraw {
			done, err := tx.ExecContext(ctx, `UPDATE job_work SET withdrawn_ms = $4, withdrawn_by = $5
				WHERE site = $1 AND job = $2 AND id = $3 AND withdrawn_ms = 0`, c.Site, c.GroupWas, workID, c.MadeMs, clean(c.Author))
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil {
				return err
			} else if n == 0 {
				return fmt.Errorf("machine time %d of job %s: %w", workID, c.GroupWas, ErrNotFound)
			}
		}
		if instead != nil {
			if _, err := insertJobWork(ctx, tx, *instead); err != nil {
				return err
			}
		}
		c, err := insertCorrection(ctx, tx, c)
		if err != nil {
			return err
		}
		detail, err := json.Marshal(struct {
			Correction
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
func (d *DB) JobCorrections(ctx context.Context, site, job string) ([]Correction, error) {
	return list(ctx, d.read, "corrections of jobs of "+site, scanCorrection,
		`SELECT `+correctionColumns+` FROM correction WHERE site = $1 AND kind LIKE 'job-%' AND ($2 = '' OR group_was = $2) ORDER BY id`, site, job)
}

func insertCorrection(ctx context.Context, tx *sql.Tx, c Correction) (Correction, error) {
	c.Author, c.Reason = clean(c.Author), clean(c.Reason)
	id, err := next(ctx, tx, "correction")
	if err != nil {
		return c, err
	}
	c.ID = id
	_, err = tx.ExecContext(ctx, `INSERT INTO correction (`+correctionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		c.ID, c.Site, c.Machine, c.Kind, c.FromMs, c.ToMs, c.AtMs, c.CardHash, c.GroupWas, c.Group, c.Reverses, c.Author, c.Reason, c.MadeMs)
	return c, err
}
