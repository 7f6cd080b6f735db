package gap

import (
	"context"
	"fmt"
	"slices"

	"karkhana/analytics/timeline"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// Reading is what Read asks of SQL; *registry.DB answers it.
type Reading interface {
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	Gateways(ctx context.Context, site string) ([]registry.Gateway, error)
	Gaps(ctx context.Context, site string, fromMs, toMs int64) ([]registry.Gap, error)
	MachineBoots(ctx context.Context, site string, toMs int64) ([]registry.MachineBoot, error)
	GatewayEvents(ctx context.Context, site string, fromMs, toMs int64) ([]registry.GatewayEvent, error)
	Unbuilt(ctx context.Context, site string) ([]registry.Touched, error)
}

// before is how far before a gap events are looked for: a supply that has been out for longer had its own gap.
const before = 7 * 24 * 3600_000

// Read returns the gaps of a site that overlap [fromMs, toMs), explained, ordered by start and machine. An empty machine
// means all.
func Read(ctx context.Context, store tsdb.Store, reg Reading, site, machine string, fromMs, toMs int64) ([]Gap, error) {
	fail := func(err error) ([]Gap, error) { return nil, fmt.Errorf("gaps of %s: %w", site, err) }
	// The holes of neighbours around the oldest and the newest gap tell causes too.
	wideFrom, wideTo := fromMs-2*minToleranceMs, toMs+2*minToleranceMs
	all, err := reg.Gaps(ctx, site, wideFrom, wideTo)
	if err != nil {
		return fail(err)
	}
	gaps := make([]registry.Gap, 0, len(all))
	for _, g := range all {
		if g.FromMs < toMs && endOf(g) > fromMs {
			gaps = append(gaps, g)
		}
	}
	if machine != "" && !slices.ContainsFunc(gaps, func(g registry.Gap) bool { return g.Machine == machine }) {
		return nil, nil
	}
	if len(gaps) == 0 {
		return nil, nil
	}
	first, last := gaps[0].FromMs, toMs // ascending
	for _, g := range gaps {
		last = max(last, g.ToMs)
	}
	if first < fromMs || last > toMs {
		if all, err = reg.Gaps(ctx, site, first-2*minToleranceMs, last+2*minToleranceMs); err != nil {
			return fail(err)
		}
	}
	k, err := know(ctx, store, reg, site, all, first, last)
	if err != nil {
		return fail(err)
	}
	// Beyond the asked time the holes of neighbours are not known, but what was asked for is whole: ask for all of it.
	out := slices.DeleteFunc(Explain(k), func(g Gap) bool {
		return machine != "" && g.Machine != machine || g.FilledMs != 0 && g.ToMs-g.FromMs < lateAfterMs || g.FromMs >= toMs || endOf(g.Gap) <= fromMs
	})
	return out, nil
}

// know gathers what tells the causes of gaps that begin and end from firstMs to lastMs.
func know(ctx context.Context, store tsdb.Store, reg Reading, site string, gaps []registry.Gap, firstMs, lastMs int64) (k Known, err error) {
	k = Known{Gaps: gaps, Limits: map[string]int64{}}
	machines, err := reg.Machines(ctx, site)
	if err != nil {
		return k, err
	}
	for _, m := range machines {
		settings, err := reg.SettingsAt(ctx, site, m.ID)
		if err != nil {
			return k, err
		}
		limit := registry.Settings{}.GapLimitMs()
		for _, s := range settings {
			limit = max(limit, s.GapLimitMs())
		}
		k.Limits[m.ID] = limit
	}
	if k.Boots, err = reg.MachineBoots(ctx, site, lastMs+1); err != nil {
		return k, err
	}
	if k.Events, err = reg.GatewayEvents(ctx, site, firstMs-before, lastMs+1); err != nil {
		return k, err
	}
	if k.Gateways, err = reg.Gateways(ctx, site); err != nil {
		return k, err
	}
	if k.Unbuilt, err = reg.Unbuilt(ctx, site); err != nil {
		return k, err
	}
	if k.Newest, err = newest(ctx, store, site, gaps); err != nil {
		return k, err
	}
	k.Outages, err = outages(ctx, store, site, k)
	return k, err
}

// newest reads, if there is an open gap, until when each machine is known to have been sampled.
func newest(ctx context.Context, store tsdb.Store, site string, gaps []registry.Gap) (map[string]int64, error) {
	fromMs := timeline.FarMs
	for _, g := range gaps {
		if g.ToMs == 0 {
			fromMs = min(fromMs, g.FromMs)
		}
	}
	if fromMs == timeline.FarMs {
		return nil, nil
	}
	rows, err := store.Last(ctx, tsdb.Query{ // a piece with samples is no longer than an hour
		Measurement: tsdb.State, Site: site, Fields: []string{timeline.FieldEndMs}, FromMs: fromMs - timeline.HourMs, ToMs: timeline.FarMs,
	})
	if err != nil {
		return nil, fmt.Errorf("read the newest states: %w", err)
	}
	out := map[string]int64{}
	for _, r := range rows {
		if endMs, ok := r.Values[0].(int64); ok {
			out[r.Machine] = endMs
		}
	}
	return out, nil
}

// outagesAsked bounds how many beginnings of gaps are looked up in the samples of the supply, the newest first.
const outagesAsked = 300

// outages reads around the beginnings of the gaps whether a supply sensor of the site read no mains: one question which
// machines have such a sensor, and then all beginnings and machines together, in as many requests as tsdb.ReadSites
// needs.
func outages(ctx context.Context, store tsdb.Store, site string, k Known) ([]Outage, error) {
	field := quantity.Field(quantity.Supply)
	var windows []Outage // ascending, apart from each other
	widest := int64(minToleranceMs)
	for _, l := range k.Limits {
		widest = max(widest, l)
	}
	for _, g := range k.Gaps {
		if g.FilledMs != 0 {
			continue
		}
		w := Outage{g.FromMs - widest, g.FromMs + widest}
		if n := len(windows); n > 0 && w.FromMs <= windows[n-1].ToMs {
			windows[n-1].ToMs = max(windows[n-1].ToMs, w.ToMs)
			continue
		}
		windows = append(windows, w)
	}
	if len(windows) == 0 {
		return nil, nil
	}
	rows, err := store.Last(ctx, tsdb.Query{
		Measurement: tsdb.Telemetry, Site: site, Fields: []string{field}, FromMs: windows[0].FromMs, ToMs: windows[len(windows)-1].ToMs,
	})
	if err != nil {
		return nil, fmt.Errorf("read the supply: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	machines := make([]string, len(rows))
	for i, row := range rows {
		machines[i] = row.Machine
	}
	windows = windows[max(0, len(windows)-outagesAsked):]
	queries := make([]tsdb.SiteQuery, len(windows))
	for i, w := range windows {
		queries[i] = tsdb.SiteQuery{Measurement: tsdb.Telemetry, Site: site, Machines: machines, Fields: []string{field}, FromMs: w.FromMs, ToMs: w.ToMs}
	}
	type reading struct {
		machine string
		window  int
	}
	var at reading // rows of one machine in one window stand together
	var out []Outage
	dark := false
	err = tsdb.ReadSites(ctx, store, queries, func(i int, r tsdb.Row) error {
		if now := (reading{r.Machine, i}); now != at {
			at, dark = now, false
		}
		present, ok := r.Values[0].(bool)
		switch {
		case !ok:
		case !present && !dark:
			out, dark = append(out, Outage{r.TimeMs, windows[i].ToMs}), true
		case present && dark:
			out[len(out)-1].ToMs, dark = r.TimeMs-1, false
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the supply: %w", err)
	}
	return out, nil
}
