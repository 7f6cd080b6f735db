package session

import (
	"embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"karkhana/internal/spreadsheet"
)

//go:embed i18n/*.json
var texts embed.FS

// WriteCSV writes the sheet as a table in a language (hi or en): a header, one row per stretch, the total, then the
// versions of the factors. It begins with the UTF-8 byte order mark, which Excel needs for Hindi; times are the site's.
// A text that a spreadsheet would take for a formula gets an apostrophe in front.
func (s JobSheet) WriteCSV(w io.Writer, lang string) error {
	b, err := texts.ReadFile("i18n/" + lang + ".json")
	if err != nil {
		return fmt.Errorf("language %q: use hi or en", lang)
	}
	t := map[string]string{}
	if err := json.Unmarshal(b, &t); err != nil {
		return fmt.Errorf("texts of language %s: %w", lang, err)
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return fmt.Errorf("zone of the job sheet: %w", err)
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("write the job sheet: %w", err)
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	var header []string
	for _, k := range []string{"job", "machine", "from", "to", "run_s", "idle_s", "off_s", "unknown_s", "energy_wh", "co2_g", "coverage", "note"} {
		header = append(header, t[k])
	}
	rows := [][]string{header}
	form := func(at time.Time) string { return at.In(zone).Format("02-01-2006 15:04:05") }
	for _, st := range s.Stretches {
		notes := []string{t[st.Source]}
		if st.By != "" {
			notes[0] += " (" + st.By + ")"
		}
		if st.Open {
			notes = append(notes, t["open"])
		}
		if st.Shared {
			notes = append(notes, t["shared"])
		}
		rows = append(rows, st.row(spreadsheet.Text(s.Number), spreadsheet.Text(st.MachineName.In(lang, st.Machine)), form(st.From), form(st.To), notes, t))
	}
	rows = append(rows, s.Total.row(spreadsheet.Text(s.Number), t["total"], "", "", nil, t))
	for _, e := range s.Factors {
		rows = append(rows, []string{t["factor"], spreadsheet.Text(e.Version), strconv.FormatFloat(float64(e.MicroKgPerKWh)/1e6, 'f', -1, 64), "kg CO2/kWh", "", "", "", "", "", "", "", ""})
	}
	if err := c.WriteAll(rows); err != nil {
		return fmt.Errorf("write the job sheet: %w", err)
	}
	return nil
}

func (f JobFigures) row(number, machine, from, to string, notes []string, t map[string]string) []string {
	whole := func(n int64) string { return strconv.FormatInt((n+500)/1000, 10) }
	co2, coverage := "", ""
	if f.GramsCO2 != nil {
		co2 = strconv.FormatInt(*f.GramsCO2, 10)
	}
	if f.Coverage != nil {
		coverage = strconv.FormatFloat(math.Floor(*f.Coverage*1000)/1000, 'f', 3, 64) // 1.000 is whole
	}
	if f.EnergyEstimated {
		notes = append(notes, t["estimated"])
	}
	return []string{number, machine, from, to, whole(f.RunMs), whole(f.IdleMs), whole(f.OffMs), whole(f.UnknownMs), whole(f.MilliWh), co2, coverage, spreadsheet.Text(strings.Join(notes, "; "))}
}
