package sitefile

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"karkhana/internal/config"
	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

func (r *reader) site(s site) registry.Site {
	if err := wire.CheckID("site", s.ID); err != nil {
		r.fault(config.At("site", "id"), "%v", err)
	}
	name := r.name("the site", config.At("site", "name"), s.Name)
	if s.Zone == "" {
		s.Zone = defaultZone
	}
	r.zone = time.UTC // for the rest of the checks, when the zone is unknown
	if err := registry.CheckZone(s.Zone); err != nil {
		r.fault(config.At("site", "zone"), "%v", err)
	} else if loc, err := time.LoadLocation(s.Zone); err == nil {
		r.zone = loc
	}
	return registry.Site{ID: s.ID, Name: name, Zone: s.Zone}
}

func (r *reader) machine(at config.Path, site string, m machine) registry.MachineDefinition {
	k := r.kit(at, m.Kit)
	if m.Class == "" && k != nil {
		m.Class = k.Name
	}
	r.oneOf("class", at.Then("class"), m.Class, registry.Classes)
	def := registry.MachineDefinition{Machine: registry.Machine{
		Site: site, ID: m.ID, Class: m.Class, Name: r.name("machine "+m.ID, at.Then("name"), m.Name),
	}}
	if m.RatedKW != "" {
		def.Machine.RatedW = r.decimal(at.Then("rated_kw"), "rated_kw", m.RatedKW, ratedKW)
	}
	if len(m.Settings) == 0 && k != nil {
		def.Settings, def.FromKit = []registry.Settings{k.Settings}, [][]string{registry.KitKeys()}
	}
	if len(m.Settings) == 0 && m.Kit == "" && m.Class != registry.ClassMainMeter {
		r.fault(at.Then("settings"), "machine %s has no settings; without run_above and idle_above its state can't be told; give them or a kit", m.ID)
	}
	starts := r.once()
	for i, s := range m.Settings {
		row, fromKit := r.settings(at.Then("settings", i), s, k)
		starts(row.ValidFromMs, at.Then("settings", i), "settings of machine "+m.ID+" from "+cmp.Or(s.From, "the beginning"))
		def.Settings, def.FromKit = append(def.Settings, row), append(def.FromKit, fromKit)
	}
	def.Kit = m.Kit
	tasks := r.once()
	for i, s := range m.Services {
		p := at.Then("maintenance", i)
		r.uniqueID(tasks, "service task", p.Then("id"), s.ID)
		def.Services = append(def.Services, r.service(p, site, m.ID, s))
	}
	sortSettings(&def)
	return def
}

func (r *reader) group(at config.Path, site string, g group) registry.GroupDefinition {
	def := registry.GroupDefinition{
		Group: registry.Group{Site: site, ID: g.ID, Name: r.name("group "+g.ID, at.Then("name"), g.Name)},
		Cards: g.Cards, TrainingCards: g.TrainingCards, Members: r.members(at.Then("members"), g.ID, g.Members),
	}
	for i, c := range g.Cards {
		r.card(at.Then("cards", i), c)
	}
	for i, c := range g.TrainingCards {
		r.card(at.Then("training_cards", i), c)
	}
	return def
}

var (
	cardPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
	uidPattern  = regexp.MustCompile(`^([0-9A-Fa-f]{2}[: -]?){4,10}$`)
)

func (r *reader) card(at config.Path, hash string) {
	switch {
	case cardPattern.MatchString(hash):
	case uidPattern.MatchString(hash):
		r.fault(at, "%q looks like the number of the card itself; it must not be stored: write the card's hash, 32 hex digits", hash)
	default:
		r.fault(at, "%.100q is no card hash; write 32 lower-case hex digits", hash)
	}
}

// name returns the name without white space around it; both languages must be there.
func (r *reader) name(of string, at config.Path, n registry.Name) registry.Name {
	n = registry.Name{Hi: strings.TrimSpace(n.Hi), En: strings.TrimSpace(n.En)}
	if n.Hi == "" {
		r.fault(at.Then("hi"), "%s has no Hindi name; give name.hi", of)
	}
	if n.En == "" {
		r.fault(at.Then("en"), "%s has no English name; give name.en", of)
	}
	return n
}

func (r *reader) oneOf(what string, at config.Path, word string, known []string) {
	switch {
	case word == "":
		r.fault(at, "%s is missing%s", what, config.DidYouMean(word, known))
	case !slices.Contains(known, word):
		r.fault(at, "unknown %s %.100q%s", what, word, config.DidYouMean(word, known))
	}
}

// uniqueID checks an id and that unique has not seen it.
func (r *reader) uniqueID(unique func(any, config.Path, string), what string, at config.Path, id string) {
	if err := wire.CheckID(what, id); err != nil {
		r.fault(at, "%v", err)
		return
	}
	unique(id, at, what+" "+id)
}

// once returns a function that reports a key it has seen before; what names the thing in words.
func (r *reader) once() func(key any, at config.Path, what string) {
	first := map[any]int{}
	return func(key any, at config.Path, what string) {
		if line, ok := first[key]; ok {
			r.fault(at, "%s is given twice, first in line %d", what, line)
			return
		}
		first[key] = r.src.Line(at...)
	}
}

// heldOnce finds cards given twice, in one group or in two.
func (r *reader) heldOnce(groups []group) {
	type place struct {
		group string
		line  int
	}
	first := map[string]place{}
	for i, g := range groups {
		for j, card := range slices.Concat(g.Cards, g.TrainingCards) {
			at := config.At("groups", i, "cards", j)
			if k := j - len(g.Cards); k >= 0 {
				at = config.At("groups", i, "training_cards", k)
			}
			p, twice := first[card]
			switch {
			case !twice:
				first[card] = place{g.ID, r.src.Line(at...)}
			case p.group == g.ID:
				r.fault(at, "card %.40s is given twice, first in line %d", card, p.line)
			default:
				r.fault(at, "card %.40s is also in group %s, line %d; a card belongs to one group", card, p.group, p.line)
			}
		}
	}
}
