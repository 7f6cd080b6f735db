package upgrade

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"karkhana/firmware-gateway/health"
)

// Health says whether a gateway that was just started does what the one before it did. It reads the report that the
// gateway leaves in its runtime directory.
type Health struct {
	File   string                      // the report
	Up     func() (int64, error)       // milliseconds since boot
	Active func(context.Context) error // nil: the service is active

	machines []string // those that gave values before
	sinceMs  int64    // reports of gateways that were started before do not count
	pid      int
}

// Remember notes which machines give values now. It fails when no gateway runs that a new one could be held against.
func (h *Health) Remember(ctx context.Context) error {
	up, err := h.Up()
	if err != nil {
		return err
	}
	if err := h.Active(ctx); err != nil {
		return fmt.Errorf("no gateway runs that the new one could be held against, install the package with apt instead: %w", err)
	}
	r, err := health.ReadReport(h.File)
	if err != nil {
		return fmt.Errorf("the running gateway does not report, install the package with apt instead: %w", err)
	}
	h.machines = nil
	for _, m := range r.Machines {
		if m.Fresh() && up-r.UpMs <= reportAge {
			h.machines = append(h.machines, m.ID)
		}
	}
	return nil
}

// Restarting says that what is reported from now on comes from another process.
func (h *Health) Restarting() (err error) {
	h.pid = 0
	h.sinceMs, err = h.Up()
	return err
}

// reportAge is how old a report may be, ms.
const reportAge = 3 * int64(health.WriteEvery/1e6)

// Check returns why the new gateway is not healthy: the service is active, the same process as at the last question,
// every machine that gave values before gives them again, and the queue takes them.
func (h *Health) Check(ctx context.Context) error {
	if err := h.Active(ctx); err != nil {
		return err
	}
	r, err := health.ReadReport(h.File)
	if err != nil {
		return err
	}
	up, err := h.Up()
	if err != nil {
		return err
	}
	switch {
	case r.StartedMs < h.sinceMs:
		return errors.New("it has not reported yet")
	case up-r.UpMs > reportAge:
		return errors.New("it no longer reports")
	case r.PID != h.pid:
		h.pid = r.PID
		return errors.New("it has only just started")
	case r.Spool.Failing != "":
		return fmt.Errorf("the queue can't be written: %s", r.Spool.Failing)
	}
	fresh := map[string]bool{}
	for _, m := range r.Machines {
		fresh[m.ID] = m.Fresh()
	}
	var silent []string
	for _, id := range h.machines {
		if !fresh[id] {
			silent = append(silent, id)
		}
	}
	if len(silent) > 0 {
		return fmt.Errorf("no values from %s", strings.Join(silent, ", "))
	}
	if len(h.machines) > 0 && r.Spool.Syncs == 0 {
		return errors.New("nothing was written into the queue yet")
	}
	return nil
}

// restarting is a service whose reports from before a restart do not count.
type restarting struct {
	Service
	health *Health
}

func (r restarting) Restart(ctx context.Context) error {
	if err := r.health.Restarting(); err != nil {
		return err
	}
	return r.Service.Restart(ctx)
}

// Restarts returns s, with h told of each restart.
func (h *Health) Restarts(s Service) Service { return restarting{s, h} }
