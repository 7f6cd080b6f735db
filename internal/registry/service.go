package registry

import (
	"context"
	"database/sql"
	"fmt"
)

// ServiceTask is what a site file says of one service task of a machine, on top of the kit of its class. Empty names
// and intervals of 0 leave those of the kit's task of the same id; a task that no kit has brings its own.
type ServiceTask struct {
	Site, Machine, ID string
	Name, Do          Name
	IntervalH         float64 // run-hours
	IntervalDays      int64
	Off               bool // the kit's task is not wanted on this machine
}

// ServiceDone notes that a task was done.
type ServiceDone struct {
	ID                  int64
	Site, Machine, Task string
	DoneMs              int64
	By, Note            string
	RunMs               int64 // run time counted since the time before
}

func scanServiceTask(row scanner) (t ServiceTask, err error) {
	return t, row.Scan(&t.Site, &t.Machine, &t.ID, &t.Name.Hi, &t.Name.En, &t.Do.Hi, &t.Do.En, &t.IntervalH, &t.IntervalDays, &t.Off)
}

// ServiceTasks returns what the site file says of service tasks, by machine and task.
func (d *DB) ServiceTasks(ctx context.Context, site string) ([]ServiceTask, error) {
	return serviceTasks(ctx, d.read, site)
}

func serviceTasks(ctx context.Context, q querier, site string) ([]ServiceTask, error) {
	return list(ctx, q, "service tasks of "+site, scanServiceTask, `
		SELECT site, machine, task, name_hi, name_en, do_hi, do_en, interval_h, interval_days, off
		FROM service_task WHERE site = $1 ORDER BY machine, task`, site)
}

// AddServiceDone notes that a task was done and returns the row with its ID.
func (d *DB) AddServiceDone(ctx context.Context, s ServiceDone) (ServiceDone, error) {
	s.By, s.Note = clean(s.By), clean(s.Note)
	err := d.tx(ctx, "service "+s.Task+" of "+s.Site+"/"+s.Machine+" done", func(tx *sql.Tx) error {
		id, err := next(ctx, tx, "service")
		if err != nil {
			return err
		}
		s.ID = id
		_, err = tx.ExecContext(ctx, `
			INSERT INTO service_done (id, site, machine, task, done_ms, by_name, note, run_ms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, s.ID, s.Site, s.Machine, s.Task, s.DoneMs, s.By, s.Note, s.RunMs)
		return err
	})
	return s, err
}

// ServicesDone returns for each task of the site when it was done last.
func (d *DB) ServicesDone(ctx context.Context, site string) ([]ServiceDone, error) {
	return list(ctx, d.read, "services done at "+site, func(row scanner) (s ServiceDone, err error) {
		return s, row.Scan(&s.ID, &s.Site, &s.Machine, &s.Task, &s.DoneMs, &s.By, &s.Note, &s.RunMs)
	}, `
		SELECT id, site, machine, task, done_ms, by_name, note, run_ms FROM service_done AS a
		WHERE site = $1 AND NOT EXISTS (SELECT 1 FROM service_done AS b
			WHERE b.site = a.site AND b.machine = a.machine AND b.task = a.task
				AND (b.done_ms > a.done_ms OR (b.done_ms = a.done_ms AND b.id > a.id)))
		ORDER BY machine, task`, site)
}

// applyServices brings the service tasks of the machines named in line with the definition: the list of a machine is
// complete, a task left out falls back to the kit's.
func (a *applying) applyServices(ctx context.Context, def SiteDefinition) error {
	old, err := serviceTasks(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	type key struct{ machine, task string }
	before := index(old, func(t ServiceTask) key { return key{t.Machine, t.ID} })
	for _, md := range def.Machines {
		named := map[string]bool{}
		for _, t := range md.Services {
			t.Site, t.Machine = a.site, md.Machine.ID
			named[t.ID] = true
			if _, err := change(ctx, a, "service task", t.Machine+"."+t.ID, before[key{t.Machine, t.ID}], t, func() error {
				return saveServiceTask(ctx, a.tx, t)
			}); err != nil {
				return err
			}
		}
		for _, t := range old {
			if t.Machine != md.Machine.ID || named[t.ID] {
				continue
			}
			if _, err := a.tx.ExecContext(ctx, `DELETE FROM service_task WHERE site = $1 AND machine = $2 AND task = $3`,
				a.site, t.Machine, t.ID); err != nil {
				return fmt.Errorf("service task %s of %s: %w", t.ID, t.Machine, err)
			}
			if err := audit(ctx, a.tx, a.nowMs, a.author, "service task back to the kit's", a.site+" "+t.Machine+"."+t.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func saveServiceTask(ctx context.Context, q querier, t ServiceTask) error {
	_, err := q.ExecContext(ctx, `
		INSERT INTO service_task (site, machine, task, name_hi, name_en, do_hi, do_en, interval_h, interval_days, off)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (site, machine, task) DO UPDATE SET name_hi = excluded.name_hi, name_en = excluded.name_en,
			do_hi = excluded.do_hi, do_en = excluded.do_en, interval_h = excluded.interval_h,
			interval_days = excluded.interval_days, off = excluded.off`,
		t.Site, t.Machine, t.ID, t.Name.Hi, t.Name.En, t.Do.Hi, t.Do.En, t.IntervalH, t.IntervalDays, t.Off)
	if err != nil {
		return fmt.Errorf("service task %s of %s: %w", t.ID, t.Machine, err)
	}
	return nil
}
