package utilisation

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/i18n"
	"karkhana/internal/spreadsheet"
)

// columns are the keys of the CSV's header, in order.
var columns = []string{
	"machine", "from", "to", "shift", "off_h", "idle_h", "run_h", "unknown_h", "energy_kwh", "energy_estimated", "energy_flags",
	"calendar", "pot_h", "pbt_h", "apt_h", "aubt_h", "unattributed_h", "planned_unknown_h", "power_cut_h", "outside_run_h",
	"coverage_pct", "availability_pct", "allocation_pct", "utilization_pct", "failures", "mtbf_h", "mttr_h",
	"capacity_year_h", "capacity_h", "capacity_pct", "why",
}

// WriteCSV writes figures as a table: a header in the language (hi or en), one row for each machine and period.
//
// It begins with the UTF-8 byte order mark, because Excel otherwise reads Hindi as Latin characters, and ends lines with
// CR LF. Dates are dd-mm-yyyy HH:MM in zone. A figure that is not given is empty; the last column says why.
func WriteCSV(w io.Writer, rows []MachineKPIs, lang string, zone *time.Location) error {
	t, err := i18n.Load(texts, lang)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	flags, err := timeline.LoadFlagTexts(lang)
	if err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	header := make([]string, len(columns))
	for i, k := range columns {
		header[i] = t[k]
	}
	out := [][]string{header}
	for _, m := range rows {
		for i := range m.KPIs {
			out = append(out, m.KPIs[i].row(spreadsheet.Text(m.Machine.Name.In(lang, m.Machine.ID)), lang, t, flags, zone))
		}
	}
	if err := c.WriteAll(out); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

func (k *KPI) row(machine, lang string, t map[string]string, flags timeline.FlagTexts, zone *time.Location) []string {
	local := func(ms int64) string { return time.UnixMilli(ms).In(zone).Format("02-01-2006 15:04") }
	hours := func(ms int64) string { return strconv.FormatFloat(float64(ms)/3_600_000, 'f', 3, 64) }
	percent := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v*100, 'f', 1, 64)
	}
	longs := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v/3_600_000, 'f', 2, 64)
	}
	shift, estimated := "", t["no"]
	if k.Shift != nil {
		shift = spreadsheet.Text(k.Shift.Name.In(lang, k.Shift.Shift))
	}
	if k.EnergyEstimated {
		estimated = t["yes"]
	}
	energy := k.OffMilliWh + k.IdleMilliWh + k.RunMilliWh + k.UnknownMilliWh
	return []string{
		machine, local(k.FromMs), local(k.ToMs), shift, hours(k.OffMs), hours(k.IdleMs), hours(k.RunMs), hours(k.UnknownMs),
		strconv.FormatFloat(float64(energy)/1e6, 'f', 3, 64), estimated, flags.Join(k.EnergyFlags.Codes()),
		t["calendar."+k.Calendar], hours(k.POTMs), hours(k.PBTMs), hours(k.APTMs()), hours(k.AUBTMs), hours(k.UnattributedMs),
		hours(k.Planned.UnknownMs), hours(k.PowerCutMs), hours(k.OutsideRunMs),
		percent(k.Coverage), percent(k.Availability), percent(k.AllocationEfficiency), percent(k.UtilizationEfficiency),
		strconv.FormatInt(k.Failures, 10), longs(k.MTBFMs), longs(k.MTTRMs),
		strconv.FormatInt(k.CapacityPerYearH, 10), hours(k.CapacityMs), percent(k.CapacityRatio), k.why(t),
	}
}

// why words the reasons: "Availability: closed …; MTBF: …", figures of one reason together.
func (k *KPI) why(t map[string]string) string {
	var parts []string
	for _, code := range Reasons {
		var figures []string
		for figure, is := range k.Why {
			if is == code {
				figures = append(figures, t["figure."+figure])
			}
		}
		if len(figures) > 0 {
			slices.Sort(figures)
			parts = append(parts, strings.Join(figures, ", ")+": "+t[code])
		}
	}
	return strings.Join(parts, "; ")
}
