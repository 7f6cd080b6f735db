package report

import (
	"embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/i18n"
	"karkhana/internal/registry"
)

//go:embed i18n/*.json
var texts embed.FS

// words are the texts of one language, and how it shows names and numbers.
type words struct {
	lang string
	text map[string]string
	zone *time.Location

	flags timeline.FlagTexts
}

func loadWords(lang, zone string) (*words, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("zone of the report: %w", err)
	}
	text, err := i18n.Load(texts, lang)
	if err != nil {
		return nil, err
	}
	flags, err := timeline.LoadFlagTexts(lang)
	if err != nil {
		return nil, err
	}
	return &words{lang: lang, text: text, zone: loc, flags: flags}, nil
}

// t returns a text with its places {0}, {1} … filled. An unknown key stands for itself.
func (w *words) t(key string, fill ...any) string {
	s, ok := w.text[key]
	if !ok {
		return key
	}
	for i, f := range fill {
		s = strings.ReplaceAll(s, "{"+strconv.Itoa(i)+"}", fmt.Sprint(f))
	}
	return s
}

// flagged are notes on the energy of machines: those of which the same is to be known stand together.
type flagged struct {
	texts    []string
	machines map[string][]string // by text
}

// add notes what is to be known of a machine's energy, if there is something.
func (f *flagged) add(w *words, n registry.Name, id string, flags []string) {
	if len(flags) == 0 {
		return
	}
	text := w.flags.Join(flags)
	if f.machines == nil {
		f.machines = map[string][]string{}
	}
	if f.machines[text] == nil {
		f.texts = append(f.texts, text)
	}
	f.machines[text] = append(f.machines[text], w.name(n, id))
}

func (f *flagged) say(w *words) []string {
	var out []string
	for _, text := range f.texts {
		out = append(out, w.t("note.flags", strings.Join(f.machines[text], ", "), text))
	}
	return out
}

// name is in the language of the paper, else in the other one, else the id.
func (w *words) name(n registry.Name, id string) string { return n.In(w.lang, id) }

// month is November 2026, नवंबर 2026.
func (w *words) month(name string) string {
	year, month, _ := strings.Cut(name, "-")
	return w.t("month."+month) + " " + year
}

// date is 22-11-2026 in the site's zone.
func (w *words) date(t time.Time) string { return t.In(w.zone).Format("02-01-2006") }

// moment is 22-11-2026 10:42 in the site's zone.
func (w *words) moment(t time.Time) string { return t.In(w.zone).Format("02-01-2006 15:04") }

// second is 22-11-2026 10:42:05 in the site's zone.
func (w *words) second(t time.Time) string { return t.In(w.zone).Format("02-01-2006 15:04:05") }

// since is the first day of a dated row.
func (w *words) since(t *time.Time) string {
	if t == nil {
		return w.t("since-ever")
	}
	if local := t.In(w.zone); local.Hour() != 0 || local.Minute() != 0 {
		return w.moment(*t)
	}
	return w.date(*t)
}

// cell is a figure as people read it and as a spreadsheet wants it.
type cell struct{ text, raw string }

func same(s string) cell { return cell{s, s} }

func count(n int64) cell { return cell{grouped(strconv.FormatInt(n, 10)), strconv.FormatInt(n, 10)} }

// hundredths shows a whole number of hundredths: 12345678 is 1,23,456.78.
func hundredths(n int64) cell {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	whole, part := strconv.FormatInt(n/100, 10), fmt.Sprintf(".%02d", n%100)
	return cell{sign + grouped(whole) + part, sign + whole + part}
}

// thousandths shows a whole number of thousandths with its unit: 1234567 is 1,234.567.
func thousandths(n int64, of string) cell {
	whole, part := strconv.FormatInt(n/1000, 10), fmt.Sprintf(".%03d", n%1000)
	return cell{grouped(whole) + part + of, whole + part}
}

// unit puts a unit behind a figure for people.
func unit(c cell, of string) cell { return cell{c.text + " " + of, c.raw} }

// hours shows milliseconds as hours; what is there, but less than the last place shows, is not zero.
func hours(ms int64) cell {
	c := hundredths(halfUp(ms, hourMs/100))
	if ms > 0 && halfUp(ms, hourMs/100) == 0 {
		c.text = "<0.01"
	}
	return c
}

// kWh shows milliwatt-hours; an estimated figure has ~ before it.
func kWh(milli int64, estimated bool) cell {
	n := halfUp(max(milli, -milli), 10_000)
	if milli < 0 {
		n = -n
	}
	c := hundredths(n)
	if estimated && milli != 0 {
		c.text = "~" + c.text
	}
	return c
}

// rupees shows paise: -₹1,234.00.
func rupees(paise int64) cell {
	c := hundredths(paise)
	digits, minus := strings.CutPrefix(c.text, "-")
	c.text = "₹" + digits
	if minus {
		c.text = "-" + c.text
	}
	return c
}

// percent shows a ratio with one decimal; nil is a dash.
func percent(v *float64) cell {
	if v == nil {
		return cell{"–", ""}
	}
	s := strconv.FormatFloat(*v*100, 'f', 1, 64)
	return cell{s + " %", s}
}

// coverage shows a share of what is known, never rounded up: 100.0 % means all of it.
func coverage(v *float64) cell {
	if v == nil {
		return percent(nil)
	}
	down := math.Floor(*v*1000) / 1000
	return percent(&down)
}

// grouped sets the commas of Indian digit grouping: the last three, then twos.
func grouped(digits string) string {
	digits, minus := strings.CutPrefix(digits, "-")
	for i := len(digits) - 3; i > 0; i -= 2 {
		digits = digits[:i] + "," + digits[i:]
	}
	if minus {
		return "-" + digits
	}
	return digits
}

// measured is a number as it was set, with Indian grouping: 1,000.5.
func measured(v float64) cell {
	s := strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
	whole, rest, _ := strings.Cut(s, ".")
	if rest != "" {
		rest = "." + rest
	}
	return cell{grouped(whole) + rest, s}
}

// zoneName is the name of the site's zone: in words where there are some.
func (w *words) zoneName() string {
	if name, ok := w.text["zone."+w.zone.String()]; ok {
		return name
	}
	return w.zone.String()
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
