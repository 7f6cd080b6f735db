package analytics

import (
	"context"
	"errors"
	"time"

	"karkhana/analytics/lease"
	"karkhana/internal/registry"
)

// errLost ends a build of a machine whose site is no longer this process's.
var errLost = errors.New("the site is held by another process now")

// mine returns errLost when another process may be building the machine's site.
func (s *Service) mine(m *machine) error {
	if s.o.Leases != nil && !s.o.Leases.Valid(m.site, m.grant) {
		return errLost
	}
	return nil
}

// holder is this process's name in claims.
func (s *Service) holder() string {
	if s.o.Leases == nil {
		return ""
	}
	return s.o.Leases.ID()
}

// held makes sure that what is remembered of a machine belongs to the present holding of its site, and reports
// whether there is one. The caller holds mu; the machine is not busy.
func (s *Service) held(m *machine) bool {
	if s.o.Leases == nil {
		return true
	}
	g, ok := s.o.Leases.Grant(m.site)
	if g != m.grant {
		*m = machine{site: m.site, id: m.id, doubtful: true, grant: g}
	}
	return ok
}

// holds reports whether the site is this process's now.
func (s *Service) holds(site string) bool {
	if s.o.Leases == nil {
		return true
	}
	_, ok := s.o.Leases.Grant(site)
	return ok
}

// amend touches what a build may have written after the site was taken by another process: a process that was stopped in
// the middle of a write and wakes up writes what is old by now, and checking before each write leaves a moment. Whoever
// holds the site builds the stretch once more, and what is there then is right again.
func (s *Service) amend(ctx context.Context, m *machine, fromMs, toMs int64) {
	t := []registry.Touched{{Site: m.site, Machine: m.id, FromMs: fromMs, ToMs: toMs}}
	for wait := leastBackOff; ; wait = min(2*wait, mostBackOff) {
		err := s.o.Registry.Touch(ctx, t)
		if err == nil || ctx.Err() != nil {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	s.metrics.amended.Inc()
	s.o.Logger.Warn("the site went to another process during a build; the stretch will be built there", "site", m.site, "machine", m.id, "from", fromMs, "to", toMs)
}

var _ Leases = (*lease.Keeper)(nil)
