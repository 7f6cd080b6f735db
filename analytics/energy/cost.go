package energy

import (
	"math/big"
	"slices"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
)

// price sets what the bands cost. pf is the power factor at the site's main meter, which the supplier bills by.
func (u *Use) price(pf *Apparent) {
	if u.UntariffedMwh > 0 {
		u.note(NoteUntariffed)
	}
	var sum int64
	known := len(u.Bands) > 0 || u.MilliWh() == 0
	for i := range u.Bands {
		b := &u.Bands[i]
		t, units := b.Tariff, b.MilliWh
		if t.Basis == electricity.BasisKVAh {
			if pf == nil {
				known = false
				u.note(NoteNoPF)
				continue
			}
			units = apparentUnits(units, pf)
		}
		b.EnergyPaise = t.EnergyCharge(units)
		b.TimeOfDayPaise = t.TimeOfDay(b.Band, units)
		b.SurchargePaise = t.SurchargeOn(units)
		var ok bool
		if b.PowerFactorPaise, ok = t.PowerFactorOn(b.EnergyPaise+b.TimeOfDayPaise, pf.Mill()); !ok {
			known = false
			u.note(NoteNoPF)
			continue
		}
		energy := b.EnergyPaise + b.TimeOfDayPaise + b.PowerFactorPaise
		b.DutyPaise = t.DutyOf(energy, 0, b.SurchargePaise)
		paise := energy + b.SurchargePaise + b.DutyPaise
		b.Paise = &paise
		sum += paise
	}
	if known {
		u.EnergyPaise = &sum
	}
}

func apparentUnits(milliWh int64, pf *Apparent) int64 {
	n := big.NewInt(milliWh)
	n.Mul(n, big.NewInt(pf.MilliVAh)).Quo(n, big.NewInt(pf.MilliWh))
	return n.Int64()
}

func (u *Use) note(code string) {
	if !slices.Contains(u.Notes, code) {
		u.Notes = append(u.Notes, code)
	}
}

// FixedCharge is what is due for a period whatever is used, with the duty on it.
type FixedCharge struct {
	Tariff           *electricity.Tariff
	FromMs, ToMs     int64
	DemandW          int64 // highest mean power at the main meter over the tariff's 15 or 30 minutes, in the month so far
	DemandMs         int64
	DemandVA         int64 // with the month's power factor
	BilledLoad       int64 // thousandths of kW, HP or kVA
	Paise, DutyPaise int64
}

// fixed returns the fixed charges of a period: the part of each month that lies in it, by time.
func (s *site) fixed(main []timeline.Hour, pf factors, hasMain bool, p span) (out []FixedCharge, notes []string) {
	for _, m := range s.months(p) {
		month := span{m.fromMs, m.toMs}
		part := span{max(p.fromMs, m.fromMs), min(p.toMs, m.toMs)}
		for i := range s.config.Tariffs {
			t := &s.config.Tariffs[i]
			from, to := max(part.fromMs, t.ValidFromMs), part.toMs
			if i+1 < len(s.config.Tariffs) {
				to = min(to, s.config.Tariffs[i+1].ValidFromMs)
			}
			if from >= to || t.Fixed.Per == "" {
				continue
			}
			c := FixedCharge{Tariff: t, FromMs: from, ToMs: to}
			if t.Fixed.Per == electricity.PerKVA {
				c.DemandW, c.DemandMs = demand(main, month, int64(t.Fixed.DemandMinutes)*60_000)
				c.DemandVA = c.DemandW
				if a := pf.apparent(main, month); a != nil {
					c.DemandVA = apparentUnits(c.DemandW, a)
				} else if hasMain {
					notes = append(notes, NoteDemandNoPF)
				}
				if !hasMain {
					notes = append(notes, NoteNoMainMeter)
				}
			}
			c.BilledLoad = t.Fixed.BilledLoad(c.DemandVA)
			c.Paise = t.Fixed.Charge(c.DemandVA, to-from, month.toMs-month.fromMs)
			c.DutyPaise = t.DutyOf(0, c.Paise, 0)
			out = append(out, c)
		}
	}
	return out, notes
}

// months are the calendar months of the site that a period touches, whole.
func (s *site) months(p span) []span {
	var out []span
	t := time.UnixMilli(p.fromMs).In(s.zone)
	for at := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, s.zone); at.UnixMilli() < p.toMs; at = at.AddDate(0, 1, 0) {
		out = append(out, span{at.UnixMilli(), at.AddDate(0, 1, 0).UnixMilli()})
	}
	return out
}

// demand is the highest mean power, in W, of the blocks of 15 or 30 minutes of a stretch, and when it began.
func demand(hours []timeline.Hour, p span, blockMs int64) (w, atMs int64) {
	perBlock := int(blockMs / timeline.QuarterMs)
	for _, h := range in(hours, p) {
		var flags timeline.EnergyFlags
		q := quarters(&h, &flags)
		for i := 0; i+perBlock <= 4; i += perBlock {
			var milliWh int64
			for _, v := range q[i : i+perBlock] {
				milliWh += v
			}
			if v := milliWh * (timeline.HourMs / blockMs) / 1000; v > w {
				w, atMs = v, h.StartMs+int64(i)*timeline.QuarterMs
			}
		}
	}
	return w, atMs
}

// shareFixed gives each machine its part of the fixed charges by the key of their tariff. The parts add up to the charge.
func shareFixed(charges []FixedCharge, machines []MachineUse) {
	for _, c := range charges {
		total := c.Paise + c.DutyPaise
		weight := func(m *MachineUse) int64 {
			switch c.Tariff.ShareBy {
			case electricity.KeyRunHours:
				return m.Use.RunMs
			case electricity.KeyEnergy:
				return m.Use.MilliWh()
			}
			return m.Machine.RatedW
		}
		var all, seen, given int64
		for i := range machines {
			all += weight(&machines[i])
		}
		for i := range machines {
			u := &machines[i].Use
			w := weight(&machines[i])
			if w == 0 && c.Tariff.ShareBy == electricity.KeyRated {
				u.note(NoteNoRating)
			}
			if all == 0 {
				continue
			}
			seen += w
			upTo := timeline.Share(total, seen, all)
			part := upTo - given
			given = upTo
			if u.FixedPaise != nil {
				part += *u.FixedPaise
			}
			u.FixedPaise = &part
		}
	}
}
