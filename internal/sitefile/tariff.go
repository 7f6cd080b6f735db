package sitefile

import (
	"regexp"
	"strconv"
	"strings"

	"karkhana/internal/config"
	"karkhana/internal/registry"
)

// tariff is the price of a machine class from a day on. The amount is text, so that no float ever comes near money.
type tariff struct {
	Class            string `yaml:"class"`
	From             string `yaml:"from"`
	RupeesPerRunHour string `yaml:"rupees_per_run_hour"`
}

// tariff checks a price. A class that no machine of the site has is allowed: a price list may come before the machine.
func (r *reader) tariff(at config.Path, site string, t tariff) registry.Tariff {
	r.oneOf("class", at.Then("class"), t.Class, registry.Classes)
	if t.Class == registry.ClassMainMeter {
		r.fault(at.Then("class"), "a %s has no run-hours, so it has no price; take the tariff out", registry.ClassMainMeter)
	}
	out := registry.Tariff{Site: site, Class: t.Class}
	if t.From == "" {
		r.fault(at.Then("from"), "from is missing; give the first day of the price, such as 2026-10-01")
	} else {
		out.ValidFromMs = r.date(at.Then("from"), t.From)
	}
	paise, problem := paise(t.RupeesPerRunHour)
	if problem != "" {
		r.fault(at.Then("rupees_per_run_hour"), "rupees_per_run_hour: %s", problem)
	}
	out.PaisePerRunHour = paise
	return out
}

// amountPattern allows up to ₹ 999,999,999.99: no rounding, no overflow, no exponent.
var amountPattern = regexp.MustCompile(`^([0-9]{1,9})(?:\.([0-9]{1,2}))?$`)

// paise reads an amount in rupees exactly. A problem says in words what is wrong.
func paise(rupees string) (amount int64, problem string) {
	m := amountPattern.FindStringSubmatch(rupees)
	switch _, decimals, _ := strings.Cut(rupees, "."); {
	case rupees == "":
		return 0, `the amount is missing; give it as "120.00"`
	case m == nil && len(decimals) > 2 && strings.Trim(decimals, "0123456789") == "":
		return 0, strconv.Quote(rupees) + " has more than two decimals; a rupee has 100 paise"
	case m == nil:
		return 0, strconv.Quote(rupees) + ` is no amount; give rupees and paise as "120.00", without sign, comma or ₹`
	}
	whole, _ := strconv.ParseInt(m[1], 10, 64)
	part, _ := strconv.ParseInt((m[2] + "00")[:2], 10, 64)
	return 100*whole + part, ""
}
