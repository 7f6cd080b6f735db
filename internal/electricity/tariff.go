// Package electricity is the arithmetic of an electricity bill: dated tariffs with time-of-day bands, fixed and demand charges,
// surcharge, duty, power factor; emission factors by fiscal year; heat a metal needs. Nothing in it is a constant of a State
// or a supplier: every figure comes from a site's file (package sitefile), with the day from which it holds.
//
// Energy is int64 milliwatt-hours, money int64 paise. Rounding: every line of a result (a band, the fixed charge of a
// month, the surcharge, the duty …) is rounded once, half away from zero, to the paisa; sums are sums of rounded lines.
package electricity

import (
	"math/big"
	"time"
)

// Rate is a price in thousandths of a paisa per unit (₹ 6.50 is 650 000).
type Rate int64

// Percent is in hundredths of a per cent (5 % is 500); it may be negative.
type Percent int64

// hundred per cent.
const hundred = 10_000

// The bases a unit is counted on: active or apparent energy. A unit is one kWh or one kVAh.
const (
	BasisKWh  = "kwh"
	BasisKVAh = "kvah"
)

// What a fixed charge is per: kW or HP of sanctioned load, kVA of billing demand.
const (
	PerKW  = "kw"
	PerHP  = "hp"
	PerKVA = "kva"
)

// The keys by which the fixed charge of a site is shared out to its machines.
const (
	KeyRated    = "rated-kw"
	KeyRunHours = "run-hours"
	KeyEnergy   = "energy"
)

// What duty is taken on. Energy includes time of day and power factor.
const (
	OnEnergy    = "energy"
	OnFixed     = "fixed"
	OnSurcharge = "surcharge"
)

// QuartersOfDay is how many quarter hours the bands of a day are made of.
const QuartersOfDay = 96

// Tariff is what a supplier charges from ValidFromMs until the next tariff.
type Tariff struct {
	ValidFromMs int64    `json:"valid_from_ms"`
	Order       string   `json:"order"` // the order or notification it stands in
	Basis       string   `json:"basis"`
	Energy      Rate     `json:"energy"` // per unit, before time of day
	Bands       []Band   `json:"bands"`  // each quarter hour of the local day in exactly one
	Fixed       Fixed    `json:"fixed"`
	Surcharge   Rate     `json:"surcharge"` // per unit
	Duty        Percent  `json:"duty"`
	DutyOn      []string `json:"duty_on"`
	PowerFactor []Step   `json:"power_factor"` // ascending, without holes; none: power factor has no price
	ShareBy     string   `json:"share_by"`     // key of the fixed charge
}

// Band is a part of the day with its own price: the energy charge and Percent of it, or PerUnit more (less).
type Band struct {
	ID       string  `json:"id"`
	Hi       string  `json:"hi"`
	En       string  `json:"en"`
	Quarters []int   `json:"quarters"` // of the local day, 0–95: [06:00,08:00) is 24–31
	Percent  Percent `json:"percent"`
	PerUnit  Rate    `json:"per_unit"`
}

// Fixed is the charge of a month that is due whatever is used.
type Fixed struct {
	Per           string  `json:"per"`   // "" : none
	Paise         int64   `json:"paise"` // per kW, HP or kVA and month
	Load          int64   `json:"load"`  // sanctioned kW or HP, or contract demand in kVA, in thousandths
	Least         Percent `json:"least"` // of the contract demand that is billed at least; PerKVA only
	DemandMinutes int     `json:"demand_minutes"`
}

// Step is a stretch of power factor [From, To) in thousandths (the last one includes To) and what it costs in per cent of
// the energy charge.
type Step struct {
	From    int64   `json:"from"`
	To      int64   `json:"to"`
	Percent Percent `json:"percent"`
}

