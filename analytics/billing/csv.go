package billing

import (
	"embed"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/i18n"
	"karkhana/internal/spreadsheet"
)

//go:embed i18n/*.json
var texts embed.FS

// columns are the keys of the CSV's header, in order.
var columns = []string{
	"group", "machine", "session_start", "session_end", "from", "to", "run_s", "idle_s", "unknown_s", "held_s", "energy_wh",
	"tariff_class", "tariff_valid_from", "rate", "amount", "note",
}

// WriteCSV writes the statement as a table: a header in the language (hi or en), one row per line, the total, and
// after it the training sessions, which are not billed.
//
// It begins with the UTF-8 byte order mark, because Excel otherwise reads Hindi as Latin characters, and ends lines
// with CR LF. Dates are dd-mm-yyyy HH:MM:SS in the site's zone, amounts plain decimals (1234.50). A text that a
// spreadsheet would take for a formula gets an apostrophe before it.
func (s Statement) WriteCSV(w io.Writer, lang string) error {
	t, err := i18n.Load(texts, lang)
	if err != nil {
		return err
	}
	flags, err := timeline.LoadFlagTexts(lang)
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return fmt.Errorf("zone of the statement: %w", err)
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	header := make([]string, len(columns))
	for i, k := range columns {
		header[i] = t[k]
	}
	rows := [][]string{header}
	group := s.GroupName.In(lang, s.Group)
	for _, l := range s.Lines {
		rows = append(rows, l.row(group, lang, t, flags, zone))
	}
	rows = append(rows, s.totalRow(group, t))
	for _, l := range s.Training {
		rows = append(rows, l.row(group, lang, t, flags, zone))
	}
	if err := c.WriteAll(rows); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	return nil
}

func (l Line) row(group, lang string, t map[string]string, flags timeline.FlagTexts, zone *time.Location) []string {
	const form = "02-01-2006 15:04:05"
	local := func(at time.Time) string { return at.In(zone).Format(form) }
	end, class, validFrom, rate := "", "", "", ""
	if l.SessionEnd != nil {
		end = local(*l.SessionEnd)
	}
	if l.Tariff != nil {
		class, validFrom, rate = l.Tariff.Class, local(l.Tariff.ValidFrom), decimalRupees(l.Tariff.PaisePerRunHour)
	}
	var notes []string
	if l.Training {
		notes = append(notes, t["training"])
	} else if l.Tariff == nil {
		notes = append(notes, t[ProblemNoTariff])
	}
	if l.Open {
		notes = append(notes, t[ProblemOpen])
	}
	for _, h := range l.Held {
		after, before := "?", "?"
		if h.NotBefore != nil {
			after = local(*h.NotBefore)
		}
		if h.NotAfter != nil {
			before = local(*h.NotAfter)
		}
		notes = append(notes, fmt.Sprintf("%s (%s – %s)", t[ProblemBounded], after, before))
	}
	if len(l.EnergyFlags) > 0 {
		notes = append(notes, fmt.Sprintf("%s: %s", t["energy_wh"], flags.Join(l.EnergyFlags)))
	}
	for _, c := range l.Corrections {
		notes = append(notes, fmt.Sprintf("%s %d: %s (%s)", t["corrected"], c.ID, c.Reason, c.Author))
	}
	return []string{
		spreadsheet.Text(group), spreadsheet.Text(l.MachineName.In(lang, l.Machine)), local(l.SessionStart), end, local(l.From), local(l.To),
		whole(l.RunS), whole(l.IdleS), whole(l.UnknownS), whole(l.HeldS), whole(l.EnergyWh),
		spreadsheet.Text(class), validFrom, rate, decimalRupees(l.AmountPaise), spreadsheet.Text(strings.Join(notes, "; ")),
	}
}

func (s Statement) totalRow(group string, t map[string]string) []string {
	var notes []string
	seen := map[string]bool{}
	for _, p := range s.Problems {
		if !seen[p.Code] {
			seen[p.Code] = true
			notes = append(notes, t[p.Code])
		}
	}
	return []string{
		spreadsheet.Text(group), t["total"], "", "", "", "",
		whole(s.Total.RunS), whole(s.Total.IdleS), whole(s.Total.UnknownS), whole(s.Total.HeldS), whole(s.Total.EnergyWh),
		"", "", "", decimalRupees(s.Total.AmountPaise), strings.Join(notes, "; "),
	}
}

func whole(n int64) string { return strconv.FormatInt(n, 10) }
