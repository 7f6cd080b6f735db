package session

import (
	"context"
	"fmt"

	"karkhana/internal/registry"
)

// WeightTime is machine time of a job, with the weight of the job. A job that was on the machine several times has several,
// each with the whole weight.
type WeightTime struct {
	Job          string
	FromMs, ToMs int64
	WeightG      int64 // of the whole job; 0: not weighed
	Open         bool  // goes on
}

// Weights returns the machine time of every job that was on the machine in [fromMs, toMs), by start: all of a job's time on
// the machine, also what lies outside, so that its weight can be shared out.
func Weights(ctx context.Context, d JobRegistry, site, machine string, fromMs, toMs, nowMs int64) ([]WeightTime, error) {
	times, err := jobTimes(ctx, d, site, nowMs)
	if err != nil {
		return nil, fmt.Errorf("weights of jobs: %w", err)
	}
	jobs := map[string]registry.Job{}
	for _, t := range times {
		if _, ok := jobs[t.job]; ok || t.machine != machine || t.to <= fromMs || t.from >= toMs {
			continue
		}
		if jobs[t.job], err = d.Job(ctx, site, t.job); err != nil {
			return nil, fmt.Errorf("weights of jobs: job %s: %w", t.job, err)
		}
	}
	var out []WeightTime
	for _, t := range times {
		if j, ok := jobs[t.job]; ok && t.machine == machine {
			out = append(out, WeightTime{Job: t.job, FromMs: t.from, ToMs: t.to, WeightG: j.WeightG, Open: t.open})
		}
	}
	return out, nil
}
