package energy

import (
	"context"
	"math"
	"slices"
	"sort"

	"karkhana/analytics/session"
	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
)

// Use is what a machine drew in a period. The energies of the states, of the bands with Untariffed, and of the sessions with
// NoSession add up to the same total.
type Use struct {
	FromMs, ToMs                                        int64
	OffMs, IdleMs, RunMs, UnknownMs                     int64
	OffMilliWh, IdleMilliWh, RunMilliWh, UnknownMilliWh int64
	EstimatedMilliWh                                    int64 // of the hours with an estimate in them: at most so much is estimated
	Flags                                               timeline.EnergyFlags

	Bands            []BandUse // by tariff and band, in the order of tariffs
	UntariffedMwh    int64     // drawn while no tariff was in force
	Sessions         []SessionUse
	NoSessionMilliWh int64
	Phases           []PhaseUse // of a furnace: heating, soak, cooling; what has no phase is left out

	Coverage       *float64 // known ÷ period so far
	IdleShare      *float64 // idle energy ÷ total
	MilliWhPerRunH *int64   // energy in state run ÷ run-hours
	PeakW          int64    // highest quarter hour
	PeakMs         int64    // its begin
	LoadFactor     *float64 // energy ÷ (highest quarter hour × hours known)
	Loading        *float64 // mean power while running ÷ rated power
	CO2            []CO2    // by fiscal year
	CO2Grams       int64
	CO2UnknownMwh  int64 // drawn in fiscal years without factor

	EnergyPaise *int64 // of all bands; nil: a tariff needs the power factor, which is not known, or there is none
	FixedPaise  *int64 // its share of the site's fixed charge, by the tariff's key; nil: nothing to share, or no key
	Apparent    *Apparent
	Notes       []string // codes: see the Note constants
}

// Notes say why a figure is missing or what it leaves out.
const (
	NoteUntariffed   = "untariffed"    // energy drawn before the first tariff has no price
	NoteNoTariff     = "no-tariff"     // no tariff at all
	NoteNoPF         = "no-pf"         // the tariff needs a power factor, which is not measured
	NoteNoRating     = "no-rating"     // the fixed charge is shared by rated power, which this machine (or every one) lacks
	NoteDemandNoPF   = "demand-no-pf"  // demand in kVA is taken as kW: no power factor is measured
	NoteNoMainMeter  = "no-main-meter" // demand is not measured: the least part of the contract demand is billed
	NoteLowCoverage  = "low-coverage"  // too little is known of the period for derived figures
	NoteFactorBefore = "factor-before" // the CO2 factor is that of an earlier year
	NoteNoFactor     = "no-factor"     // no CO2 factor for a year of the period
)

// MilliWh is the energy of the period.
func (u *Use) MilliWh() int64 { return u.OffMilliWh + u.IdleMilliWh + u.RunMilliWh + u.UnknownMilliWh }

// KnownMs is the time in which the state is known.
func (u *Use) KnownMs() int64 { return u.OffMs + u.IdleMs + u.RunMs }

// BandUse is the energy drawn in one band of one tariff, and what it costs: energy charge, what the time of day adds, surcharge,
// duty on these. Paise is their sum; nil when the tariff counts kVAh and the power factor is not known.
type BandUse struct {
	Tariff                                      *electricity.Tariff
	Band                                        int
	MilliWh                                     int64
	EnergyPaise, TimeOfDayPaise                 int64
	PowerFactorPaise, SurchargePaise, DutyPaise int64
	Paise                                       *int64
}

// SessionUse is the energy drawn within a session, as far as it lies in the period.
type SessionUse struct {
	Session registry.Session
	MilliWh int64
	Flags   timeline.EnergyFlags
}

// PhaseUse is time and energy of a furnace in one phase.
type PhaseUse struct {
	Phase   string
	Ms      int64
	MilliWh int64
}

