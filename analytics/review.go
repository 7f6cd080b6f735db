package analytics

import (
	"context"
	"errors"
	"fmt"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// review touches machines whose rules are not those that their stored states were made by, because settings were changed for
// the past or the program is a newer one. They are rebuilt from where the rules differ. It looks at the store only
// when the rules are others than at the last look.
func (s *Service) review(ctx context.Context) error {
	sites, err := s.o.Registry.Sites(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, site := range sites {
		if !s.holds(site.ID) {
			continue
		}
		machines, err := s.o.Registry.Machines(ctx, site.ID)
		if err != nil {
			return err
		}
		for _, x := range machines {
			if err := s.reviewMachine(ctx, x.Site, x.ID); err != nil {
				errs = append(errs, fmt.Errorf("%s/%s: %w", x.Site, x.ID, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (s *Service) reviewMachine(ctx context.Context, site, id string) error {
	s.mu.Lock()
	m := s.machine(site, id)
	if m.busy {
		s.mu.Unlock()
		return nil // its build reads the rules
	}
	if !s.held(m) {
		s.mu.Unlock()
		return nil
	}
	reviewed := m.reviewed
	s.mu.Unlock()
	src, err := s.source(ctx, &machine{site: site, id: id})
	if err != nil || src.rules.Identity() == reviewed {
		return err
	}
	from, fits, err := s.fits(ctx, src)
	if err != nil {
		return err
	}
	if !fits {
		if err := s.o.Registry.Touch(ctx, []registry.Touched{{Site: site, Machine: id, FromMs: from, ToMs: from}}); err != nil {
			return err
		}
	}
	s.mu.Lock()
	m.reviewed = src.rules.Identity()
	s.mu.Unlock()
	return nil
}

// fits reports whether the newest stored checkpoint fits the rules and no rule begins after it. Without any checkpoint there
// may be states of a first hour: they fit when there are none.
func (s *Service) fits(ctx context.Context, src *source) (fromMs int64, fits bool, err error) {
	q := tsdb.Query{
		Measurement: tsdb.MachineHour, Site: src.site, Machine: src.machine, Fields: []string{timeline.FieldCheckpoint},
		FromMs: 0, ToMs: farMs, Descending: true, Limit: 1,
	}
	found := false
	err = s.o.Store.Read(ctx, q, func(row tsdb.Row) error {
		state, _ := row.Values[0].(string)
		_, err := fold.Restore(src.rules, &output{}, row.TimeMs, state)
		found, fromMs = true, row.TimeMs
		fits = err == nil && src.rules.At(row.TimeMs) == src.rules.At(s.o.Now().UnixMilli())
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("read checkpoints: %w", err)
	}
	if found {
		return fromMs, fits, nil
	}
	newest, states, err := timeline.Newest(ctx, src.store, src.site, src.machine)
	return newest.StartMs, !states, err
}