// Band returns the index of the band that a quarter hour of the local day lies in, -1: none.
func (t *Tariff) Band(quarter int) int {
	for i, b := range t.Bands {
		for _, q := range b.Quarters {
			if q == quarter {
				return i
			}
		}
	}
	return -1
}

// EnergyCharge is the price of units (in thousandths of a Wh or VAh, so 1 kWh is 1,000,000) at the tariff's energy rate.
func (t *Tariff) EnergyCharge(units int64) int64 { return round(units, int64(t.Energy), 1, unitRate) }

// TimeOfDay is what a band adds to the energy charge of units; it may be negative.
func (t *Tariff) TimeOfDay(band int, units int64) int64 {
	b := t.Bands[band]
	if b.PerUnit != 0 {
		return round(units, int64(b.PerUnit), 1, unitRate)
	}
	return round(units, int64(t.Energy), int64(b.Percent), unitRate*hundred)
}

// SurchargeOn is the surcharge of units.
func (t *Tariff) SurchargeOn(units int64) int64 { return round(units, int64(t.Surcharge), 1, unitRate) }

// PowerFactorOn is what a power factor (in thousandths) adds to an energy charge. known is false when the tariff prices
// the power factor and pf is not measured (0).
func (t *Tariff) PowerFactorOn(energyPaise, pf int64) (paise int64, known bool) {
	if len(t.PowerFactor) == 0 {
		return 0, true
	}
	if pf <= 0 {
		return 0, false
	}
	pf = min(pf, 1000)
	for i, s := range t.PowerFactor {
		if pf >= s.From && (pf < s.To || i == len(t.PowerFactor)-1) {
			return round(energyPaise, int64(s.Percent), 1, hundred), true
		}
	}
	return 0, true
}

// DutyOf is the duty on the parts of a bill.
func (t *Tariff) DutyOf(energy, fixed, surcharge int64) int64 {
	var base int64
	for _, on := range t.DutyOn {
		switch on {
		case OnEnergy:
			base += energy
		case OnFixed:
			base += fixed
		case OnSurcharge:
			base += surcharge
		}
	}
	return round(base, int64(t.Duty), 1, hundred)
}

// BilledLoad is what the fixed charge is taken on, in thousandths of kW, HP or kVA: the sanctioned load, or the greater of
// recorded demand (VA) and the least part of the contract demand.
func (f Fixed) BilledLoad(demandVA int64) int64 {
	if f.Per != PerKVA {
		return f.Load
	}
	return max(demandVA, round(f.Load, int64(f.Least), 1, hundred))
}

// Charge is the fixed charge of partMs out of a month of monthMs.
func (f Fixed) Charge(demandVA, partMs, monthMs int64) int64 {
	if f.Per == "" || monthMs <= 0 {
		return 0
	}
	n := big.NewInt(f.BilledLoad(demandVA))
	n.Mul(n, big.NewInt(f.Paise)).Mul(n, big.NewInt(partMs))
	return rounded(n, new(big.Int).Mul(big.NewInt(1000), big.NewInt(monthMs)))
}

// unitRate turns thousandths of a Wh times thousandths of a paisa per kWh into paise.
const unitRate = 1_000_000 * 1000

// round returns a·b·c ÷ d, half away from zero.
func round(a, b, c, d int64) int64 {
	n := big.NewInt(a)
	n.Mul(n, big.NewInt(b)).Mul(n, big.NewInt(c))
	return rounded(n, big.NewInt(d))
}

func rounded(n, d *big.Int) int64 {
	sign := n.Sign()
	n.Abs(n)
	n.Add(n, new(big.Int).Rsh(d, 1))
	n.Quo(n, d)
	if sign < 0 {
		n.Neg(n)
	}
	return n.Int64()
}

// QuarterOfDay returns which quarter hour of the local day ms lies in, 0–95.
func QuarterOfDay(ms int64, zone *time.Location) int {
	t := time.UnixMilli(ms).In(zone)
	return t.Hour()*4 + t.Minute()/15
}
