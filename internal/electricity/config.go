package electricity

import (
	"fmt"
	"time"
)

// Config is all that a site's file says of electricity.
type Config struct {
	Tariffs  []Tariff   // ascending by ValidFromMs
	Emission []Emission // ascending by Year
	Metals   []Metal    // ascending by ID and ValidFromMs

	ColdStarts []ColdStart // ascending by ValidFromMs
}

// ColdStart says from a day on how long a furnace without a thermometer must have stood before its next start counts as cold.
type ColdStart struct {
	ValidFromMs int64  `json:"valid_from_ms"`
	AfterMs     int64  `json:"after_ms"`
	Source      string `json:"source"` // who says so
}

// DefaultColdAfterMs holds where a site says nothing: a night's rest of eight hours. No standard sets it.
const DefaultColdAfterMs = 8 * 3600_000

// ColdAfterMs is how long a furnace without a thermometer must have stood before a start at ms counts as cold.
func (c Config) ColdAfterMs(ms int64) int64 {
	for i := len(c.ColdStarts) - 1; i >= 0; i-- {
		if c.ColdStarts[i].ValidFromMs <= ms {
			return c.ColdStarts[i].AfterMs
		}
	}
	return DefaultColdAfterMs
}

// At returns the tariff in force at ms; nil: none.
func (c Config) At(ms int64) *Tariff {
	for i := len(c.Tariffs) - 1; i >= 0; i-- {
		if c.Tariffs[i].ValidFromMs <= ms {
			return &c.Tariffs[i]
		}
	}
	return nil
}

// Emission is the grid's emission factor of a fiscal year.
type Emission struct {
	Year          int    `json:"year"`             // in which the fiscal year begins: 2024 is 2024-25
	MicroKgPerKWh int64  `json:"micro_kg_per_kwh"` // 0.710 kg per kWh is 710 000 (millionths of a kg per kWh)
	Version       string `json:"version"`          // of the database it is from, printed beside the figure
}

// FiscalYear writes the year as people do: 2024-25.
func FiscalYear(year int) string { return fmt.Sprintf("%d-%02d", year, (year+1)%100) }

// YearOf is the fiscal year (April to March) of the site in which ms lies.
func YearOf(ms int64, zone *time.Location) int {
	t := time.UnixMilli(ms).In(zone)
	if t.Month() < time.April {
		return t.Year() - 1
	}
	return t.Year()
}

// Factor returns the emission factor of a fiscal year; own is false when the year has none yet (it is published a year
// later) and the newest one before it stands in. nil: none at all.
func (c Config) Factor(year int) (f *Emission, own bool) {
	for i := len(c.Emission) - 1; i >= 0; i-- {
		if c.Emission[i].Year <= year {
			return &c.Emission[i], c.Emission[i].Year == year
		}
	}
	return nil, false
}

// Grams is the CO2 of an energy in milliwatt-hours, rounded to the gram: 1 kWh at 0.710 kg/kWh is 710 g.
func (e Emission) Grams(milliWh int64) int64 {
	return round(milliWh, e.MicroKgPerKWh, 1, 1_000_000*1000)
}

// Metal is what a metal needs to be heated, from ValidFromMs on. Heats are in J/(kg·K) and J/kg, temperatures in °C.
type Metal struct {
	ID          string `json:"id"`
	Hi          string `json:"hi"`
	En          string `json:"en"`
	ValidFromMs int64  `json:"valid_from_ms"`
	Solid       int64  `json:"solid"` // J/(kg·K)
	Melts       int64  `json:"melts"` // °C
	Latent      int64  `json:"latent"`
	Liquid      int64  `json:"liquid"`
	Pours       int64  `json:"pours"` // °C
}

// Heat says what a job's metal is heated from and to.
type Heat struct {
	Metal  string `json:"metal"`   // id of a Metal
	StartC int64  `json:"start_c"` // °C
	EndC   int64  `json:"end_c"`   // °C: above Melts it is melted
}

// Metal returns the row of a metal that holds at ms; nil: none.
func (c Config) Metal(id string, ms int64) *Metal {
	for i := len(c.Metals) - 1; i >= 0; i-- {
		if c.Metals[i].ID == id && c.Metals[i].ValidFromMs <= ms {
			return &c.Metals[i]
		}
	}
	return nil
}

// UsefulMilliWh is the heat that grams of the metal take up from startC to endC (domain page §5, direct method):
// m·[Cp,s·(Tm − T0) + L + Cp,l·(Tp − Tm)]; without melting m·Cp,s·(T − T0). 1 mWh is 3.6 J.
func (m Metal) UsefulMilliWh(grams, startC, endC int64) int64 {
	if endC <= startC {
		return 0
	}
	joulePerKg := m.Solid * (min(endC, m.Melts) - min(startC, m.Melts))
	if endC > m.Melts && startC < m.Melts {
		joulePerKg += m.Latent
	}
	if endC > m.Melts {
		joulePerKg += m.Liquid * (endC - max(startC, m.Melts))
	}
	return round(grams, joulePerKg, 1, 3600)
}
