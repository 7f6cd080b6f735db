package sitefile

import (
	"cmp"

	"karkhana/internal/config"
	"karkhana/internal/registry"
)

// members are the numbers of a group's members from a day on, for scheme reports. They are counts: a site file holds
// no names of people.
type members struct {
	From    string `yaml:"from"` // left out: since ever
	Members *int64 `yaml:"members"`
	Women   *int64 `yaml:"women"` // left out: not known
	SC      *int64 `yaml:"sc"`
	ST      *int64 `yaml:"st"`
}

// mostMembers bounds a count, so that a slip of the pen shows.
const mostMembers = 10_000

func (r *reader) members(at config.Path, group string, in []members) []registry.Members {
	var out []registry.Members
	starts := r.once()
	for i, m := range in {
		at := at.Then(i)
		row := registry.Members{Group: group, Women: registry.NotGiven, SC: registry.NotGiven, ST: registry.NotGiven}
		if m.From != "" {
			row.ValidFromMs = r.date(at.Then("from"), m.From)
		}
		starts(row.ValidFromMs, at, "members of group "+group+" from "+cmp.Or(m.From, "the beginning"))
		switch {
		case m.Members == nil:
			r.fault(at, "members is missing; give how many members the group has")
			continue
		case *m.Members < 1 || *m.Members > mostMembers:
			r.fault(at.Then("members"), "members is %d; give 1 to %d", *m.Members, mostMembers)
			continue
		}
		row.Members = *m.Members
		for _, part := range []struct {
			key   string
			given *int64
			into  *int64
		}{{"women", m.Women, &row.Women}, {"sc", m.SC, &row.SC}, {"st", m.ST, &row.ST}} {
			if part.given == nil {
				continue
			}
			if *part.given < 0 || *part.given > row.Members {
				r.fault(at.Then(part.key), "%s is %d; they are counted among the %d members: give 0 to %d, or leave it out when it is not known",
					part.key, *part.given, row.Members, row.Members)
				continue
			}
			*part.into = *part.given
		}
		if row.SC+row.ST > row.Members {
			r.fault(at.Then("st"), "sc %d and st %d are more than the %d members; nobody is of both", row.SC, row.ST, row.Members)
		}
		out = append(out, row)
	}
	return out
}
