package utilisation

import (
	"context"
	"fmt"
	"slices"

	"karkhana/analytics/timeline"
)

// busy is the time within sessions in which the machine did not run, as ascending stretches that do not overlap.
type busy []stretch

type stretch struct{ from, to int64 }

// busyTime reads sessions and, where there are any, the states within them.
func busyTime(ctx context.Context, d Deps, site, machine string, ks []KPI, presentMs, limit int64) (busy, error) {
	from, to := ks[0].FromMs, min(ks[len(ks)-1].ToMs, presentMs)
	sessions, err := d.Registry.Sessions(ctx, site, from, to, machine, "")
	if err != nil {
		return nil, fmt.Errorf("figures of %s/%s: %w", site, machine, err)
	}
	var held []stretch
	for _, s := range sessions {
		end := s.EndMs
		if end == 0 { // still open
			end = to
		}
		if a, b := max(s.StartMs, from), min(end, to); a < b {
			held = append(held, stretch{a, b})
		}
	}
	if len(held) == 0 {
		return nil, nil
	}
	held = union(held)
	intervals, err := timeline.Read(ctx, d.Store, site, machine, held[0].from, held[len(held)-1].to, presentMs, limit)
	if err != nil {
		return nil, err
	}
	var runs []stretch
	for _, iv := range intervals {
		if iv.State == timeline.StateRun {
			runs = append(runs, stretch{iv.StartMs, iv.EndMs})
		}
	}
	return without(held, runs), nil
}

// of returns the part of b within the period, in ms.
func (b busy) of(k KPI) int64 {
	var sum int64
	for _, s := range b {
		sum += max(0, min(s.to, k.ToMs)-max(s.from, k.FromMs))
	}
	return sum
}

// union joins stretches that overlap or touch.
func union(in []stretch) []stretch {
	slices.SortFunc(in, func(a, b stretch) int { return int(max(-1, min(1, a.from-b.from))) })
	out := in[:1]
	for _, s := range in[1:] {
		if last := &out[len(out)-1]; s.from <= last.to {
			last.to = max(last.to, s.to)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// without returns a minus b; both ascend without overlap.
func without(a, b []stretch) []stretch {
	var out []stretch
	for _, s := range a {
		for len(b) > 0 && b[0].to <= s.from {
			b = b[1:]
		}
		for _, cut := range b {
			if cut.from >= s.to {
				break
			}
			if cut.from > s.from {
				out = append(out, stretch{s.from, cut.from})
			}
			s.from = min(s.to, cut.to)
		}
		if s.from < s.to {
			out = append(out, s)
		}
	}
	return out
}
