package analytics

import (
	"context"
	"errors"
	"slices"
	"time"

	"karkhana/internal/registry"
)

// tellsPerSecond bounds how often followers are called for machines that simply go on. With no more machines than that
// they are called at every build.
const tellsPerSecond = 50

// tellEvery is how long followers of a machine that simply goes on wait, so that they are not asked too much.
func (s *Service) tellEvery() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.machines); n > tellsPerSecond {
		return time.Duration(n) * time.Second / tellsPerSecond
	}
	return 0
}

// owe notes that followers have yet to hear of changes from fromMs on.
func (m *machine) owe(fromMs int64) {
	if m.owedMs == 0 || fromMs < m.owedMs {
		m.owedMs = fromMs
	}
}

// done takes claims off the list and stores what is owed of their machines with that, so that it outlives the process.
func (s *Service) done(ctx context.Context, machines []*machine, claims map[*machine]registry.Claim) error {
	byHolder := map[string][]registry.Claim{}
	for _, m := range machines {
		c := claims[m]
		c.OwedMs = m.owedMs
		byHolder[m.grant.Holder] = append(byHolder[m.grant.Holder], c)
	}
	for holder, c := range byHolder {
		if err := s.o.Registry.ClaimsDone(ctx, holder, c...); err != nil {
			return err
		}
	}
	return nil
}

// recall takes what is owed from the registry: this process may have just begun, and the machine may send nothing more.
func (s *Service) recall(ctx context.Context) error {
	rows, err := s.o.Registry.OwedRows(ctx, s.holder())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range rows {
		if m := s.machine(c.Site, c.Machine); !m.busy && s.held(m) {
			m.owe(c.OwedMs)
		}
	}
	return nil
}

// tell lets followers hear of machines of which changes are owed, a bounded number of them, those first that have waited
// longest.
func (s *Service) tell(ctx context.Context) {
	machines := s.owed()
	told := map[string][]registry.Claim{}
	for _, m := range machines {
		b := built{fromMs: m.owedMs, toMs: m.owedMs}
		if m.tip != nil {
			b.toMs = max(b.toMs, m.tip.fold.LastMs())
		}
		if err := s.follow(ctx, m, b); err != nil {
			if ctx.Err() == nil && !errors.Is(err, errLost) {
				s.metrics.failures.Inc()
				s.o.Logger.Error("could not bring sessions and gaps up to date; trying again", "site", m.site, "machine", m.id, "err", err)
			}
			continue
		}
		told[m.grant.Holder] = append(told[m.grant.Holder], registry.Claim{Site: m.site, Machine: m.id, OwedMs: b.fromMs})
	}
	for holder, c := range told {
		if err := s.o.Registry.OwedDone(ctx, holder, c...); err != nil && ctx.Err() == nil {
			s.o.Logger.Warn("could not note that sessions and gaps are up to date; they are looked at again", "err", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range machines {
		m.busy = false
		m.told = s.o.Now() // also after a failure: it is tried again in its turn
	}
}

// owed returns the machines whose turn it is and marks them busy.
func (s *Service) owed() []*machine {
	every := max(s.tellEvery(), leastBackOff)
	s.mu.Lock()
	defer s.mu.Unlock()
	now, n := s.o.Now(), 0
	var out []*machine
	for _, m := range s.machines {
		if m.busy || !s.held(m) || m.owedMs == 0 {
			continue
		}
		n++
		if now.Sub(m.told) >= every {
			out = append(out, m)
		}
	}
	s.metrics.owed.Set(float64(n))
	slices.SortFunc(out, func(a, b *machine) int { return a.told.Compare(b.told) })
	out = out[:min(len(out), max(1, int(tellsPerSecond*s.o.Every/time.Second)))]
	for _, m := range out {
		m.busy = true
	}
	return out
}
