package timeline

import (
	"context"
	"sort"

	"karkhana/internal/tsdb"
)

// Kept are the hours of a site's machines over a stretch of time, read once for all that a paper asks about them. They are
// not to be changed. A nil Kept has none.
type Kept struct {
	site         string
	fromMs, toMs int64
	quarters     bool
	hours        map[string][]Hour // a machine without hours has an empty entry
}

// Keep reads the hours with a start in [fromMs, toMs) of the machines, all at once: with their parts and, if asked for, with
// the quarter hours, which only energy needs.
func Keep(ctx context.Context, s tsdb.Store, site string, machines []string, fromMs, toMs int64, quarters bool) (*Kept, error) {
	hours, err := siteHours(ctx, s, site, machines, fromMs, toMs, quarters)
	if err != nil {
		return nil, err
	}
	k := &Kept{site: site, fromMs: fromMs, toMs: toMs, quarters: quarters, hours: make(map[string][]Hour, len(machines))}
	for _, m := range machines {
		k.hours[m] = hours[m]
	}
	return k, nil
}

// ReadHours is ReadHours of what is kept; what is not, is read from the store.
func (k *Kept) ReadHours(ctx context.Context, s tsdb.Store, site, machine string, fromMs, toMs int64) ([]Hour, error) {
	if k.has(site, machine, fromMs, toMs) && k.quarters {
		return k.between(machine, fromMs, toMs), nil
	}
	return ReadHours(ctx, s, site, machine, fromMs, toMs)
}

// SiteHours is SiteHours of what is kept; when it is not all, it is read from the store.
func (k *Kept) SiteHours(ctx context.Context, s tsdb.Store, site string, machines []string, fromMs, toMs int64) (map[string][]Hour, error) {
	out := make(map[string][]Hour, len(machines))
	for _, m := range machines {
		if !k.has(site, m, fromMs, toMs) {
			return SiteHours(ctx, s, site, machines, fromMs, toMs)
		}
		if hours := k.between(m, fromMs, toMs); len(hours) > 0 {
			out[m] = hours
		}
	}
	return out, nil
}

func (k *Kept) has(site, machine string, fromMs, toMs int64) bool {
	if k == nil || k.site != site || fromMs < k.fromMs || toMs > k.toMs {
		return false
	}
	_, kept := k.hours[machine]
	return kept
}

func (k *Kept) between(machine string, fromMs, toMs int64) []Hour {
	hours := k.hours[machine]
	first := func(ms int64) int { return sort.Search(len(hours), func(i int) bool { return hours[i].StartMs >= ms }) }
	from, to := first(fromMs), first(toMs)
	return hours[from:max(from, to):max(from, to)]
}
