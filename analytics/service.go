package analytics

import (
	"cmp"
	"context"
	"errors"
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
	// reviewEvery is how often changed rules are looked for.
	reviewEvery = time.Minute
	// newFirstMs: of builds that begin in the same stretch of this length, those of a site stand together.
	newFirstMs = 600_000
	// A failed machine waits a second, then twice as long each time, up to a minute.
	leastBackOff = time.Second
	mostBackOff  = time.Minute
)

// Service keeps states and hours up to date. Create it with New and run it once.
type Service struct {
	o       Options
	metrics *metrics
	longMs  int64 // longStretchMs

	mu       sync.Mutex
	machines map[string]*machine   // by site/id
	rules    map[string]*siteRules // by site
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
	return &Service{o: o, metrics: m, longMs: longStretchMs, machines: map[string]*machine{}, rules: map[string]*siteRules{}}, nil
}

// Run looks at the list of touched stretches every Options.Every and builds them, until ctx ends; then it returns nil after
// the builds under way have ended. A machine that fails is tried again later and holds up no other one, and rebuilds hold
// up none that is live.
func (s *Service) Run(ctx context.Context) error {
	places := max(2, runtime.GOMAXPROCS(0)) // most of the time is spent waiting for the store
	live, rebuilds := make(chan struct{}, places), make(chan struct{}, places)
	reviewing, telling := make(chan struct{}, 1), make(chan struct{}, 1)
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	listed := true
	var reviewed time.Time
	holding := s.holder()
	for {
		if now := s.o.Now(); holding != s.holder() || reviewed.IsZero() || now.Sub(reviewed) >= reviewEvery {
			holding, reviewed = s.holder(), now
			unless(&running, reviewing, func() {
				if err := errors.Join(s.recall(ctx), s.review(ctx)); err != nil && ctx.Err() == nil {
					s.o.Logger.Error("could not look for changed settings of machines; trying again later", "err", err)
				}
			})
		}
		unless(&running, telling, func() { s.tell(ctx) })
		due, err := s.due(ctx)
		if err != nil && ctx.Err() == nil && listed {
			s.o.Logger.Error("could not read which machines have new samples; trying until it works", "err", err)
		}
		listed = err == nil
		goOn, near, alone := sorted(due)
		if len(near) < leastTogether {
			near, alone = nil, append(alone, near...)
		}
		for _, d := range alone {
			s.inTurn(ctx, &running, rebuilds, func() { s.work(ctx, d) })
		}
		for part := range slices.Chunk(near, rebuildMachines) {
			s.inTurn(ctx, &running, rebuilds, func() { s.workTogether(ctx, part, s.rebuildTogether) })
		}
		var batches sync.WaitGroup
		for part := range slices.Chunk(goOn, batchMachines) {
			batches.Go(func() {
				live <- struct{}{}
				s.workTogether(ctx, part, func(ctx context.Context, ds []duty) ([]*built, error) { return s.batch(ctx, ds, len(goOn)) })
				<-live
			})
		}
		batches.Wait()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sorted parts duties by how they are done: the tip goes on, a rebuild with others, a rebuild alone.
func sorted(due []duty) (goOn, near, alone []duty) {
	for _, d := range due {
		switch {
		case d.live || d.m.goesOn(d.t):
			goOn = append(goOn, d)
		case d.near():
			near = append(near, d)
		default:
			alone = append(alone, d)
		}
	}
	return goOn, near, alone
}

// inTurn runs f beside the rest as soon as one of the places is free, or not at all when ctx ends before.
func (s *Service) inTurn(ctx context.Context, running *sync.WaitGroup, places chan struct{}, f func()) {
	running.Go(func() {
		select {
		case places <- struct{}{}:
			f()
			<-places
		case <-ctx.Done():
		}
	})
}

// unless runs f beside the rest unless it still runs.
func unless(running *sync.WaitGroup, busy chan struct{}, f func()) {
	select {
	case busy <- struct{}{}:
		running.Go(func() {
			f()
			<-busy
		})
	default:
	}
}

// duty is a machine to build and its touched stretch.
type duty struct {
	m    *machine
	t    registry.Claim
	live bool // a rebuild has to wait, but the tip may go on
}

// due returns the machines that wait and may be built now, and marks them busy. Newest data first: what is live goes
// before what is late.
func (s *Service) due(ctx context.Context) ([]duty, error) {
	rows, err := s.o.Registry.ClaimTouched(ctx, s.holder())
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
		if m.busy || !s.held(m) {
			continue
		}
		if t.OwedMs != 0 {
			m.owe(t.OwedMs)
		}
		d := duty{m: m, t: t}
		if now.Before(m.notBefore) && !m.goesOn(t) {
			d.live = m.failures == 0 && m.tip != nil && t.NewestMs > m.tip.fold.LastMs()
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
	slices.SortFunc(out, func(a, b duty) int {
		return cmp.Or(cmp.Compare(b.t.FromMs/newFirstMs, a.t.FromMs/newFirstMs), cmp.Compare(a.t.Site, b.t.Site), cmp.Compare(a.t.Machine, b.t.Machine))
	})
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

// workTogether builds machines together. What can't be is worked on one by one.
func (s *Service) workTogether(ctx context.Context, ds []duty, build func(context.Context, []duty) ([]*built, error)) {
	begun := s.o.Now()
	bs, err := build(ctx, ds)
	took := s.o.Now().Sub(begun)
	s.metrics.seconds.Observe(took.Seconds())
	for i, d := range ds {
		switch {
		case err != nil:
			d.m.fail()
			s.finish(ctx, d, built{}, err, 0)
		case bs[i] == nil && d.live:
			b, err := s.alone(ctx, d)
			s.finish(ctx, d, b, err, 0)
		case bs[i] == nil:
			s.work(ctx, d)
		default:
			s.finish(ctx, d, *bs[i], nil, took/time.Duration(len(ds)))
		}
	}
}

// work builds one machine.
func (s *Service) work(ctx context.Context, d duty) {
	begun := s.o.Now()
	b, err := s.build(ctx, d.m, d.t)
	took := s.o.Now().Sub(begun)
	s.metrics.seconds.Observe(took.Seconds())
	s.finish(ctx, d, b, err, took)
}

// finish decides when a machine may be built again.
func (s *Service) finish(ctx context.Context, d duty, b built, err error, took time.Duration) {
	m, now := d.m, s.o.Now()
	if lost := s.mine(m); lost != nil && m.wroteMs != 0 {
		s.amend(ctx, m, min(m.wroteMs, d.t.FromMs), max(d.t.NewestMs, b.toMs))
		err = lost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.busy, m.wroteMs = false, 0
	if errors.Is(err, errLost) {
		return // what is remembered is forgotten with the holding
	}
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
		if now.Sub(m.notBefore) < 2*time.Second+took {
			m.again++
			rest = max(rest, min(mostRest, time.Second<<min(m.again-1, 10)))
		} else {
			m.again = 0
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
	if b.mode == modeRebuild {
		s.metrics.rebuiltS.Add(float64(max(0, b.toMs-b.fromMs)) / 1000)
	}
}
