package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"karkhana/internal/electricity"
	"karkhana/internal/wire"
)

// SiteDefinition is what a site file says: a site with all that belongs to it. Apply fills in the Site of every part,
// so its makers need not.
type SiteDefinition struct {
	Site     Site
	Machines []MachineDefinition // in the order of pages
	Gateways []string            // ids
	Groups   []GroupDefinition
	Tariffs  []Tariff            // Author comes from Apply
	Calendar *CalendarDefinition // nil: the calendar stays as it is

	Electricity electricity.Config
}

// MachineDefinition is a machine with its dated settings.
type MachineDefinition struct {
	Machine  Machine // Position is set from the order
	Settings []Settings
	Kit      string        // the kit that some values come from; "": none
	FromKit  [][]string    // of each row of Settings the keys whose values are the kit's; nil: none
	Services []ServiceTask // complete: what differs from the kit of the class
}

// GroupDefinition is a group with the hashes of all its cards.
type GroupDefinition struct {
	Group         Group
	Cards         []string
	Members       []Members // dated; rows left out stay
	TrainingCards []string  // their sessions are training: not billed
}

// Apply brings the registry in line with a definition, in one transaction, and writes every change with its author,
// the values before and after into the audit log. Applying the same again changes nothing.
//
// Machines, gateways, groups, dated settings and tariffs that the definition leaves out stay. A gateway that exists
// keeps its key. The cards of a group are complete: a card left out is taken from the group at nowMs, a card named in
// another group changes hands at nowMs. A card never seen before belongs to its group since ever, so that taps from
// before its registration find their group.
//
// What changes the past is put on the list of touched stretches: a machine whose settings changed from their start on,
// machines with sessions of a card newly known.
func (d *DB) Apply(ctx context.Context, def SiteDefinition, author string, nowMs int64) error {
	if err := def.check(); err != nil {
		return fmt.Errorf("registry: apply site %s: %w", def.Site.ID, err)
	}
	return d.tx(ctx, "apply site "+def.Site.ID, func(tx *sql.Tx) error {
		// One Apply at a time, from reading what is there to the end.
		if err := lock(ctx, tx, "audit"); err != nil {
			return err
		}
		a := &applying{tx: tx, site: def.Site.ID, author: author, nowMs: nowMs}
		for _, step := range []func(context.Context, SiteDefinition) error{
			a.applySite, a.applyMachines, a.applyServices, a.applyGateways, a.applyGroups, a.applyMembers, a.applyCards, a.applyTariffs, a.applyCalendar,
			a.applyElectricity,
		} {
			if err := step(ctx, def); err != nil {
				return err
			}
		}
		if err := noteStatements(ctx, tx, def.Site.ID, nowMs); err != nil { // prices, groups and cards of past months may have changed
			return err
		}
		return touch(ctx, tx, a.touched)
	})
}

// check refuses what would break others: ids that can't be topic levels and a zone that nobody knows. Package sitefile
// says the same with file and line.
func (def SiteDefinition) check() error {
	if err := wire.CheckID("site", def.Site.ID); err != nil {
		return err
	}
	if err := CheckZone(def.Site.Zone); err != nil {
		return err
	}
	for _, m := range def.Machines {
		if err := wire.CheckID("machine", m.Machine.ID); err != nil {
			return err
		}
	}
	for _, g := range def.Gateways {
		if err := wire.CheckID("gateway", g); err != nil {
			return err
		}
	}
	holder := map[string]string{}
	for _, g := range def.Groups {
		if err := wire.CheckID("group", g.Group.ID); err != nil {
			return err
		}
		for _, hash := range slices.Concat(g.Cards, g.TrainingCards) {
			if other, ok := holder[hash]; ok {
				return fmt.Errorf("card %s is in group %s and in group %s", hash, other, g.Group.ID)
			}
			holder[hash] = g.Group.ID
		}
	}
	return nil
}

// applying is one Apply under way.
type applying struct {
	tx           *sql.Tx
	site, author string
	nowMs        int64
	touched      []Touched
}

// change runs save unless before and after are the same, and notes the change. A nil before means that there was none.
func change[T comparable](ctx context.Context, a *applying, what, id string, before *T, after T, save func() error) (bool, error) {
	if before != nil && *before == after {
		return false, nil
	}
	if err := save(); err != nil {
		return false, err
	}
	detail, err := json.Marshal(struct {
		Site   string `json:"site"`
		ID     string `json:"id"`
		Before *T     `json:"before"`
		After  T      `json:"after"`
	}{a.site, id, before, after})
	if err != nil {
		return false, err
	}
	verb := " added"
	if before != nil {
		verb = " changed"
	}
	return true, audit(ctx, a.tx, a.nowMs, a.author, what+verb, string(detail))
}

func (a *applying) touch(machine string, fromMs, toMs int64) {
	a.touched = append(a.touched, Touched{Site: a.site, Machine: machine, FromMs: fromMs, ToMs: max(fromMs, toMs)})
}

