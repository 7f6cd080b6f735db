package analytics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"karkhana/internal/registry"
)

// siteRules are the zone and the machines' settings of a site as they were at a time.
type siteRules struct {
	at       time.Time
	zone     *time.Location
	settings map[string][]registry.Settings
}

// rulesOf reads the rules of a site unless they were read no longer than age ago.
func (s *Service) rulesOf(ctx context.Context, site string, age time.Duration) (*siteRules, error) {
	now := s.o.Now()
	s.mu.Lock()
	known := s.rules[site]
	s.mu.Unlock()
	if known != nil && now.Sub(known.at) < age {
		return known, nil
	}
	zone, err := s.zone(ctx, site)
	if err != nil {
		return nil, err
	}
	settings, err := s.o.Registry.SiteSettings(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	fresh := &siteRules{at: now, zone: zone, settings: settings}
	s.mu.Lock()
	s.rules[site] = fresh
	s.mu.Unlock()
	return fresh, nil
}

func (s *Service) zone(ctx context.Context, site string) (*time.Location, error) {
	x, err := s.o.Registry.Site(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("zone of the site: %w", err)
	}
	zone, err := time.LoadLocation(x.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone of the site: %w: mend it in the site file", err)
	}
	return zone, nil
}

// sources returns what reads each of the machines, nil where the rules can't be read, as they were no longer than age
// ago. Each site is asked for once.
func (s *Service) sources(ctx context.Context, machines []*machine, age time.Duration) []*source {
	sites := map[string]*siteRules{}
	out := make([]*source, len(machines))
	for i, m := range machines {
		rules, asked := sites[m.site]
		if !asked {
			rules, _ = s.rulesOf(ctx, m.site, age) // who can't be read fails by itself and says why
			sites[m.site] = rules
		}
		if rules != nil {
			out[i] = m.sourceOf(s, rules)
		}
	}
	return out
}

// sourceOf returns the machine's source under the site's rules, the former one while nothing has changed.
func (m *machine) sourceOf(s *Service, rules *siteRules) *source {
	settings := rules.settings[m.id]
	if m.src == nil || m.src.zone.String() != rules.zone.String() || !slices.Equal(m.src.settings, settings) {
		m.src = newSource(s.o.Store, m.site, m.id, settings, rules.zone)
	}
	return m.src
}
