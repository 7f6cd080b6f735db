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

const (
	// rebuildMachines is how many machines are rebuilt together, and leastTogether from how many on that is worth it. What
	// one batch holds in memory is bounded by rebuildBackMs of pieces of so many machines.
	rebuildMachines = 400
	leastTogether   = 8
	// rebuildBackMs: a stretch that begins further before the newest sample is rebuilt by itself, where the rebuild may end
	// long before the newest sample.
	rebuildBackMs = 2 * timeline.HourMs
)

// near reports whether the rebuild of a duty reaches back so little that it is done with others. After a failure a machine
// goes alone, so that it fails no other one.
func (d duty) near() bool {
	newest := d.t.NewestMs
	if d.m.tip != nil {
		newest = max(newest, d.m.tip.fold.LastMs())
	}
	return newest-d.t.FromMs <= rebuildBackMs && d.m.failures == 0
}

// restarted is a machine of a batch of rebuilds. It is the sink of its fold.
type restarted struct {
	duty
	src    *source
	out    *output
	fold   *fold.Fold // nil: not in the batch, the ordinary way
	edge   int64      // of the checkpoint; samples from here on are read
	cut    int64      // pieces with a start before it stay as they are
	starts map[int64]bool
	tapped bool
	built  built
}

// Piece implements fold.Sink.
func (r *restarted) Piece(p timeline.Interval) {
	r.starts[p.StartMs] = true
	r.out.Piece(p)
}

// Hour implements fold.Sink.
func (r *restarted) Hour(h timeline.Hour) { r.out.Hour(h) }

// Checkpoint implements fold.Sink.
func (r *restarted) Checkpoint(hourMs int64, state string) { r.out.Checkpoint(hourMs, state) }

