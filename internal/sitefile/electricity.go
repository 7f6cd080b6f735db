package sitefile

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"karkhana/internal/config"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
)

// supply is what a site file says of electricity. Amounts are text, so that no float ever comes near money.
type supply struct {
	Tariffs  []supplyTariff `yaml:"tariffs"`
	Emission []emission     `yaml:"emission"`
	Metals   []metal        `yaml:"metals"`

	ColdStarts []coldStart `yaml:"cold_starts"`
}

type coldStart struct {
	From   string          `yaml:"from"`
	After  config.Duration `yaml:"after"`
	Source string          `yaml:"source"`
}

type supplyTariff struct {
	From        string `yaml:"from"`
	Order       string `yaml:"order"`
	Basis       string `yaml:"basis"` // kwh (default) or kvah
	Energy      string `yaml:"energy"`
	Bands       []band `yaml:"bands"`
	Fixed       fixed  `yaml:"fixed"`
	Surcharge   string `yaml:"surcharge"`
	Duty        duty   `yaml:"duty"`
	PowerFactor []step `yaml:"power_factor"`
	ShareBy     string `yaml:"share_fixed_by"` // default rated-kw
}

type band struct {
	ID      string        `yaml:"id"`
	Name    registry.Name `yaml:"name"`
	At      []string      `yaml:"at"`      // "06:00-08:00", half-open, local
	Percent string        `yaml:"percent"` // of the energy charge
	Rupees  string        `yaml:"rupees"`  // per unit, added
}

type fixed struct {
	Per           string `yaml:"per"` // kw, hp, kva
	Rupees        string `yaml:"rupees"`
	Sanctioned    string `yaml:"sanctioned"`     // kW or HP
	Contract      string `yaml:"contract"`       // kVA
	LeastPercent  string `yaml:"least_percent"`  // of the contract demand
	DemandMinutes int    `yaml:"demand_minutes"` // 15 or 30
}

type duty struct {
	Percent string   `yaml:"percent"`
	On      []string `yaml:"on"`
}

type step struct {
	From    string `yaml:"from"`
	To      string `yaml:"to"`
	Percent string `yaml:"percent"`
}

type emission struct {
	Year     string `yaml:"year"` // 2024-25
	KgPerKWh string `yaml:"kg_per_kwh"`
	Version  string `yaml:"version"`
}

type metal struct {
	ID      string        `yaml:"id"`
	Name    registry.Name `yaml:"name"`
	From    string        `yaml:"from"`
	SolidKJ string        `yaml:"solid_kj_per_kg_k"`
	Melts   int64         `yaml:"melts_c"`
	Latent  string        `yaml:"latent_kj_per_kg"`
	Liquid  string        `yaml:"liquid_kj_per_kg_k"`
	Pours   int64         `yaml:"pours_c"`
}

func (r *reader) electricity(s supply) electricity.Config {
	var out electricity.Config
	at := config.At("electricity")
	tariffs, years, metals := r.once(), r.once(), r.once()
	for i, t := range s.Tariffs {
		p := at.Then("tariffs", i)
		row := r.supplyTariff(p, t)
		tariffs(row.ValidFromMs, p, "electricity tariff from "+t.From)
		out.Tariffs = append(out.Tariffs, row)
	}
	for i, e := range s.Emission {
		p := at.Then("emission", i)
		row := r.emission(p, e)
		years(row.Year, p, "emission factor of "+e.Year)
		out.Emission = append(out.Emission, row)
	}
	for i, m := range s.Metals {
		p := at.Then("metals", i)
		row := r.metal(p, m)
		metals([2]any{row.ID, row.ValidFromMs}, p, "metal "+m.ID+" from "+cmp.Or(m.From, "the beginning"))
		out.Metals = append(out.Metals, row)
	}
	colds := r.once()
	for i, c := range s.ColdStarts {
		p := at.Then("cold_starts", i)
		row := r.coldStart(p, c)
		colds(row.ValidFromMs, p, "cold start from "+cmp.Or(c.From, "the beginning"))
		out.ColdStarts = append(out.ColdStarts, row)
	}
	slices.SortFunc(out.ColdStarts, func(a, b electricity.ColdStart) int { return cmp.Compare(a.ValidFromMs, b.ValidFromMs) })
	slices.SortFunc(out.Tariffs, func(a, b electricity.Tariff) int { return cmp.Compare(a.ValidFromMs, b.ValidFromMs) })
	slices.SortFunc(out.Emission, func(a, b electricity.Emission) int { return cmp.Compare(a.Year, b.Year) })
	slices.SortFunc(out.Metals, func(a, b electricity.Metal) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.ValidFromMs, b.ValidFromMs))
	})
	return out
}

