package billing

import (
	"context"
	"fmt"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

// UnattributedRun is run time of one machine in the month that no group can be billed for: outside any session, or in
// the session of a card that belongs to nobody.
type UnattributedRun struct {
	Machine     string        `json:"machine"`
	MachineName registry.Name `json:"machine_name"`
	RunMs       int64         `json:"run_ms"`
	RunS        int64         `json:"run_s"` // half-up
	EnergyWh    int64         `json:"energy_wh"`
	Stretches   []Stretch     `json:"stretches"`
}

// Stretch is one unattributed piece in state run.
type Stretch struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	RunMs    int64     `json:"run_ms"`
	CardHash string    `json:"card_hash,omitempty"` // the unknown card in whose session it lies
}

// Unattributed returns the unattributed run time of each billable machine of the site in the month, as far as known
// at nowMs; machines without any are left out.
func Unattributed(ctx context.Context, d Deps, site, name string, nowMs int64) ([]UnattributedRun, error) {
	m, err := load(ctx, d, site, name, nowMs)
	if err != nil {
		return nil, fmt.Errorf("unattributed run time %s: %w", name, err)
	}
	return m.unattributedRuns(), nil
}

func (m *month) unattributedRuns() []UnattributedRun {
	out := []UnattributedRun{}
	for _, mm := range m.machines {
		if u := m.unattributed(mm); u.RunMs > 0 {
			out = append(out, u)
		}
	}
	return out
}

// unattributed walks the machine's month from session to session.
func (m *month) unattributed(mm machineMonth) UnattributedRun {
	u := UnattributedRun{Machine: mm.ID, MachineName: mm.Name, Stretches: []Stretch{}}
	var milliWh int64
	take := func(part span, card string) {
		for _, iv := range timeline.Clip(mm.intervals, part.from, part.to) {
			if iv.State != timeline.StateRun {
				continue
			}
			d := iv.EndMs - iv.StartMs
			u.RunMs += d
			milliWh += iv.EnergyMilliWh
			u.Stretches = append(u.Stretches, Stretch{at(iv.StartMs), at(iv.EndMs), d, card})
		}
	}
	done := m.fromMs
	for _, s := range mm.sessions {
		part := m.inMonth(s)
		if part.from >= part.to {
			continue
		}
		if done < part.from {
			take(span{done, part.from}, "")
		}
		if !m.attributed(s) {
			take(span{max(done, part.from), part.to}, s.CardHash)
		}
		done = max(done, part.to)
	}
	if done < m.horizonMs {
		take(span{done, m.horizonMs}, "")
	}
	u.RunS, u.EnergyWh = halfUp(u.RunMs, 1000), halfUp(milliWh, 1000)
	return u
}
