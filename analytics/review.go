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
		if err := s.reviewSite(ctx, site.ID); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", site.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) reviewSite(ctx context.Context, site string) error {
	machines, err := s.o.Registry.Machines(ctx, site)
	if err != nil {
		return err
	}
	rules, err := s.rulesOf(ctx, site, 0)
	if err != nil {
		return err
	}
	changed := map[string]*source{}
	for _, x := range machines {
		src := newSource(s.o.Store, site, x.ID, rules.settings[x.ID], rules.zone)
		s.mu.Lock()
		m := s.machine(site, x.ID)
		if !m.busy && s.held(m) && src.rules.Identity() != m.reviewed { // a build that is under way reads the rules
			changed[x.ID] = src
		}
		s.mu.Unlock()
	}
	if len(changed) == 0 {
		return nil
	}
	touches, err := s.misfits(ctx, site, changed)
	if err != nil {
		return err
	}
	if err := s.o.Registry.Touch(ctx, touches); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, src := range changed {
		s.machine(site, id).reviewed = src.rules.Identity()
	}
	return nil
}

// misfits returns from where machines of a site have to be rebuilt because their newest stored checkpoint does not fit the
// rules, or a rule begins after it. Without any checkpoint there may be states of a first hour: they fit when there are
// none.
func (s *Service) misfits(ctx context.Context, site string, machines map[string]*source) ([]registry.Touched, error) {
	rows, err := s.o.Store.Last(ctx, tsdb.Query{Measurement: tsdb.MachineHour, Site: site, Fields: []string{timeline.FieldCheckpoint}, ToMs: timeline.FarMs})
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	var out []registry.Touched
	touch := func(id string, ms int64) {
		out = append(out, registry.Touched{Site: site, Machine: id, FromMs: ms, ToMs: ms})
	}
	found := map[string]bool{}
	for _, row := range rows {
		src := machines[row.Machine]
		state, ok := row.Values[0].(string)
		if src == nil || !ok {
			continue
		}
		found[row.Machine] = true
		if _, err := fold.Restore(src.rules, &output{}, row.TimeMs, state); err != nil || src.rules.At(row.TimeMs) != src.rules.At(s.o.Now().UnixMilli()) {
			touch(row.Machine, row.TimeMs)
		}
	}
	if len(found) == len(machines) {
		return out, nil
	}
	rows, err = s.o.Store.Last(ctx, tsdb.Query{Measurement: tsdb.State, Site: site, Fields: []string{timeline.FieldState}, ToMs: timeline.FarMs})
	if err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	for _, row := range rows {
		src := machines[row.Machine]
		if src == nil || found[row.Machine] {
			continue
		}
		newest, states, err := timeline.Newest(ctx, src.store, site, row.Machine)
		if err != nil {
			return nil, err
		}
		if states {
			touch(row.Machine, newest.StartMs)
		}
	}
	return out, nil
}