// rebuildTogether does what rebuild does for many machines: each from its last checkpoint up to its newest sample, with a few
// requests for all of them. What was done comes back in the order of ds, nil where a machine has to go the ordinary way.
func (s *Service) rebuildTogether(ctx context.Context, ds []duty) ([]*built, error) {
	rs, err := s.reclaim(ctx, ds)
	if err != nil {
		return nil, err
	}
	if err := s.restore(ctx, rs); err != nil {
		return nil, err
	}
	if err := s.refold(ctx, rs); err != nil {
		return nil, err
	}
	var points, checkpoints []tsdb.Point
	for _, r := range rs {
		if r.fold == nil {
			continue
		}
		if s.mine(r.m) != nil {
			r.fold = nil // work will find out by itself
			continue
		}
		r.m.noteWritten(r.cut)
		r.m.tip = newTip(r.fold, r.out, r.src)
		r.fold.Tip(&differing{t: r.m.tip})
		for start := range r.m.tip.pieces {
			r.starts[start] = true
		}
		points = append(points, r.out.take()...)
		r.built.toMs, r.built.hours = r.fold.LastMs(), len(r.out.checkpoints)
		checkpoints = append(checkpoints, r.out.takeCheckpoints()...)
		r.fold.SetSink(r.out)
	}
	if err := s.writeAll(ctx, points); err != nil {
		return nil, err
	}
	if points, err = s.vanished(ctx, rs); err != nil {
		return nil, err
	}
	for _, p := range [][]tsdb.Point{points, checkpoints} {
		if err := s.writeAll(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := s.finishRebuilds(ctx, rs); err != nil {
		return nil, err
	}
	out := make([]*built, len(rs))
	for i, r := range rs {
		if r.fold != nil {
			out[i] = &r.built
		}
	}
	return out, nil
}

// reclaim takes along what was touched since the claims and reads the rules.
func (s *Service) reclaim(ctx context.Context, ds []duty) ([]*restarted, error) {
	rs := make([]*restarted, len(ds))
	machines := make([]*machine, len(ds))
	claims := map[string][]registry.Claim{}
	at := map[machineID]*restarted{}
	for i, d := range ds {
		machines[i] = d.m
		rs[i] = &restarted{duty: d, out: &output{site: d.m.site, machine: d.m.id}, starts: map[int64]bool{}, built: built{mode: modeRebuild}}
		claims[d.m.grant.Holder] = append(claims[d.m.grant.Holder], d.t)
		at[machineID{d.m.site, d.m.id}] = rs[i]
	}
	s.mu.Lock()
	all := len(s.machines)
	s.mu.Unlock()
	sources := s.sources(ctx, machines, rulesAge(all))
	for holder, c := range claims {
		now, err := s.o.Registry.Reclaim(ctx, holder, c...)
		if err != nil {
			return nil, err
		}
		for _, t := range now {
			at[machineID{t.Site, t.Machine}].t = t
			delete(at, machineID{t.Site, t.Machine})
		}
	}
	for i, r := range rs {
		if _, lost := at[machineID{r.m.site, r.m.id}]; !lost && sources[i] != nil && len(sources[i].texts) == 0 {
			r.src = sources[i]
		}
	}
	return rs, nil
}

type machineID struct{ site, machine string }

// restore makes the folds from the newest checkpoints at or before the hours of the stretches. A machine whose checkpoint
// does not fit the rules goes the ordinary way.
func (s *Service) restore(ctx context.Context, rs []*restarted) error {
	type key struct {
		site string
		hour int64
	}
	want := map[key]map[string]*restarted{}
	var keys []key
	for _, r := range rs {
		if r.src == nil {
			continue
		}
		k := key{r.m.site, timeline.HourFloor(r.t.FromMs, r.src.rules.Zone())}
		if want[k] == nil {
			want[k] = map[string]*restarted{}
			keys = append(keys, k)
		}
		want[k][r.m.id] = r
	}
	take := func(machines map[string]*restarted, row tsdb.Row) {
		r := machines[row.Machine]
		state, ok := row.Values[0].(string)
		if r == nil || !ok {
			return
		}
		delete(machines, row.Machine)
		if f, err := fold.Restore(r.src.rules, r, row.TimeMs, state); err == nil {
			r.fold, r.edge = f, row.TimeMs
		}
	}
	queries := make([]tsdb.SiteQuery, len(keys)) // the usual case: there is one at the hour itself
	for i, k := range keys {
		queries[i] = tsdb.SiteQuery{Measurement: tsdb.MachineHour, Site: k.site, Fields: []string{timeline.FieldCheckpoint}, FromMs: k.hour, ToMs: k.hour + 1}
		for id := range want[k] {
			queries[i].Machines = append(queries[i].Machines, id)
		}
	}
	err := tsdb.ReadSites(ctx, s.o.Store, queries, func(i int, row tsdb.Row) error {
		take(want[keys[i]], row)
		return nil
	})
	for _, k := range keys {
		if err != nil {
			return fmt.Errorf("read checkpoints: %w", err)
		}
		if len(want[k]) == 0 {
			continue
		}
		var rows []tsdb.Row
		rows, err = s.o.Store.Last(ctx, tsdb.Query{
			Measurement: tsdb.MachineHour, Site: k.site, Fields: []string{timeline.FieldCheckpoint}, FromMs: 0, ToMs: k.hour,
		})
		for _, row := range rows {
			take(want[k], row)
		}
		for _, r := range want[k] {
			r.fold = fold.New(r.src.rules, r)
		}
	}
	if err != nil {
		return fmt.Errorf("read checkpoints: %w", err)
	}
	return nil
}

// refold lets the folds take all samples from their checkpoints on.
func (s *Service) refold(ctx context.Context, rs []*restarted) error {
	var readings []*reading
	of := map[*reading]*restarted{}
	for _, r := range rs {
		if r.fold == nil {
			continue
		}
		r.cut = r.fold.DecidedMs()
		if r.built.fromMs = r.cut; r.cut == 0 {
			r.built.fromMs = r.t.FromMs
		}
		x := &reading{src: r.src, fromMs: r.edge, toMs: timeline.FarMs, group: r.edge, fn: func(x fold.Sample) error {
			r.fold.Step(x)
			r.built.samples++
			if len(r.out.pieces)+len(r.out.hours) < writeBatch {
				return nil
			}
			return s.write(ctx, r.m, r.out.take())
		}}
		of[x] = r
		readings = append(readings, x)
	}
	err := readTogether(ctx, s.o.Store, readings)
	for x, r := range of {
		r.tapped = x.tapped
	}
	if err != nil && !errors.Is(err, errLost) {
		err = fmt.Errorf("read samples: %w", err)
	}
	return err
}

// vanished returns void points for the stored pieces that are not among the new ones.
func (s *Service) vanished(ctx context.Context, rs []*restarted) ([]tsdb.Point, error) {
	type key struct {
		site string
		hour int64
	}
	at := map[key]int{}
	var queries []tsdb.SiteQuery
	var machines []map[string]*restarted
	for _, r := range rs {
		if r.fold == nil {
			continue
		}
		k := key{r.m.site, timeline.HourFloor(r.cut, r.src.rules.Zone())}
		i, ok := at[k]
		if !ok {
			i = len(queries)
			at[k] = i
			queries = append(queries, tsdb.SiteQuery{Measurement: tsdb.State, Site: k.site, Fields: []string{timeline.FieldState}, FromMs: r.cut, ToMs: timeline.FarMs})
			machines = append(machines, map[string]*restarted{})
		}
		queries[i].FromMs = min(queries[i].FromMs, r.cut)
		queries[i].Machines = append(queries[i].Machines, r.m.id)
		machines[i][r.m.id] = r
	}
	var points []tsdb.Point
	err := tsdb.ReadSites(ctx, s.o.Store, queries, func(i int, row tsdb.Row) error {
		r := machines[i][row.Machine]
		if r == nil || row.TimeMs < r.cut || r.starts[row.TimeMs] || row.Values[0] == timeline.StateVoid {
			return nil
		}
		points = append(points, timeline.Interval{State: timeline.StateVoid, StartMs: row.TimeMs, EndMs: row.TimeMs}.Point(r.m.site, r.m.id))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read pieces: %w", err)
	}
	return points, nil
}

// finishRebuilds tells or owes the followers and takes the claims off the list, but for machines that are built once more.
// Of a machine that was rebuilt because this process has just begun, most is as it was: its followers hear by turns.
func (s *Service) finishRebuilds(ctx context.Context, rs []*restarted) error {
	var done []*machine
	claims := map[*machine]registry.Claim{}
	for _, r := range rs {
		if r.fold == nil {
			continue
		}
		r.built.fromMs, r.built.toMs = min(r.built.fromMs, r.t.FromMs), max(r.built.toMs, r.t.ToMs)
		if r.m.doubtful {
			r.m.doubtful, r.built.again = false, true
			continue
		}
		if r.tapped || !r.m.told.IsZero() || s.tellEvery() == 0 {
			if err := s.follow(ctx, r.m, r.built); err != nil {
				return err
			}
		} else {
			r.m.owe(r.built.fromMs)
		}
		done, claims[r.m] = append(done, r.m), r.t
	}
	return s.done(ctx, done, claims)
}
