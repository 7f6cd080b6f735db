package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/energy"
)

// EnergyBaseline is what a day's energy depends on in a base period, and the days held against it.
type EnergyBaseline struct {
	BaseFrom     time.Time           `json:"base_from"`
	BaseTo       time.Time           `json:"base_to"`
	Days         int                 `json:"days" doc:"Days of the base that the model is fitted to"`
	LeftOut      int                 `json:"left_out" doc:"Days of the base of which less than 80 % is known"`
	MissingDays  int                 `json:"missing_days" doc:"Days of the base of which a variable of the model is not known"`
	Refused      string              `json:"refused,omitempty" enum:"few-periods,no-spread,collinear,missing,no-figures" doc:"No model: fewer than 10 days, or why the first variable was left out when none is left"`
	Doubts       []string            `json:"doubts" nullable:"false" doc:"low-r2: the variables explain less than 75 % of the energy; negative-slope; not-significant: a coefficient that may be chance"`
	StandingWh   float64             `json:"standing_wh" doc:"b0: energy of a day on which nothing happened"`
	WhPerRunHour float64             `json:"wh_per_run_hour" doc:"b1: what a run-hour adds; 0 when run-hours are not in the model"`
	R2           float64             `json:"r2"`
	AdjustedR2   float64             `json:"adjusted_r2" doc:"For the degrees of freedom: more variables alone do not raise it"`
	ResidualWh   float64             `json:"residual_wh" doc:"Standard deviation of what the model does not explain"`
	Condition    float64             `json:"condition" doc:"Condition number of the scaled variables: 1 when none goes with another"`
	Variables    []EnergyVariable    `json:"variables" nullable:"false" doc:"Of the model"`
	Omitted      []OmittedVariable   `json:"omitted" nullable:"false" doc:"Asked for, but not carried by the data"`
	RunHoursMin  float64             `json:"run_hours_min" doc:"Range of the base"`
	RunHoursMax  float64             `json:"run_hours_max"`
	Points       []EnergyBaselineDay `json:"points" nullable:"false"`
}

// EnergyVariable is a coefficient of the model.
type EnergyVariable struct {
	Variable        string   `json:"variable" enum:"run-hours,kg,cold-starts"`
	WhPer           float64  `json:"wh_per" doc:"What one more adds to a day"`
	StandardErrorWh float64  `json:"standard_error_wh"`
	T               *float64 `json:"t,omitempty" doc:"Coefficient ÷ standard error; absent when the fit is exact"`
	P               float64  `json:"p" doc:"How often chance alone gives as much (two-sided, Student's t)"`
	VIF             float64  `json:"vif" doc:"Variance inflation: 1 when it goes with no other variable; above 10 it is left out"`
	Min             float64  `json:"min" doc:"Range of the base"`
	Max             float64  `json:"max"`
	MayBeChance     bool     `json:"may_be_chance" doc:"p above 0.05"`
}

// OmittedVariable is a variable that the data does not carry.
type OmittedVariable struct {
	Variable string `json:"variable" enum:"run-hours,kg,cold-starts"`
	Why      string `json:"why" enum:"no-figures,missing,few-periods,no-spread,collinear" doc:"no-figures: the machine has none; missing: not known on more than a fifth of the days; few-periods: 10 days and 5 more for each further variable are needed; collinear: goes with those before it (VIF above 10)"`
}

// EnergyBaselineDay is a day of the site against the model.
type EnergyBaselineDay struct {
	From            time.Time `json:"from"`
	RunHours        float64   `json:"run_hours"`
	Kg              *float64  `json:"kg,omitempty" doc:"Of the jobs on the machine; absent: not asked or not known"`
	ColdStarts      *float64  `json:"cold_starts,omitempty" doc:"Absent: not asked, no furnace, or not known"`
	EnergyWh        float64   `json:"energy_wh"`
	EnergyEstimated bool      `json:"energy_estimated"`
	PredictedWh     *float64  `json:"predicted_wh,omitempty"`
	SavingWh        *float64  `json:"saving_wh,omitempty" doc:"Predicted − actual"`
	CusumWh         *float64  `json:"cusum_wh,omitempty" doc:"Sum of the savings since from"`
	Outside         bool      `json:"outside" doc:"A variable lies outside the base's range: the model is extrapolated"`
	OutsideOf       []string  `json:"outside_of" nullable:"false" doc:"Which"`
	Missing         []string  `json:"missing" nullable:"false" doc:"Variables of the model that are not known of the day: no prediction"`
	InBase          bool      `json:"in_base"`
}

