package analytics

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"karkhana/internal/registry"
)

const (
	// pace: after a rebuild of some length there is none of the machine for twice that, and for longer (a second, two,
	// four … mostRest) while data keeps pouring in behind it: a backlog must not cost a rebuild of everything each second.
	// New samples are taken by the tip meanwhile.
	pace     = 2
	mostRest = 10 * time.Second
	// reviewEvery is how often changed rules are looked for, in rounds.
	reviewEvery = 60
	// A failed machine waits a second, then twice as long each time, up to a minute.
	leastBackOff = time.Second
	mostBackOff  = time.Minute
)

// Service keeps states and hours up to date. Create it with New and run it once.
type Service struct {
	o       Options
	metrics *metrics

	mu       sync.Mutex
	machines map[string]*machine // by site/id
}

// New returns a service that does nothing yet.
func New(o Options) (*Service, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	return &Service{o: o, metrics: m, machines: map[string]*machine{}}, nil
}

// Run looks at the list of touched stretches every Options.Every and builds them, until ctx ends; then it returns nil after
// the builds under way have ended. A machine that fails is tried again later and holds up no other one, and rebuilds hold
// up none that is live.
func (s *Service) Run(ctx context.Context) error {
	live, rebuilds := make(chan struct{}, runtime.GOMAXPROCS(0)), make(chan struct{}, runtime.GOMAXPROCS(0))
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	listed := true
	for round := 0; ; round++ {
		if round%reviewEvery == 0 {
			if err := s.review(ctx); err != nil && ctx.Err() == nil {
				s.o.Logger.Error("could not look for changed settings of machines; trying again later", "err", err)
			}
		}
		due, err := s.due(ctx)
		if err != nil && ctx.Err() == nil && listed {
			s.o.Logger.Error("could not read which machines have new samples; trying until it works", "err", err)
		}
		listed = err == nil
		for _, d := range due {
			slots := rebuilds
			if d.live || d.m.goesOn(d.t) {
				slots = live
			}
			running.Go(func() {
				select {
				case slots <- struct{}{}:
					s.work(ctx, d)
					<-slots
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// duty is a machine to build and its touched stretch.
type duty struct {
	m    *machine
	t    registry.Touched
	live bool // a rebuild has to wait, but the tip may go on
}

// due returns the machines that wait and may be built now, and marks them busy. Newest data first: what is live goes
// before what is late.
func (s *Service) due(ctx context.Context) ([]duty, error) {
	rows, err := s.o.Registry.TouchedRows(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	var out []duty
	listed := map[*machine]bool{}
	lag := time.Duration(0)
	for _, t := range rows {
		m := s.machine(t.Site, t.Machine)
		listed[m] = true
		if m.waiting.IsZero() {
			m.waiting = now
		}
		lag = max(lag, now.Sub(m.waiting))
		if m.busy {
			continue
		}
		d := duty{m: m, t: t}
		if now.Before(m.notBefore) && !m.goesOn(t) {
			d.live = m.failures == 0 && m.tip != nil && t.ToMs > m.tip.fold.LastMs()
			if !d.live {
				continue
			}
		}
		m.busy = true
		out = append(out, d)
	}
	for _, m := range s.machines {
		if !listed[m] {
			m.waiting = time.Time{}
		}
	}
	s.metrics.waiting.Set(float64(len(rows)))
	s.metrics.lag.Set(lag.Seconds())
	slices.SortStableFunc(out, func(a, b duty) int { return cmp.Compare(b.t.FromMs, a.t.FromMs) })
	return out, nil
}

// machine returns what is remembered of a machine. The caller holds mu.
func (s *Service) machine(site, id string) *machine {
	key := site + "/" + id
	m := s.machines[key]
	if m == nil {
		m = &machine{site: site, id: id, doubtful: true} // who was here before may have been killed while it wrote
		s.machines[key] = m
	}
	return m
}

// work builds one machine and decides when it may be built again.
func (s *Service) work(ctx context.Context, d duty) {
	m, begun := d.m, s.o.Now()
	do := s.build
	if d.live {
		do = s.live
	}
	b, err := do(ctx, m, d.t)
	now := s.o.Now()
	took := now.Sub(begun)

	s.mu.Lock()
	defer s.mu.Unlock()
	m.busy = false
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		wait := min(mostBackOff, leastBackOff<<min(m.failures, 10))
		m.failures++
		m.notBefore = now.Add(wait)
		s.metrics.failures.Inc()
		s.o.Logger.Error("could not bring states up to date; trying again", "site", m.site, "machine", m.id, "wait", wait, "err", err)
		return
	}
	if m.failures > 0 {
		s.o.Logger.Info("states are up to date again", "site", m.site, "machine", m.id, "failures", m.failures)
		m.failures, m.notBefore = 0, time.Time{}
	}
	if b.mode == modeRebuild {
		rest := pace * took
		if d.t.FromMs == m.againMs {
			m.again++
			rest = max(rest, min(mostRest, time.Second<<min(m.again, 10)))
		} else {
			m.again, m.againMs = 0, d.t.FromMs
		}
		if b.again {
			rest = max(rest, leastBackOff)
		}
		m.notBefore = now.Add(rest)
		s.o.Logger.Debug("states rebuilt", "site", m.site, "machine", m.id, "from", b.fromMs, "samples", b.samples, "hours", b.hours, "took", took)
	}
	if !d.live {
		m.waiting = time.Time{}
	}
	s.metrics.samples.WithLabelValues(b.mode).Add(float64(b.samples))
	s.metrics.builds.WithLabelValues(b.mode).Inc()
	s.metrics.hours.Add(float64(b.hours))
	s.metrics.seconds.Observe(took.Seconds())
}
