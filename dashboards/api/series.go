package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
)

// Series is a down-sampled series: every piece keeps the smallest and largest value it covers.
type Series struct {
	Quantity string  `json:"quantity"`
	Unit     string  `json:"unit" doc:"Unit of the values, for people" example:"mm/s"`
	StepS    float64 `json:"step_s" doc:"Length of one piece, s"`
	Points   []Point `json:"points" nullable:"false" doc:"Oldest first; a piece without samples is left out"`
}

// Point covers [T, T + StepS).
type Point struct {
	T    time.Time `json:"t"`
	Min  float64   `json:"min"`
	Max  float64   `json:"max"`
	Mean float64   `json:"mean"`
	N    int64     `json:"n" doc:"Samples in the piece"`
	// Bounded is of the time and not of the value.
	Bounded bool `json:"bounded,omitempty" doc:"The gateway had no time then: when this was is known only to lie between its neighbours"`
}

type seriesInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"furnace-1"`
	Span
	Quantity string `query:"quantity" required:"true" maxLength:"40" example:"power"`
	Points   int    `query:"points" minimum:"2" maximum:"2000" default:"300" doc:"About how many pieces are wanted"`
}

type seriesOutput struct{ Body Series }

// units are the units of stored values for people, by wire unit.
var units = map[string]string{"Cel": "°C", "m/s": "mm/s", "m/s2": "m/s²", "/": "", "%RH": "%"}

func (a *API) routeSeries() {
	huma.Register(a.huma, operation("get-series", http.MethodGet, "/sites/{site}/machines/{machine}/series", "A measured quantity over time, for charts",
		"At most 400 days. Minimum and maximum of every piece are kept, so that no peak is lost."),
		func(ctx context.Context, in *seriesInput) (*seriesOutput, error) {
			fromMs, toMs, err := in.check(400 * day)
			if err != nil {
				return nil, err
			}
			q, ok := quantity.Get(in.Quantity)
			if !ok || q.Kind != quantity.KindNumber {
				return nil, problem(http.StatusBadRequest, "no series of %q; %s", in.Quantity, known("quantities", numbers()))
			}
			if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
				return nil, err
			}
			unit, special := units[q.Unit]
			if !special {
				unit = q.Unit
			}
			step := stepFor(fromMs, toMs, in.Points)
			points, err := a.series(ctx, in.Site, in.Machine, q, fromMs, toMs, step)
			if err != nil {
				return nil, a.fail(ctx, "read the series", err)
			}
			return &seriesOutput{Body: Series{Quantity: q.Name, Unit: unit, StepS: seconds(step), Points: points}}, nil
		})
}

// numbers are the basic numeric quantities: those of windows (_min, _max) and phases are accepted but not listed.
func numbers() []string {
	var out []string
	for _, q := range quantity.All() {
		if q.Kind == quantity.KindNumber && !strings.ContainsAny(q.Name, "_") || q.Name == quantity.PowerFactor {
			out = append(out, q.Name)
		}
	}
	return out
}

// stepFor is the length of a piece, ms: whole seconds, so that about the wanted number of pieces comes out.
func stepFor(fromMs, toMs int64, points int) int64 {
	step := (toMs - fromMs + int64(points) - 1) / int64(points)
	return max(1000, (step+999)/1000*1000)
}

// series reads the pieces of a quantity. Where gateways send the minimum and maximum of their windows beside the
// mean, those bound the pieces: a two-second pulse stays visible in a year's chart.
func (a *API) series(ctx context.Context, site, machine string, q quantity.Quantity, fromMs, toMs, stepMs int64) ([]Point, error) {
	read := func(field string) ([]tsdb.Bucket, error) {
		return a.store.Buckets(ctx, tsdb.Query{Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{field}, FromMs: fromMs, ToMs: toMs}, stepMs)
	}
	buckets, err := read(q.Field)
	if err != nil {
		return nil, err
	}
	points := make([]Point, len(buckets))
	for i, b := range buckets {
		points[i] = Point{T: at(b.FromMs), Min: b.Min, Max: b.Max, Mean: b.Mean, N: b.Count}
	}
	doubtful, err := read(tsdb.TimeBounded)
	if err != nil {
		return nil, err
	}
	for _, b := range doubtful {
		if i, found := pieceAt(points, b.FromMs); found {
			points[i].Bounded = true
		}
	}
	for _, suffix := range []string{"_min", "_max"} {
		window, ok := quantity.Get(q.Name + suffix)
		if !ok {
			continue
		}
		bounds, err := read(window.Field)
		if err != nil {
			return nil, err
		}
		for _, b := range bounds {
			i, found := pieceAt(points, b.FromMs)
			if !found {
				continue
			}
			points[i].Min, points[i].Max = min(points[i].Min, b.Min), max(points[i].Max, b.Max)
		}
	}
	return points, nil
}

// pieceAt finds the piece that begins at ms.
func pieceAt(points []Point, ms int64) (int, bool) {
	return slices.BinarySearchFunc(points, at(ms), func(p Point, t time.Time) int { return p.T.Compare(t) })
}