var shareKeys = []string{electricity.KeyRated, electricity.KeyRunHours, electricity.KeyEnergy}

func (r *reader) supplyTariff(at config.Path, t supplyTariff) electricity.Tariff {
	t.Basis, t.ShareBy = cmp.Or(t.Basis, electricity.BasisKWh), cmp.Or(t.ShareBy, electricity.KeyRated)
	r.oneOf("basis", at.Then("basis"), t.Basis, []string{electricity.BasisKWh, electricity.BasisKVAh})
	r.oneOf("share_fixed_by", at.Then("share_fixed_by"), t.ShareBy, shareKeys)
	out := electricity.Tariff{
		Order: strings.TrimSpace(t.Order), Basis: t.Basis, ShareBy: t.ShareBy,
		Energy: electricity.Rate(r.decimal(at.Then("energy"), "energy", t.Energy, rupeesPerUnit)), Fixed: r.fixed(at.Then("fixed"), t.Fixed),
	}
	if t.From == "" {
		r.fault(at.Then("from"), "from is missing; give the first day of the tariff, such as 2026-04-01")
	} else if out.ValidFromMs = r.date(at.Then("from"), t.From); out.ValidFromMs%(15*60_000) != 0 {
		r.fault(at.Then("from"), "from is %s; a tariff begins on a quarter hour", t.From)
	}
	if out.Order == "" {
		r.fault(at.Then("order"), "order is missing; say which order or notification the tariff stands in, it is printed beside every cost")
	}
	out.Bands = r.bands(at, t.Bands)
	if t.Surcharge != "" {
		out.Surcharge = electricity.Rate(r.decimal(at.Then("surcharge"), "surcharge", t.Surcharge, rupeesPerUnit))
	}
	if t.Duty.Percent != "" || len(t.Duty.On) > 0 {
		out.Duty = electricity.Percent(r.decimal(at.Then("duty", "percent"), "percent", t.Duty.Percent, percentAbove))
		if len(t.Duty.On) == 0 {
			r.fault(at.Then("duty", "on"), "on is missing; say what the duty is taken on: [energy, fixed, surcharge]")
		}
		for i, on := range t.Duty.On {
			r.oneOf("part of the bill", at.Then("duty", "on", i), on, []string{electricity.OnEnergy, electricity.OnFixed, electricity.OnSurcharge})
			if slices.Contains(out.DutyOn, on) {
				r.fault(at.Then("duty", "on", i), "%q is given twice", on)
			}
			out.DutyOn = append(out.DutyOn, on)
		}
	}
	out.PowerFactor = r.steps(at.Then("power_factor"), t.PowerFactor)
	if len(out.PowerFactor) > 0 && t.Basis == electricity.BasisKVAh {
		r.fault(at.Then("power_factor"), "a tariff per kVAh has the power factor in it; take power_factor out")
	}
	return out
}

