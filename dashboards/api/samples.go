package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
)

type samplesInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"furnace-1"`
	Span
}

func (a *API) routeSamples() {
	table := operation("get-samples-csv", http.MethodGet, "/sites/{site}/machines/{machine}/samples.csv", "The samples themselves as a table for spreadsheets",
		"Every stored sample of from–to, at most 25 hours: what all figures of a machine are made of. A row for each time, a column for each quantity that was measured, units in the header. "+
			"quality names what is not plainly good, for example power=estimated. Times are the site's, with its offset. Cards are not among them.")
	table = giving(table, "The table", "text/csv")
	huma.Register(a.huma, table, func(ctx context.Context, in *samplesInput) (*fileOutput, error) {
		fromMs, toMs, err := in.check(25 * time.Hour) // the longest day of any zone
		if err != nil {
			return nil, err
		}
		if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
			return nil, err
		}
		loc, err := a.zone(ctx, in.Site)
		if err != nil {
			return nil, err
		}
		body, err := a.samplesTable(ctx, in.Site, in.Machine, fromMs, toMs, loc)
		if err != nil {
			return nil, a.fail(ctx, "read the samples", err)
		}
		return file(csvType, in.Machine+"-"+at(fromMs).In(loc).Format("2006-01-02-1504")+"-samples.csv", body), nil
	})
}

// samplesTable has a column for each numeric quantity that occurs in [fromMs, toMs).
func (a *API) samplesTable(ctx context.Context, site, machine string, fromMs, toMs int64, loc *time.Location) ([]byte, error) {
	var all []quantity.Quantity
	var fields []string
	for _, q := range quantity.All() {
		if q.Kind == quantity.KindNumber {
			all, fields = append(all, q), append(fields, q.Field)
		}
	}
	last, err := a.store.Last(ctx, tsdb.Query{Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: fields, FromMs: fromMs, ToMs: toMs})
	if err != nil {
		return nil, err
	}
	head := []string{"time"}
	q := tsdb.NumberQuery{Measurement: tsdb.Telemetry, Site: site, Machine: machine, FromMs: fromMs, ToMs: toMs}
	var names []string
	for _, row := range last {
		for i, v := range row.Values {
			if v == nil {
				continue
			}
			unit, special := units[all[i].Unit]
			if !special {
				unit = all[i].Unit
			}
			if unit != "" {
				unit = " [" + unit + "]"
			}
			q.Fields, names, head = append(q.Fields, all[i].Field), append(names, all[i].Name), append(head, all[i].Name+unit)
		}
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(append(head, "quality")) // a buffer does not fail
	if len(q.Fields) > 0 {
		cells := make([]string, len(head)+1)
		err = tsdb.ReadNumbers(ctx, a.store, q, func(row tsdb.NumberRow) error {
			var doubts []string
			cells[0] = at(row.TimeMs).In(loc).Format("2006-01-02T15:04:05.000Z07:00")
			for i, v := range row.Values {
				if cells[i+1] = ""; !math.IsNaN(v) {
					cells[i+1] = strconv.FormatFloat(v, 'f', -1, 64)
				}
				if row.Quality[i] != "" {
					doubts = append(doubts, names[i]+"="+row.Quality[i])
				}
			}
			cells[len(cells)-1] = strings.Join(doubts, " ")
			return w.Write(cells)
		})
	}
	w.Flush()
	return b.Bytes(), err
}
