package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"karkhana/internal/registry"
)

// Reading is what Read asks of SQL; *registry.DB answers it.
type Reading interface {
	Sessions(ctx context.Context, site string, fromMs, toMs int64, machine, group string) ([]registry.Session, error)
	Corrections(ctx context.Context, site, machine string) ([]registry.Correction, error)
}

// Query says which sessions are wanted: those that overlap [FromMs, ToMs). Machine and Group "" mean any.
type Query struct {
	Site         string
	FromMs, ToMs int64
	Machine      string
	Group        string
}

// Read returns the sessions as they count, with the corrections on top, ordered by start and machine, and what became
// of each correction that touches the asked time. Whoever bills, counts or shows sessions reads them here.
func Read(ctx context.Context, reg Reading, q Query) ([]Held, []Told, error) {
	corrections, err := reg.Corrections(ctx, q.Site, q.Machine)
	if err != nil {
		return nil, nil, fmt.Errorf("read corrections of %s: %w", q.Site, err)
	}
	derived, err := reg.Sessions(ctx, q.Site, q.FromMs, q.ToMs, q.Machine, "")
	if err != nil {
		return nil, nil, fmt.Errorf("read sessions of %s: %w", q.Site, err)
	}
	byMachine := map[string][]registry.Session{}
	for _, s := range derived {
		byMachine[s.Machine] = append(byMachine[s.Machine], s)
	}
	said := map[string][]registry.Correction{}
	for _, c := range corrections {
		said[c.Machine] = append(said[c.Machine], c)
		if _, ok := byMachine[c.Machine]; !ok {
			byMachine[c.Machine] = nil
		}
	}
	var held []Held
	var told []Told
	for machine, sessions := range byMachine {
		h, t, err := readMachine(ctx, reg, q, machine, sessions, said[machine])
		if err != nil {
			return nil, nil, err
		}
		held, told = append(held, h...), append(told, t...)
	}
	slices.SortFunc(held, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.StartMs, b.StartMs), cmp.Compare(a.Machine, b.Machine), cmp.Compare(endOf(a), endOf(b)))
	})
	slices.SortFunc(told, func(a, b Told) int { return cmp.Compare(a.ID, b.ID) })
	return held, told, nil
}

// readMachine widens the asked time until no session and no correction reaches over its edges, because a correction
// can only be judged beside the whole sessions it speaks of.
func readMachine(ctx context.Context, reg Reading, q Query, machine string, derived []registry.Session, all []registry.Correction) ([]Held, []Told, error) {
	var touching []registry.Correction
	for from, to := q.FromMs, q.ToMs; ; {
		wideFrom, wideTo := from, to
		for _, s := range derived {
			wideFrom, wideTo = min(wideFrom, s.StartMs), max(wideTo, s.EndMs)
		}
		touching = touchingOf(all, wideFrom, wideTo)
		for _, c := range touching {
			a, b := spanOf(c)
			wideFrom, wideTo = min(wideFrom, a), max(wideTo, b)
		}
		if wideFrom == from && wideTo == to || len(touching) == 0 {
			break
		}
		from, to = wideFrom, wideTo
		var err error
		if derived, err = reg.Sessions(ctx, q.Site, from, to, machine, ""); err != nil {
			return nil, nil, fmt.Errorf("read sessions of %s/%s: %w", q.Site, machine, err)
		}
	}
	whole, told := Apply(derived, touching)
	held := slices.DeleteFunc(whole, func(h Held) bool {
		return h.StartMs >= q.ToMs || endOf(h) <= q.FromMs || q.Group != "" && h.Group != q.Group
	})
	return held, told, nil
}

// spanOf is the time a correction speaks of, at least one millisecond.
func spanOf(c registry.Correction) (fromMs, toMs int64) {
	from, to := c.FromMs, max(c.FromMs+1, c.ToMs)
	if c.AtMs != 0 {
		from, to = min(from, c.AtMs), max(to, c.AtMs+1)
	}
	return from, to
}

// touchingOf returns the corrections that touch [fromMs, toMs), and with a correction every one that reverses it.
func touchingOf(all []registry.Correction, fromMs, toMs int64) []registry.Correction {
	in := map[int64]bool{}
	var out []registry.Correction
	for _, c := range all { // ascending: what is reversed comes before what reverses it
		from, to := spanOf(c)
		if c.Kind == KindReverse {
			if !in[c.Reverses] {
				continue
			}
		} else if from >= toMs || to <= fromMs {
			continue
		}
		in[c.ID] = true
		out = append(out, c)
	}
	return out
}
