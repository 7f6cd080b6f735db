package analytics

import (
	"context"
	"fmt"
	"time"

	"karkhana/analytics/fold"
	"karkhana/analytics/lease"
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
	again     int       // rebuilds in a row, each soon after the one before: data is pouring in
	waiting   time.Time // on the list since; zero: not on it

	// Owned by who has set busy, else guarded by Service.mu.
	owedMs  int64     // followers have yet to hear of changes from here on; 0: of none
	told    time.Time // when they last heard
	wroteMs int64     // the build under way has written from here on; 0: nothing
	src     *source   // what reads the machine in a batch

	grant lease.Grant // the holding of the site under which all this was remembered
}

// tip is a fold that has taken every sample up to its newest one, and what of it is stored but not final.
type tip struct {
	fold   *fold.Fold
	out    *output
	rules  uint64
	pieces map[int64]timeline.Interval
	hours  map[int64]timeline.Hour

	newestPiece pieceID
}

// pieceID tells one piece's state from another's.
type pieceID struct {
	startMs int64
	state   string
}

func newTip(f *fold.Fold, out *output, src *source) *tip {
	return &tip{fold: f, out: out, rules: src.rules.Identity(), pieces: map[int64]timeline.Interval{}, hours: map[int64]timeline.Hour{}}
}

// changed reports whether the newest piece is another than before and not just cut at an hour edge.
func (p pieceID) changed(before pieceID, zone *time.Location) bool {
	return p.state != before.state || p.startMs != before.startMs && timeline.HourFloor(p.startMs, zone) != p.startMs
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

// build brings the machine up to date with a claimed stretch.
func (s *Service) build(ctx context.Context, m *machine, t registry.Claim) (built, error) {
	src, err := s.source(ctx, m)
	if err != nil {
		return built{}, err
	}
	var b built
	if m.goesOn(t) && m.tip.rules == src.rules.Identity() {
		b, err = s.goOn(ctx, m, src, t.ToMs)
	} else {
		var again []registry.Claim
		if again, err = s.o.Registry.Reclaim(ctx, m.grant.Holder, t); err != nil {
			return built{}, err
		}
		if len(again) == 0 {
			return built{}, fmt.Errorf("claim: %w", registry.ErrNotFound)
		}
		t = again[0]
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
	if m.doubtful { // the stretch stays claimed
		m.doubtful, b.again = false, true
		return b, nil
	}
	return b, s.done(ctx, []*machine{m}, map[*machine]registry.Claim{m: t})
}

// fail forgets the tip, which may know what the store does not.
func (m *machine) fail() { m.tip, m.doubtful = nil, true }

// follow tells the followers of a build.
func (s *Service) follow(ctx context.Context, m *machine, b built) error {
	if err := s.mine(m); err != nil {
		return err
	}
	if m.owedMs != 0 {
		b.fromMs = min(b.fromMs, m.owedMs)
	}
	for _, f := range s.o.Followers {
		if err := f.Rebuilt(ctx, m.site, m.id, b.fromMs, b.toMs); err != nil {
			return err
		}
	}
	m.owedMs, m.told = 0, s.o.Now()
	return nil
}

// goesOn reports whether the stretch is newer than everything the machine's tip has taken.
func (m *machine) goesOn(t registry.Claim) bool {
	return m.tip != nil && t.FromMs > m.tip.fold.LastMs()
}

// source reads the machine's rules as they are now.
func (s *Service) source(ctx context.Context, m *machine) (*source, error) {
	zone, err := s.zone(ctx, m.site)
	if err != nil {
		return nil, err
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
	var samples []fold.Sample
	err := src.read(ctx, m.tip.fold.LastMs()+1, toMs+1, func(x fold.Sample) bool {
		samples = append(samples, x)
		return true
	})
	b := m.tip.advance(samples, toMs)
	if err != nil || b.samples == 0 {
		return b, err
	}
	if err := s.write(ctx, m, m.tip.changes()); err != nil {
		return b, err
	}
	return b, s.write(ctx, m, m.tip.out.takeCheckpoints())
}

// advance lets the fold take samples up to toMs.
func (t *tip) advance(samples []fold.Sample, toMs int64) built {
	b := built{mode: modeTip, fromMs: toMs, toMs: toMs, samples: len(samples)}
	if decided := t.fold.DecidedMs(); decided != 0 && len(samples) > 0 {
		b.fromMs = decided
	}
	for _, x := range samples {
		t.fold.Step(x)
	}
	return b
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

// differing is a sink for the tip's provisional part: it lets through what is not stored yet. What tip remembers as stored is:
// after a write that failed the tip is forgotten, and a rebuild stores everything whole.
type differing struct{ t *tip }

// Piece implements fold.Sink.
func (d *differing) Piece(p timeline.Interval) {
	d.t.newestPiece = pieceID{p.StartMs, p.State}
	stored, ok := d.t.pieces[p.StartMs]
	d.t.pieces[p.StartMs] = p
	if out := d.t.out; !ok {
		out.Piece(p)
	} else if stored != p {
		out.change(stored.Point(out.site, out.machine), p.Point(out.site, out.machine))
	}
}

// Hour implements fold.Sink.
func (d *differing) Hour(h timeline.Hour) {
	stored, ok := d.t.hours[h.StartMs]
	d.t.hours[h.StartMs] = h
	if out := d.t.out; !ok {
		out.Hour(h)
	} else if stored != h {
		out.change(stored.Point(out.site, out.machine), h.Point(out.site, out.machine))
	}
}

// Checkpoint implements fold.Sink; a tip has none.
func (d *differing) Checkpoint(int64, string) {}