// CO2 is the emission of a fiscal year's part of the period.
type CO2 struct {
	Year    int // of use
	Factor  *electricity.Emission
	Own     bool // the factor is the year's own; else the newest one before it
	MilliWh int64
	Grams   int64
}

// cell is a stretch within an hour that is all of one state, with its energy.
type cell struct {
	fromMs, toMs int64
	milliWh      int64
	flags        timeline.EnergyFlags
	phase        string // of a furnace, see timeline.PhaseHeating
}

// cells cuts hours into stretches of one state. The energies of an hour's cells add up to the hour: of each known state the
// hour's energy is shared out to its pieces as they have it; unknown energy by time to what the pieces leave open. pieces
// are stored ones, which do not cross an hour unless they are unknown.
func cells(hours []timeline.Hour, pieces []timeline.Interval, nextHour func(int64) int64) []cell {
	var out []cell
	for _, h := range hours {
		end := nextHour(h.StartMs)
		for len(pieces) > 0 && pieces[0].StartMs < h.StartMs {
			pieces = pieces[1:]
		}
		inside := pieces
		if n := slices.IndexFunc(inside, func(p timeline.Interval) bool { return p.StartMs >= end }); n >= 0 {
			inside = inside[:n]
		}
		free := []cell{}
		at := h.StartMs
		known := map[string][]cell{}
		for _, p := range inside {
			if p.State == timeline.StateUnknown || p.State == timeline.StateVoid || p.EndMs <= p.StartMs {
				continue
			}
			if p.StartMs > at {
				free = append(free, cell{fromMs: at, toMs: p.StartMs, milliWh: p.StartMs - at, flags: h.Flags})
			}
			at = max(at, min(p.EndMs, end))
			known[p.State] = append(known[p.State], cell{p.StartMs, min(p.EndMs, end), p.EnergyMilliWh, p.Flags, p.Phase})
		}
		if at < end {
			free = append(free, cell{fromMs: at, toMs: end, milliWh: end - at, flags: h.Flags})
		}
		whole := []cell{{fromMs: h.StartMs, toMs: end, milliWh: 1, flags: h.Flags | timeline.EnergyInterpolated}} // in the middle of a rebuild
		out = append(out, share(h.OffMilliWh, known[timeline.StateOff], whole)...)
		out = append(out, share(h.IdleMilliWh, known[timeline.StateIdle], whole)...)
		out = append(out, share(h.RunMilliWh, known[timeline.StateRun], whole)...)
		out = append(out, share(h.UnknownMilliWh, free, whole)...)
	}
	return out
}

// share gives each of the stretches its part of total, by what stands in them.
func share(total int64, mine, otherwise []cell) []cell {
	if total == 0 { // they stay for their time
		for i := range mine {
			mine[i].milliWh = 0
		}
		return mine
	}
	var weight int64
	for _, c := range mine {
		weight += c.milliWh
	}
	if weight == 0 {
		mine, weight = slices.Clone(otherwise), 1
	}
	var seen, given int64
	for i := range mine {
		seen += mine[i].milliWh
		upTo := timeline.Share(total, seen, weight)
		mine[i].milliWh, given = upTo-given, upTo
	}
	return mine
}

// within is the energy of the cells in [fromMs, toMs); a cell that is cut gives its part by time, so that the parts of
// adjoining stretches add up.
func within(cells []cell, fromMs, toMs int64) (milliWh int64, flags timeline.EnergyFlags) {
	for _, c := range cells {
		start, end := max(c.fromMs, fromMs), min(c.toMs, toMs)
		if start >= end {
			continue
		}
		part := timeline.Share(c.milliWh, end-c.fromMs, c.toMs-c.fromMs) - timeline.Share(c.milliWh, start-c.fromMs, c.toMs-c.fromMs)
		flags |= c.flags
		if part != c.milliWh {
			flags |= timeline.EnergyInterpolated
		}
		milliWh += part
	}
	return milliWh, flags
}

