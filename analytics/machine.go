package analytics

import (
	"context"
	"fmt"
	"time"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// machine is what the service remembers of a machine. All of it can be forgotten at any time.
type machine struct {
	site, id string

	// Owned by the goroutine that builds the machine while busy.
	tip *tip
	// After an error or a start nobody knows whether a write that was given up is still on its way: a store that stood
	// still may execute it after the one that came next, and the older state would stay. What is built then is built twice.
	doubtful bool

	// Guarded by Service.mu.
	reviewed  uint64 // identity of the rules that the stored checkpoints are known to fit
	busy      bool
	notBefore time.Time // of the next rebuild
	failures  int
	again     int       // rebuilds in a row that began with the same sample: data is pouring in
	againMs   int64     // that sample
	waiting   time.Time // on the list since; zero: not on it
}

// tip is a fold that has taken every sample up to its newest one, and what of it is stored but not final.
type tip struct {
	fold   *fold.Fold
	out    *output
	rules  uint64
	pieces map[int64]timeline.Interval
	hours  map[int64]timeline.Hour
}

// built says what a build did.
type built struct {
	mode         string
	fromMs, toMs int64 // states that may have changed
	samples      int
	hours        int
	again        bool // to be built once more
}

const (
	modeTip     = "tip"
	modeRebuild = "rebuild"
)

// build brings the machine up to date with a touched stretch.
func (s *Service) build(ctx context.Context, m *machine, t registry.Touched) (built, error) {
	src, err := s.source(ctx, m)
	if err != nil {
		return built{}, err
	}
	var b built
	if m.goesOn(t) && m.tip.rules == src.rules.Identity() {
		b, err = s.goOn(ctx, m, src, t.ToMs)
	} else {
		b, err = s.rebuild(ctx, m, src, t.FromMs, t.ToMs)
	}
	if err != nil {
		m.fail()
		return built{}, err
	}
	b.fromMs, b.toMs = min(b.fromMs, t.FromMs), max(b.toMs, t.ToMs)
	if err := s.follow(ctx, m, b); err != nil {
		return built{}, err
	}
	if m.doubtful { // the stretch stays on the list
		m.doubtful, b.again = false, true
		return b, nil
	}
	return b, s.o.Registry.TouchedDone(ctx, t)
}

// fail forgets the tip, which may know what the store does not.
func (m *machine) fail() { m.tip, m.doubtful = nil, true }

// live lets the tip go on to the newest touched sample while older ones wait for a rebuild, so that the machine's state of now is shown
// meanwhile. The stretch stays on the list.
func (s *Service) live(ctx context.Context, m *machine, t registry.Touched) (built, error) {
	src, err := s.source(ctx, m)
	if err != nil || m.tip.rules != src.rules.Identity() {
		return built{mode: modeTip}, err
	}
	b, err := s.goOn(ctx, m, src, t.ToMs)
	if err != nil {
		m.fail()
		return built{}, err
	}
	return b, s.follow(ctx, m, b)
}

func (s *Service) follow(ctx context.Context, m *machine, b built) error {
	for _, f := range s.o.Followers {
		if err := f.Rebuilt(ctx, m.site, m.id, b.fromMs, b.toMs); err != nil {
			return err
		}
	}
	return nil
}

// goesOn reports whether the stretch is newer than everything the machine's tip has taken.
func (m *machine) goesOn(t registry.Touched) bool {
	return m.tip != nil && t.FromMs > m.tip.fold.LastMs()
}

// source reads the machine's rules as they are now.
func (s *Service) source(ctx context.Context, m *machine) (*source, error) {
	site, err := s.o.Registry.Site(ctx, m.site)
	if err != nil {
		return nil, fmt.Errorf("zone of the site: %w", err)
	}
	zone, err := time.LoadLocation(site.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone of the site: %w: mend it in the site file", err)
	}
	settings, err := s.o.Registry.SettingsAt(ctx, m.site, m.id)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return newSource(s.o.Store, m.site, m.id, settings, zone), nil
}

// goOn takes the samples that are newer than the tip, up to toMs: what lies beyond has not been announced yet, and
// something older may still be on its way.
func (s *Service) goOn(ctx context.Context, m *machine, src *source, toMs int64) (built, error) {
	t := m.tip
	b := built{mode: modeTip, fromMs: toMs, toMs: toMs}
	decided := t.fold.DecidedMs()
	err := src.read(ctx, t.fold.LastMs()+1, toMs+1, func(x fold.Sample) bool {
		t.fold.Step(x)
		b.samples++
		return true
	})
	if err != nil || b.samples == 0 {
		return b, err
	}
	if decided != 0 {
		b.fromMs = decided
	}
	if err := s.write(ctx, t.changes()); err != nil {
		return b, err
	}
	return b, s.write(ctx, t.out.takeCheckpoints())
}

// changes returns what has to be written after the fold went on: what became final, and what is not final but differs from
// what is stored.
func (t *tip) changes() []tsdb.Point {
	for _, p := range t.out.pieces {
		delete(t.pieces, p.StartMs)
	}
	for _, h := range t.out.hours {
		delete(t.hours, h.StartMs)
	}
	points := t.out.take()
	t.fold.Tip(&differing{t: t})
	return append(points, t.out.take()...)
}

// differing is a sink for the tip's provisional part: it lets through what is not stored yet.
type differing struct{ t *tip }

// Piece implements fold.Sink.
func (d *differing) Piece(p timeline.Interval) {
	if stored, ok := d.t.pieces[p.StartMs]; !ok || stored != p {
		d.t.pieces[p.StartMs] = p
		d.t.out.Piece(p)
	}
}

// Hour implements fold.Sink.
func (d *differing) Hour(h timeline.Hour) {
	if stored, ok := d.t.hours[h.StartMs]; !ok || stored != h {
		d.t.hours[h.StartMs] = h
		d.t.out.Hour(h)
	}
}

// Checkpoint implements fold.Sink; a tip has none.
func (d *differing) Checkpoint(int64, string) {}
