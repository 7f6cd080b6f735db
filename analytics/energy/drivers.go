package energy

import (
	"context"
	"fmt"
	"slices"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// restMs is how far before the first day states are read, besides the rest that makes a start cold: a closed week. aroundMs
// is how far around the days a job's time on the machine is looked for, so that its weight can be shared out.
const (
	restMs   = 7 * 24 * timeline.HourMs
	aroundMs = 31 * 24 * timeline.HourMs
)

// drivers fills in what the energy of the days may depend on besides run-hours, as far as it is asked for and known.
func (s *site) drivers(ctx context.Context, machine string, variables []string, days []Point) error {
	i := slices.IndexFunc(s.machines, func(m registry.Machine) bool { return m.ID == machine })
	if len(days) == 0 || i < 0 {
		return nil
	}
	m := s.machines[i]
	fromMs, toMs := days[0].FromMs, days[len(days)-1].ToMs
	if slices.Contains(variables, ColdStarts) && slices.Contains(heatedClasses, m.Class) {
		intervals, err := timeline.ReadPhases(ctx, s.Store, s.id, machine, fromMs-restMs-s.config.ColdAfterMs(fromMs), toMs, s.nowMs, 0)
		if err != nil {
			return err
		}
		if err := s.coldStarts(ctx, m, intervals, days); err != nil {
			return err
		}
	}
	if !slices.Contains(variables, Kg) || s.Jobs == nil {
		return nil
	}
	times, err := session.Weights(ctx, s.Jobs, s.id, machine, fromMs, toMs, s.nowMs)
	if err != nil {
		return err
	}
	readFrom, readTo := fromMs, toMs
	for _, t := range times {
		readFrom, readTo = min(readFrom, max(t.FromMs, fromMs-aroundMs)), max(readTo, min(t.ToMs, toMs+aroundMs))
	}
	if !slices.ContainsFunc(times, func(t session.WeightTime) bool { return t.WeightG > 0 }) {
		return nil
	}
	intervals, err := timeline.Read(ctx, s.Store, s.id, machine, readFrom, readTo, s.nowMs, 0)
	if err != nil {
		return fmt.Errorf("states of %s: %w", machine, err)
	}
	weigh(days, times, runs(timeline.Clip(intervals, readFrom, readTo)), span{readFrom, readTo})
	return nil
}

// runs are the stretches of run, ascending.
func runs(intervals []timeline.Interval) (out []span) {
	for _, iv := range intervals {
		if iv.State == timeline.StateRun {
			out = append(out, span{iv.StartMs, iv.EndMs})
		}
	}
	return out
}

// ran calls back for each part of the runs within a stretch.
func ran(runs []span, x span, each func(span)) {
	i, _ := slices.BinarySearchFunc(runs, x.fromMs, func(r span, ms int64) int {
		if r.toMs <= ms {
			return -1
		}
		return 1
	})
	for ; i < len(runs) && runs[i].fromMs < x.toMs; i++ {
		each(span{max(runs[i].fromMs, x.fromMs), min(runs[i].toMs, x.toMs)})
	}
}

// weigh shares the weight of each job out to the days by the job's run time on the machine. A day is known when jobs with a
// weight, that have ended, make up at least MinCoverage of its run time.
func weigh(days []Point, times []session.WeightTime, runs []span, read span) {
	type work struct {
		weightG, runMs int64
		unclear        bool // not over, or reaches farther than is read
	}
	jobs := map[string]*work{}
	for _, t := range times {
		j := jobs[t.Job]
		if j == nil {
			j = &work{weightG: t.WeightG}
			jobs[t.Job] = j
		}
		j.unclear = j.unclear || t.Open || t.FromMs < read.fromMs || t.ToMs > read.toMs
		ran(runs, span{t.FromMs, t.ToMs}, func(r span) { j.runMs += r.toMs - r.fromMs })
	}
	for i := range days {
		day := span{days[i].FromMs, days[i].ToMs}
		var runMs, weighedMs int64
		var grams float64
		ran(runs, day, func(r span) { runMs += r.toMs - r.fromMs })
		done := day.fromMs // up to here run time is counted as weighed
		for _, t := range times {
			j := jobs[t.Job]
			if j.weightG <= 0 || j.unclear || t.ToMs <= day.fromMs || t.FromMs >= day.toMs {
				continue
			}
			x := span{max(t.FromMs, day.fromMs), min(t.ToMs, day.toMs)}
			ran(runs, x, func(r span) {
				grams += float64(j.weightG) * float64(r.toMs-r.fromMs) / float64(j.runMs)
				weighedMs += max(0, r.toMs-max(r.fromMs, done))
			})
			done = max(done, x.toMs)
		}
		if float64(weighedMs) >= MinCoverage*float64(runMs) {
			kg := grams / 1000
			days[i].Kg = &kg
		}
	}
}