// machineData is all that was stored of a machine for a stretch of time.
type machineData struct {
	machine  registry.Machine
	hours    []timeline.Hour
	cells    []cell
	sessions []registry.Session
}

func (s *site) hours(ctx context.Context, m registry.Machine, fromMs, toMs int64) (*machineData, error) {
	hours, err := s.Hours.ReadHours(ctx, s.Store, s.id, m.ID, fromMs, toMs)
	return &machineData{machine: m, hours: hours}, err
}

func (s *site) load(ctx context.Context, m registry.Machine, fromMs, toMs int64) (*machineData, error) {
	d, err := s.hours(ctx, m, fromMs, toMs)
	if err != nil {
		return nil, err
	}
	pieces, err := timeline.Pieces(ctx, s.Store, s.id, m.ID, fromMs, toMs)
	if err != nil {
		return nil, err
	}
	if m.Billable() {
		held, _, err := session.Read(ctx, s.Registry, session.Query{Site: s.id, FromMs: fromMs, ToMs: toMs, Machine: m.ID})
		if err != nil {
			return nil, err
		}
		for _, h := range held {
			d.sessions = append(d.sessions, h.Session)
		}
	}
	d.cells = cells(d.hours, pieces, func(ms int64) int64 { return timeline.NextHour(ms, s.zone) })
	return d, nil
}

// use adds up a period. Energy of an hour without quarter hours (stored before they were kept) lies evenly in it.
func (s *site) use(d *machineData, p span) Use {
	u := Use{FromMs: p.fromMs, ToMs: p.toMs}
	type key struct {
		tariff *electricity.Tariff
		band   int
	}
	bands := map[key]int{}
	years := map[int]int64{}
	for _, h := range in(d.hours, p) {
		u.OffMs, u.IdleMs, u.RunMs = u.OffMs+h.OffMs, u.IdleMs+h.IdleMs, u.RunMs+h.RunMs
		u.OffMilliWh += h.OffMilliWh
		u.IdleMilliWh += h.IdleMilliWh
		u.RunMilliWh += h.RunMilliWh
		u.UnknownMilliWh += h.UnknownMilliWh
		u.Flags |= h.Flags
		if h.Estimated || h.Flags.Estimated() {
			u.EstimatedMilliWh += h.MilliWh()
		}
		for q, milliWh := range quarters(&h, &u.Flags) {
			at := h.StartMs + int64(q)*timeline.QuarterMs
			if w := milliWh * 4 / 1000; w > u.PeakW {
				u.PeakW, u.PeakMs = w, at
			}
			if milliWh == 0 {
				continue
			}
			years[electricity.YearOf(at, s.zone)] += milliWh
			t := s.config.At(at)
			band := -1
			if t != nil {
				band = t.Band(electricity.QuarterOfDay(at, s.zone))
			}
			if band < 0 {
				u.UntariffedMwh += milliWh
				continue
			}
			i, ok := bands[key{t, band}]
			if !ok {
				i = len(u.Bands)
				bands[key{t, band}] = i
				u.Bands = append(u.Bands, BandUse{Tariff: t, Band: band})
			}
			u.Bands[i].MilliWh += milliWh
		}
	}
	slices.SortFunc(u.Bands, func(a, b BandUse) int {
		if a.Tariff != b.Tariff {
			return int(min(1, max(-1, a.Tariff.ValidFromMs-b.Tariff.ValidFromMs)))
		}
		return a.Band - b.Band
	})
	s.sessions(&u, d)
	s.phases(&u, d)
	s.emission(&u, years)
	s.figures(&u, d.machine)
	return u
}

// in returns the hours that begin in a period.
func in(hours []timeline.Hour, p span) []timeline.Hour {
	at := func(ms int64) int {
		return sort.Search(len(hours), func(i int) bool { return hours[i].StartMs >= ms })
	}
	return hours[at(p.fromMs):at(p.toMs)]
}