// BaselineInput asks for a baseline and days against it.
type BaselineInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"furnace-1"`
	Span
	BaseFrom  time.Time `query:"base_from" required:"true" doc:"Begin of the base period (RFC 3339)"`
	BaseTo    time.Time `query:"base_to" required:"true" doc:"End of the base period (RFC 3339)"`
	Variables []string  `query:"variables" enum:"run-hours,kg,cold-starts" maxItems:"3" doc:"What the energy may depend on; left out: all that the data carry"`
}

type baselineOutput struct{ Body EnergyBaseline }

func (a *API) routeEnergyBaseline() {
	huma.Register(a.huma, operation("get-energy-baseline", http.MethodGet, "/sites/{site}/machines/{machine}/baseline", "Energy baseline and CUSUM of a machine",
		"Energy of a day = standing load + run-hours, kg and cold starts × their coefficients, by least squares over the whole days of the base period (ISO 50006), and the days of from–to against it. "+
			"Variables that the data do not carry are left out, with the reason."),
		func(ctx context.Context, in *BaselineInput) (*baselineOutput, error) {
			m, points, err := a.energyBaseline(ctx, in)
			if err != nil {
				return nil, err
			}
			return &baselineOutput{shownBaseline(&m, points)}, nil
		})
	csv := operation("get-energy-baseline-csv", http.MethodGet, "/sites/{site}/machines/{machine}/baseline.csv", "Energy baseline and CUSUM of a machine as a table for spreadsheets",
		"A row for each day. Days are the site's.")
	huma.Register(a.huma, giving(csv, "The table", "text/csv"), func(ctx context.Context, in *struct {
		BaselineInput
		TableInput
	}) (*fileOutput, error) {
		_, points, err := a.energyBaseline(ctx, &in.BaselineInput)
		if err != nil {
			return nil, err
		}
		t, err := a.newTable(ctx, in.Site, in.Lang, "day", "run_hours", "kg", "cold_starts", "kwh", "estimated", "predicted_kwh", "saving_kwh", "cusum_kwh", "outside_base_range", "missing", "in_base")
		if err != nil {
			return nil, err
		}
		t.baseline(points)
		return file(csvType, in.Site+"-"+in.Machine+"-cusum.csv", t.bytes()), nil
	})
}

func (a *API) energyBaseline(ctx context.Context, in *BaselineInput) (energy.Model, []energy.Point, error) {
	fail := func(err error) (energy.Model, []energy.Point, error) { return energy.Model{}, nil, err }
	fromMs, toMs, err := in.check(400 * day)
	if err != nil {
		return fail(err)
	}
	base := Span{From: in.BaseFrom, To: in.BaseTo}
	baseFromMs, baseToMs, err := base.check(400 * day)
	if err != nil {
		return fail(err)
	}
	if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
		return fail(err)
	}
	variables := in.Variables
	if len(variables) == 0 {
		variables = energy.Variables
	}
	m, points, err := energy.Baseline(ctx, a.energyDeps(), in.Site, in.Machine, variables, [2]int64{baseFromMs, baseToMs}, [2]int64{fromMs, toMs}, a.now().UnixMilli())
	if err != nil {
		return fail(a.fail(ctx, "work out the baseline", err))
	}
	return m, points, nil
}

func shownBaseline(m *energy.Model, points []energy.Point) EnergyBaseline {
	out := EnergyBaseline{
		BaseFrom: at(m.FromMs), BaseTo: at(m.ToMs), Days: m.N, LeftOut: m.LeftOut, MissingDays: m.Missing, Refused: m.Refused, Doubts: append([]string{}, m.Doubts...),
		StandingWh: m.B0, R2: m.R2, AdjustedR2: m.Adjusted, ResidualWh: m.ResidualWh, Condition: m.Condition,
		Variables: make([]EnergyVariable, len(m.Terms)), Omitted: make([]OmittedVariable, len(m.Omitted)), Points: make([]EnergyBaselineDay, len(points)),
	}
	for i, t := range m.Terms {
		out.Variables[i] = EnergyVariable{t.Variable, t.B, t.SE, t.T, t.P, t.VIF, t.Min, t.Max, t.NotCertain}
	}
	for i, o := range m.Omitted {
		out.Omitted[i] = OmittedVariable(o)
	}
	if t := m.Term(energy.RunHours); t != nil {
		out.WhPerRunHour, out.RunHoursMin, out.RunHoursMax = t.B, t.Min, t.Max
	}
	for i, p := range points {
		out.Points[i] = EnergyBaselineDay{
			From: at(p.FromMs), RunHours: p.RunHours, Kg: p.Kg, ColdStarts: p.ColdStarts, EnergyWh: p.Wh, EnergyEstimated: p.Estimated,
			PredictedWh: p.Predicted, SavingWh: p.Saving, CusumWh: p.Cusum, Outside: len(p.Outside) > 0, OutsideOf: append([]string{}, p.Outside...),
			Missing: append([]string{}, p.Missing...), InBase: p.InBase,
		}
	}
	return out
}

// baseline is a day per row; what is not known is empty.
func (t *table) baseline(points []energy.Point) {
	number := func(v *float64, decimals int) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'f', decimals, 64)
	}
	kwh := func(wh *float64) string {
		if wh == nil {
			return ""
		}
		v := *wh / 1000
		return number(&v, 3)
	}
	for i := range points {
		p := &points[i]
		t.row(t.time(at(p.FromMs), time.DateOnly), number(&p.RunHours, 4), number(p.Kg, 3), number(p.ColdStarts, 0), kwh(&p.Wh), t.yes(p.Estimated),
			kwh(p.Predicted), kwh(p.Saving), kwh(p.Cusum), t.codes("variable.", p.Outside), t.codes("variable.", p.Missing), t.yes(p.InBase))
	}
}