var stretchPattern = regexp.MustCompile(`^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)

// bands reads the parts of the day and checks that they tile it.
func (r *reader) bands(at config.Path, in []band) []electricity.Band {
	if len(in) == 0 {
		all := make([]int, electricity.QuartersOfDay)
		for i := range all {
			all[i] = i
		}
		return []electricity.Band{{ID: "all-day", Hi: "पूरा दिन", En: "All day", Quarters: all}}
	}
	var out []electricity.Band
	ids := r.once()
	var holder [electricity.QuartersOfDay]string
	whole := true // no fault in a stretch: a hole is a hole
	for i, b := range in {
		p := at.Then("bands", i)
		r.uniqueID(ids, "band", p.Then("id"), b.ID)
		name := r.name("band "+b.ID, p.Then("name"), b.Name)
		row := electricity.Band{ID: b.ID, Hi: name.Hi, En: name.En}
		switch {
		case b.Percent != "" && b.Rupees != "":
			r.fault(p.Then("rupees"), "band %s has percent and rupees; give one of them", b.ID)
		case b.Percent != "":
			row.Percent = electricity.Percent(r.decimal(p.Then("percent"), "percent", b.Percent, percentEither))
		case b.Rupees != "":
			row.PerUnit = electricity.Rate(r.decimal(p.Then("rupees"), "rupees", b.Rupees, rupeesEither))
		}
		if len(b.At) == 0 {
			r.fault(p.Then("at"), `band %s has no times; give at: ["06:00-08:00"]`, b.ID)
			whole = false
		}
		for j, text := range b.At {
			from, to, ok := stretch(text)
			if !ok {
				r.fault(p.Then("at", j), `%q is no part of a day; give quarter hours such as "06:00-08:00" or "22:00-24:00", the end not included`, text)
				whole = false
				continue
			}
			for q := from; q < to; q++ {
				if holder[q] != "" {
					r.fault(p.Then("at", j), "%s overlaps with band %s at %s", text, holder[q], clock(q))
					break
				}
			}
			for q := from; q < to; q++ {
				if holder[q] == "" {
					holder[q] = b.ID
					row.Quarters = append(row.Quarters, q)
				}
			}
		}
		slices.Sort(row.Quarters)
		out = append(out, row)
	}
	for q := 0; whole && q < len(holder); q++ {
		if holder[q] != "" {
			continue
		}
		end := q
		for end < len(holder) && holder[end] == "" {
			end++
		}
		r.fault(at.Then("bands"), "no band holds %s-%s; the bands must make up the whole day", clock(q), clock(end))
		q = end
	}
	return out
}

func stretch(text string) (from, to int, ok bool) {
	m := stretchPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, false
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	quarter := func(h, m int) int {
		if h > 24 || m > 45 || m%15 != 0 || h == 24 && m != 0 {
			return -1
		}
		return h*4 + m/15
	}
	from, to = quarter(n(1), n(2)), quarter(n(3), n(4))
	return from, to, from >= 0 && to > from
}

func clock(quarter int) string {
	two := func(n int) string { return strconv.Itoa(100 + n)[1:] }
	return two(quarter/4) + ":" + two(quarter%4*15)
}

func (r *reader) fixed(at config.Path, f fixed) electricity.Fixed {
	if f == (fixed{}) {
		return electricity.Fixed{}
	}
	r.oneOf("per", at.Then("per"), f.Per, []string{electricity.PerKW, electricity.PerHP, electricity.PerKVA})
	out := electricity.Fixed{Per: f.Per, DemandMinutes: f.DemandMinutes}
	var problem string
	if out.Paise, problem = paise(f.Rupees); problem != "" {
		r.fault(at.Then("rupees"), "rupees: %s", problem)
	}
	if f.Per != electricity.PerKVA {
		out.Load = r.decimal(at.Then("sanctioned"), "sanctioned", f.Sanctioned, loads)
		for _, key := range []string{"contract", "least_percent", "demand_minutes"} {
			if r.src.Has(at.Then(key)...) {
				r.fault(at.Then(key), "%s belongs to a charge per kva; take it out", key)
			}
		}
		return out
	}
	out.Load = r.decimal(at.Then("contract"), "contract", f.Contract, loads)
	out.Least = electricity.Percent(r.decimal(at.Then("least_percent"), "least_percent", f.LeastPercent, percentAbove))
	if out.DemandMinutes != 15 && out.DemandMinutes != 30 {
		r.fault(at.Then("demand_minutes"), "demand_minutes is %d; demand is measured over 15 or 30 minutes", out.DemandMinutes)
	}
	if r.src.Has(at.Then("sanctioned")...) {
		r.fault(at.Then("sanctioned"), "sanctioned belongs to a charge per kw or hp; a charge per kva has contract")
	}
	return out
}

// steps reads what power factors cost: from 0 to 1 without hole.
func (r *reader) steps(at config.Path, in []step) []electricity.Step {
	var out []electricity.Step
	next := int64(0)
	for i, s := range in {
		p := at.Then(i)
		row := electricity.Step{
			From: r.decimal(p.Then("from"), "from", s.From, factor), To: r.decimal(p.Then("to"), "to", s.To, factor),
			Percent: electricity.Percent(r.decimal(p.Then("percent"), "percent", s.Percent, percentEither)),
		}
		if row.From != next || row.To <= row.From {
			r.fault(p, "the step runs from %s to %s; steps follow each other upwards without hole or overlap, the first from 0, the last to 1", s.From, s.To)
		}
		next = row.To
		out = append(out, row)
	}
	if len(in) > 0 && next != 1000 {
		r.fault(at.Then(len(in)-1), "the last step ends at %s; the last one ends at 1", in[len(in)-1].To)
	}
	return out
}

var yearPattern = regexp.MustCompile(`^(20[0-9]{2})-([0-9]{2})$`)

func (r *reader) emission(at config.Path, e emission) electricity.Emission {
	out := electricity.Emission{Version: strings.TrimSpace(e.Version), MicroKgPerKWh: r.decimal(at.Then("kg_per_kwh"), "kg_per_kwh", e.KgPerKWh, kgPerKWh)}
	if m := yearPattern.FindStringSubmatch(e.Year); m != nil {
		out.Year, _ = strconv.Atoi(m[1])
	}
	if out.Year == 0 || electricity.FiscalYear(out.Year) != e.Year {
		r.fault(at.Then("year"), "year is %.40q; give a fiscal year such as 2024-25", e.Year)
	}
	if out.Version == "" {
		r.fault(at.Then("version"), "version is missing; say where the factor is from, it is printed beside every figure of CO2")
	}
	return out
}

func (r *reader) metal(at config.Path, m metal) electricity.Metal {
	unique := func(any, config.Path, string) {}
	r.uniqueID(unique, "metal", at.Then("id"), m.ID)
	name := r.name("metal "+m.ID, at.Then("name"), m.Name)
	out := electricity.Metal{
		ID: m.ID, Hi: name.Hi, En: name.En, Melts: m.Melts, Pours: m.Pours,
		Solid:  r.decimal(at.Then("solid_kj_per_kg_k"), "solid_kj_per_kg_k", m.SolidKJ, kilojoules),
		Latent: r.decimal(at.Then("latent_kj_per_kg"), "latent_kj_per_kg", m.Latent, kilojoules),
		Liquid: r.decimal(at.Then("liquid_kj_per_kg_k"), "liquid_kj_per_kg_k", m.Liquid, kilojoules),
	}
	if m.From != "" {
		out.ValidFromMs = r.date(at.Then("from"), m.From)
	}
	if m.Melts < 1 || m.Melts > 4000 || m.Pours < m.Melts || m.Pours > 4000 {
		r.fault(at.Then("melts_c"), "melts_c is %d, pours_c is %d; give 0 < melts_c ≤ pours_c ≤ 4000 °C", m.Melts, m.Pours)
	}
	return out
}

func (r *reader) coldStart(at config.Path, c coldStart) electricity.ColdStart {
	out := electricity.ColdStart{AfterMs: c.After.Ms(), Source: strings.TrimSpace(c.Source)}
	if c.From != "" {
		out.ValidFromMs = r.date(at.Then("from"), c.From)
	}
	if after := time.Duration(out.AfterMs) * time.Millisecond; after < time.Hour || after > 7*24*time.Hour {
		r.fault(at.Then("after"), "after is %s; give the time between 1h and 168h after which a furnace that stood has gone cold", after)
	}
	if out.Source == "" {
		r.fault(at.Then("source"), "source is missing; say who set the time, such as \"measured on furnace-1, 3 Nov 2026\"")
	}
	return out
}

// form is a kind of number in text: how many decimals it has, its bounds in the last decimal, an example.
type form struct {
	decimals    int
	least, most int64
	example     string
}

var (
	rupeesPerUnit = form{5, 0, 100_00000, `"6.50"`}
	rupeesEither  = form{5, -100_00000, 100_00000, `"-0.50"`}
	percentAbove  = form{2, 0, 100_00, `"75"`}
	percentEither = form{2, -100_00, 200_00, `"-10"`}
	loads         = form{3, 1, 100_000_000, `"60"`}
	ratedKW       = form{3, 1, 10_000_000, `"11.5"`}
	factor        = form{3, 0, 1000, `"0.90"`}
	kgPerKWh      = form{6, 0, 5_000_000, `"0.710"`}
	kilojoules    = form{3, 0, 10_000_000, `"0.38"`}
)

var decimalPattern = regexp.MustCompile(`^([+-]?)([0-9]{1,9})(?:\.([0-9]{1,9}))?$`)

// decimal reads a number exactly, as thousandths, millionths … by its form.
func (r *reader) decimal(at config.Path, what, text string, f form) int64 {
	if text == "" {
		r.fault(at, "%s is missing; give it as %s", what, f.example)
		return 0
	}
	m := decimalPattern.FindStringSubmatch(text)
	if m == nil || len(m[3]) > f.decimals {
		r.fault(at, "%s is %.40q; give a number with at most %d decimals, as %s", what, text, f.decimals, f.example)
		return 0
	}
	whole, _ := strconv.ParseInt(m[2], 10, 64)
	part, _ := strconv.ParseInt((m[3] + strings.Repeat("0", f.decimals))[:f.decimals], 10, 64)
	scale := int64(1)
	for range f.decimals {
		scale *= 10
	}
	v := whole*scale + part
	if m[1] == "-" {
		v = -v
	}
	if v < f.least || v > f.most {
		r.fault(at, "%s is %s; it must lie between %s and %s", what, text, plain(f.least, f.decimals), plain(f.most, f.decimals))
		return 0
	}
	return v
}

// plain writes a bound as it stands in a file.
func plain(v int64, decimals int) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	digits := strconv.FormatInt(v, 10)
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals+1-len(digits)) + digits
	}
	cut := len(digits) - decimals
	return sign + strings.TrimSuffix(strings.TrimRight(digits[:cut]+"."+digits[cut:], "0"), ".")
}