// quarters are the energies of the quarter hours; where they are not stored, the hour's cut by time, and flagged.
func quarters(h *timeline.Hour, flags *timeline.EnergyFlags) [4]int64 {
	q := h.QuarterMilliWh
	if total := h.MilliWh(); q[0]+q[1]+q[2]+q[3] != total {
		*flags |= timeline.EnergySplit
		for i := range int64(4) {
			q[i] = timeline.Share(total, i+1, 4) - timeline.Share(total, i, 4)
		}
	}
	return q
}

// sessions shares the period's energy out to its sessions; where two overlap the later one has it (a takeover), so that
// nothing counts twice.
func (s *site) sessions(u *Use, d *machineData) {
	u.NoSessionMilliWh = u.MilliWh()
	for i, x := range d.sessions {
		start, end := max(x.StartMs, u.FromMs), u.ToMs
		if x.EndMs != 0 {
			end = min(x.EndMs, end)
		}
		if i+1 < len(d.sessions) {
			end = min(end, max(d.sessions[i+1].StartMs, start))
		}
		if start >= end {
			continue
		}
		milliWh, flags := within(d.cells, start, end)
		u.Sessions = append(u.Sessions, SessionUse{Session: x, MilliWh: milliWh, Flags: flags})
		u.NoSessionMilliWh -= milliWh
	}
}

// phases adds up what the cells of the period say of the furnace; a cell without energy is kept for its time.
func (s *site) phases(u *Use, d *machineData) {
	for _, phase := range []string{timeline.PhaseHeating, timeline.PhaseSoak, timeline.PhaseCooling} {
		x := PhaseUse{Phase: phase}
		for _, c := range d.cells {
			if c.phase == phase && c.fromMs >= u.FromMs && c.fromMs < u.ToMs {
				x.Ms, x.MilliWh = x.Ms+c.toMs-c.fromMs, x.MilliWh+c.milliWh
			}
		}
		if x.Ms > 0 {
			u.Phases = append(u.Phases, x)
		}
	}
}

func (s *site) emission(u *Use, years map[int]int64) {
	for year, milliWh := range years {
		f, own := s.config.Factor(year)
		if f == nil {
			u.CO2UnknownMwh += milliWh
			continue
		}
		u.CO2 = append(u.CO2, CO2{Year: year, Factor: f, Own: own, MilliWh: milliWh, Grams: f.Grams(milliWh)})
		u.CO2Grams += f.Grams(milliWh)
	}
	slices.SortFunc(u.CO2, func(a, b CO2) int { return a.Year - b.Year })
}

// figures sets what follows from the sums. What coverage does not carry stays nil.
func (s *site) figures(u *Use, m registry.Machine) {
	passed := min(u.ToMs, s.nowMs) - u.FromMs
	if passed <= 0 {
		return
	}
	u.UnknownMs = max(0, passed-u.KnownMs())
	u.Coverage = ratio(u.KnownMs(), passed)
	if *u.Coverage < MinCoverage {
		return
	}
	u.IdleShare = ratio(u.IdleMilliWh, u.MilliWh())
	u.LoadFactor = loadFactor(u)
	if u.RunMs > 0 {
		perHour := int64(math.Round(float64(u.RunMilliWh) / float64(u.RunMs) * float64(timeline.HourMs)))
		u.MilliWhPerRunH = &perHour
		if m.RatedW > 0 {
			u.Loading = ratio(perHour, m.RatedW*1000)
		}
	}
}

func loadFactor(u *Use) *float64 {
	if u.PeakW == 0 || u.KnownMs() == 0 {
		return nil
	}
	v := float64(u.MilliWh()) / 1000 / (float64(u.PeakW) * float64(u.KnownMs()) / float64(timeline.HourMs))
	v = min(v, 1)
	return &v
}

// ratio returns a ÷ b, nil when b is 0.
func ratio(a, b int64) *float64 {
	if b == 0 {
		return nil
	}
	v := float64(a) / float64(b)
	return &v
}