func (a *applying) applySite(ctx context.Context, def SiteDefinition) error {
	before, err := list(ctx, a.tx, "site", scanSite, `SELECT `+siteColumns+` FROM site WHERE id = $1`, a.site)
	if err != nil {
		return err
	}
	_, err = change(ctx, a, "site", a.site, first(before), def.Site, func() error { return saveSite(ctx, a.tx, def.Site) })
	return err
}

func (a *applying) applyMachines(ctx context.Context, def SiteDefinition) error {
	old, err := machines(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	before := index(old, func(m Machine) string { return m.ID })
	for i, md := range def.Machines {
		m := md.Machine
		m.Site, m.Position = a.site, i
		if _, err := change(ctx, a, "machine", m.ID, before[m.ID], m, func() error { return saveMachine(ctx, a.tx, m) }); err != nil {
			return err
		}
		rows, _, err := a.datedKit(ctx, md, def.Site.Zone)
		if err != nil {
			return err
		}
		if err := a.applySettings(ctx, m.ID, before[m.ID] != nil, rows); err != nil {
			return err
		}
	}
	return nil
}

// datedKit is datedKit on what is stored; today begins at the site's midnight.
func (a *applying) datedKit(ctx context.Context, md MachineDefinition, zone string) ([]Settings, []KitChange, error) {
	if md.FromKit == nil {
		return md.Settings, nil, nil
	}
	stored, err := settings(ctx, a.tx, a.site, md.Machine.ID)
	if err != nil {
		return nil, nil, err
	}
	made, err := confirmedThresholds(ctx, a.tx, a.site, md.Machine.ID)
	if err != nil {
		return nil, nil, err
	}
	confirmed := map[int64]bool{}
	for _, c := range made {
		confirmed[c.ValidFromMs] = true
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, nil, err
	}
	now := time.UnixMilli(a.nowMs).In(loc)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, loc).UnixMilli()
	rows, changes := datedKit(md, stored, confirmed, today)
	return rows, changes, nil
}

// KitChanges tells which machines Apply would give other settings from today on because their kit has changed since it was applied.
func (d *DB) KitChanges(ctx context.Context, def SiteDefinition, nowMs int64) ([]KitChange, error) {
	var out []KitChange
	err := d.tx(ctx, "kits of site "+def.Site.ID, func(tx *sql.Tx) error {
		a := &applying{tx: tx, site: def.Site.ID, nowMs: nowMs}
		for _, md := range def.Machines {
			_, changes, err := a.datedKit(ctx, md, def.Site.Zone)
			if err != nil {
				return err
			}
			out = append(out, changes...)
		}
		return nil
	})
	return out, err
}

func (a *applying) applySettings(ctx context.Context, machine string, existed bool, after []Settings) error {
	old, err := settings(ctx, a.tx, a.site, machine)
	if err != nil {
		return err
	}
	before := index(old, func(s Settings) int64 { return s.ValidFromMs })
	for _, s := range after {
		changed, err := change(ctx, a, "settings", machine, before[s.ValidFromMs], s,
			func() error { return saveSettings(ctx, a.tx, a.site, machine, s) })
		if err != nil {
			return err
		}
		if changed && existed && s.ValidFromMs < a.nowMs {
			a.touch(machine, s.ValidFromMs, a.nowMs)
		}
	}
	return nil
}

func (a *applying) applyGateways(ctx context.Context, def SiteDefinition) error {
	old, err := gateways(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	known := index(old, func(g Gateway) string { return g.ID })
	for _, id := range def.Gateways {
		if known[id] != nil {
			continue
		}
		if _, err := change(ctx, a, "gateway", id, nil, id, func() error { return addGateway(ctx, a.tx, a.site, id) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) applyGroups(ctx context.Context, def SiteDefinition) error {
	old, err := groups(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	before := index(old, func(g Group) string { return g.ID })
	for _, gd := range def.Groups {
		g := gd.Group
		g.Site = a.site
		if _, err := change(ctx, a, "group", g.ID, before[g.ID], g, func() error { return saveGroup(ctx, a.tx, g) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) applyTariffs(ctx context.Context, def SiteDefinition) error {
	old, err := tariffs(ctx, a.tx, a.site)
	if err != nil {
		return err
	}
	type key struct {
		class string
		from  int64
	}
	before := index(old, func(t Tariff) key { return key{t.Class, t.ValidFromMs} })
	for _, t := range def.Tariffs {
		t.Site, t.Author = a.site, a.author
		b := before[key{t.Class, t.ValidFromMs}]
		if b != nil && b.PaisePerRunHour == t.PaisePerRunHour {
			continue // the author of the price stays who set it
		}
		if _, err := change(ctx, a, "tariff", t.Class, b, t, func() error { return saveTariff(ctx, a.tx, t) }); err != nil {
			return err
		}
	}
	return nil
}

func index[K comparable, T any](in []T, key func(T) K) map[K]*T {
	out := make(map[K]*T, len(in))
	for i := range in {
		out[key(in[i])] = &in[i]
	}
	return out
}

func first[T any](in []T) *T {
	if len(in) == 0 {
		return nil
	}
	return &in[0]
}
