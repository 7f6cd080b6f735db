package api

import (
	"bytes"
	"context"
	"embed"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/i18n"
	"karkhana/internal/registry"
	"karkhana/internal/spreadsheet"
)

//go:embed i18n/*.json
var tableTexts embed.FS

// TableInput asks a table for people or for programs.
type TableInput struct {
	Lang string `query:"lang" enum:"hi,en" doc:"Language of headings and words. Left out: names and codes for programs, which stay as they are"`
}

// table is a CSV under way. Without a language it is for programs: headings are the names of the columns, codes stand for themselves,
// times are 2026-11-22 15:04:05. With one it is for people, like the papers: words, dd-mm-yyyy, the names of machines, and the
// byte order mark without which Excel takes Hindi for Latin characters.
type table struct {
	lang  string
	words map[string]string // nil: for programs
	zone  *time.Location
	names map[string]registry.Name // of machines
	rows  [][]string

	flagWords timeline.FlagTexts
}

// newTable begins a table; lang is hi, en or empty.
func (a *API) newTable(ctx context.Context, site, lang string, columns ...string) (*table, error) {
	zone, err := a.zone(ctx, site)
	if err != nil {
		return nil, err
	}
	machines, err := a.reg.Machines(ctx, site)
	if err != nil {
		return nil, a.fail(ctx, "list the machines", err)
	}
	t, err := tableIn(lang, zone, columns...)
	if err != nil {
		return nil, a.fail(ctx, "words of the table", err)
	}
	for _, m := range machines {
		t.names[m.ID] = m.Name
	}
	return t, nil
}

func tableIn(lang string, zone *time.Location, columns ...string) (*table, error) {
	t := &table{lang: lang, zone: zone, names: map[string]registry.Name{}}
	if lang != "" {
		var err error
		if t.words, err = i18n.Load(tableTexts, lang); err != nil {
			return nil, err
		}
		if t.flagWords, err = timeline.LoadFlagTexts(lang); err != nil {
			return nil, err
		}
	}
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = t.word("col.", c)
	}
	t.rows = append(t.rows, head)
	return t, nil
}

// word is a code in the table's language.
func (t *table) word(kind, code string) string {
	if w, ok := t.words[kind+code]; ok {
		return w
	}
	return code
}

// codes are several: with a blank between for programs, as a list for people.
func (t *table) codes(kind string, codes []string) string {
	if t.words == nil {
		return strings.Join(codes, " ")
	}
	words := make([]string, len(codes))
	for i, c := range codes {
		words[i] = t.word(kind, c)
	}
	return strings.Join(words, "; ")
}

// yes is a truth: true and false for programs.
func (t *table) yes(is bool) string {
	switch {
	case t.words == nil:
		return strconv.FormatBool(is)
	case is:
		return t.words["yes"]
	default:
		return t.words["no"]
	}
}

// machine is its id for programs, its name for people.
func (t *table) machine(id string) string {
	if t.words == nil {
		return id
	}
	return t.name(t.names[id], id)
}

// name is the id for programs, the name for people.
func (t *table) name(n registry.Name, id string) string {
	if t.words == nil {
		return id
	}
	return spreadsheet.Text(n.In(t.lang, id))
}

// time is a time of the site; form is one of time.DateOnly, time.DateTime or minuteForm.
func (t *table) time(at time.Time, form string) string {
	if t.words != nil {
		form = strings.Replace(form, time.DateOnly, "02-01-2006", 1)
	}
	return at.In(t.zone).Format(form)
}

// minuteForm is a time to the minute.
const minuteForm = "2006-01-02 15:04"

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) bytes() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if t.words != nil {
		b.WriteString("\ufeff")
		w.UseCRLF = true
	}
	_ = w.WriteAll(t.rows) // a buffer does not fail
	return b.Bytes()
}
