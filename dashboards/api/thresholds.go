package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/drift"
	"karkhana/analytics/learn"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
)

// Threshold is what tells a machine's states apart.
type Threshold struct {
	IdleAbove float64 `json:"idle_above" exclusiveMinimum:"0" doc:"At or above: idle. Unit of the signal"`
	RunAbove  float64 `json:"run_above" exclusiveMinimum:"0" doc:"At or above: run. Equal to idle_above: the machine has no idle"`
	PulseS    float64 `json:"pulse_s" minimum:"0" maximum:"86400" doc:"Longest pause between two strokes of work that still counts as run; 0: none"`
}

type suggestionInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"cutting-1"`
	Span
	Signal string `query:"signal" enum:"power,power_max,power_min,current,speed" doc:"What tells the states; left out: that of the settings in force"`
}

// ThresholdRow is a dated row of a machine's settings, with the person who confirmed it.
type ThresholdRow struct {
	From time.Time `json:"from" doc:"Holds from here on until the next row; the first one also before"`
	Threshold
	Signal    string     `json:"signal"`
	Author    string     `json:"author,omitempty" doc:"Who confirmed it; absent: it came with the site file"`
	Confirmed *time.Time `json:"confirmed,omitempty"`
}

type suggestionOutput struct {
	Body struct {
		Signal     string         `json:"signal"`
		Unit       string         `json:"unit"`
		From       time.Time      `json:"from"`
		To         time.Time      `json:"to"`
		KnownS     float64        `json:"known_s" doc:"Of from–to, where the signal is known"`
		Present    *Threshold     `json:"present,omitempty" doc:"In force now"`
		Suggested  *Threshold     `json:"suggested,omitempty" doc:"Absent when refused"`
		Refused    *learn.Refusal `json:"refused,omitempty"`
		Why        string         `json:"why" doc:"In English; pages make their own words of the figures"`
		Classes    []learn.Class  `json:"classes" nullable:"false" doc:"Ascending"`
		Separation []float64      `json:"separation" nullable:"false" doc:"Of each class from the one below, in spreads; 3 are needed"`
		Histogram  []learn.Bin    `json:"histogram" nullable:"false" doc:"Bars of equal width of log10(value + 1)"`
		Settings   []ThresholdRow `json:"settings" nullable:"false" doc:"All dated rows, newest first"`
		Drift      *DriftFound    `json:"drift,omitempty" doc:"While an alarm of drift stands: from, to and all figures are then those of the newest working days"`
	}
}

// DriftFound is what an alarm of drift says, with the picture of the days that the thresholds in force were made for.
type DriftFound struct {
	learn.Drift
	Raised    time.Time   `json:"raised"`
	From      time.Time   `json:"from" doc:"Of the days that the thresholds in force were made for"`
	To        time.Time   `json:"to"`
	Histogram []learn.Bin `json:"histogram" nullable:"false" doc:"Of those days"`
}

type confirmInput struct {
	SiteInput
	Machine string `path:"machine" maxLength:"40" example:"cutting-1"`
	Body    struct {
		Threshold
		Signal     string        `json:"signal,omitempty" enum:"power,power_max,power_min,current,speed" doc:"What tells the states from then on; left out: as in force at that time"`
		Keep       bool          `json:"keep,omitempty" doc:"Confirm the settings in force once more, as they are; thresholds and valid_from are not looked at"`
		ValidFrom  time.Time     `json:"valid_from" doc:"From here on; the past after it is rebuilt"`
		LearntFrom time.Time     `json:"learnt_from" doc:"The stretch of the suggestion"`
		LearntTo   time.Time     `json:"learnt_to"`
		Classes    []learn.Class `json:"classes" maxItems:"3" doc:"Of the suggestion: kept beside the settings, to hold later ones against"`
	}
}

type confirmOutput struct {
	Body struct {
		ValidFrom time.Time `json:"valid_from"`
		Threshold
	}
}

func (a *API) routeThresholds() {
	huma.Register(a.huma, operation("suggest-thresholds", http.MethodGet, "/sites/{site}/machines/{machine}/threshold-suggestion", "Thresholds that a machine's history suggests",
		"A suggestion only: a person confirms it. Refused when a state is missing or states run into each other. At most 31 days, at least 7 known ones."),
		a.suggestThresholds)
	huma.Register(a.huma, operation("confirm-thresholds", http.MethodPost, "/sites/{site}/machines/{machine}/settings", "Confirm thresholds",
		"Makes a dated row of settings in the caller's name; all else stays as in force at that time. States are rebuilt from there on. Refused before later rows, which would end it unseen. An alarm of drift of the machine ends."),
		a.confirmThresholds)
}

// settingsAt are the settings in force at ms; false: there are none.
func (a *API) settingsAt(ctx context.Context, site, machine string, ms int64) (registry.Settings, bool, error) {
	rows, err := a.reg.SettingsAt(ctx, site, machine)
	if err != nil {
		return registry.Settings{}, false, a.fail(ctx, "read the settings", err)
	}
	return learn.InForce(rows, ms), len(rows) > 0, nil
}

func (a *API) suggestThresholds(ctx context.Context, in *suggestionInput) (*suggestionOutput, error) {
	fromMs, toMs, err := in.check(31 * day)
	if err != nil {
		return nil, err
	}
	if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
		return nil, err
	}
	rows, err := a.thresholdRows(ctx, in.Site, in.Machine)
	if err != nil {
		return nil, err
	}
	present, known, err := a.settingsAt(ctx, in.Site, in.Machine, a.now().UnixMilli())
	if err != nil {
		return nil, err
	}
	if present.Signal == "" {
		present.Signal = quantity.Power
	}
	other := in.Signal != "" && in.Signal != present.Signal
	if other && present.HasThresholds() {
		present.Signal, known = in.Signal, false // its thresholds are of another signal
	}
	s, knownMs, err := learn.Machine(ctx, a.store, in.Site, in.Machine, present, fromMs, toMs)
	if errors.Is(err, learn.ErrNoThresholds) {
		return nil, problem(http.StatusConflict, "%v", err)
	}
	if err != nil {
		return nil, a.fail(ctx, "learn thresholds", err)
	}
	var judged learn.Judgement
	var found *DriftFound
	if !other {
		if judged, found, err = a.driftOf(ctx, in.Site, in.Machine); err != nil {
			return nil, err
		}
	}
	if found != nil {
		states := 3
		if present.IdleAbove == present.RunAbove {
			states = 2
		}
		s = learn.Suggest(judged.Recent.Sum, states, 0, learn.Valley)
		s.PulseMs = present.PulseMs
		fromMs, toMs, knownMs = judged.Recent.FromMs, judged.Recent.ToMs, judged.Recent.Sum.KnownMs()
	}
	var out suggestionOutput
	b := &out.Body
	b.Drift, b.Settings = found, rows
	b.Signal, b.From, b.To, b.KnownS = present.Signal, at(fromMs), at(toMs), seconds(knownMs)
	if q, ok := quantity.Get(present.Signal); ok {
		b.Unit = q.Unit
	}
	if known {
		b.Present = &Threshold{present.IdleAbove, present.RunAbove, seconds(present.PulseMs)}
	}
	b.Classes, b.Separation, b.Histogram, b.Refused = s.Classes, s.Separation, s.Histogram, s.Refused
	if s.Refused != nil {
		b.Why = s.Refused.Error()
	} else {
		b.Suggested = &Threshold{s.IdleAbove, s.RunAbove, seconds(s.PulseMs)}
		b.Why = "each cut lies in the middle of the widest empty stretch between two states"
	}
	if b.Classes == nil {
		b.Classes, b.Separation = []learn.Class{}, []float64{}
	}
	if b.Separation == nil {
		b.Separation = []float64{}
	}
	if b.Histogram == nil {
		b.Histogram = []learn.Bin{}
	}
	return &out, nil
}

// thresholdRows are the dated rows of a machine's settings, newest first.
func (a *API) thresholdRows(ctx context.Context, site, machine string) ([]ThresholdRow, error) {
	rows, err := a.reg.SettingsAt(ctx, site, machine)
	if err != nil {
		return nil, a.fail(ctx, "read the settings", err)
	}
	confirmed, err := a.reg.ConfirmedThresholds(ctx, site, machine)
	if err != nil {
		return nil, a.fail(ctx, "read who confirmed the settings", err)
	}
	out := []ThresholdRow{}
	for _, s := range slices.Backward(rows) {
		row := ThresholdRow{From: at(s.ValidFromMs), Threshold: Threshold{s.IdleAbove, s.RunAbove, seconds(s.PulseMs)}, Signal: cmp.Or(s.Signal, quantity.Power)}
		if i := slices.IndexFunc(confirmed, func(c registry.Confirmed) bool { return c.ValidFromMs == s.ValidFromMs }); i >= 0 {
			row.Author, row.Confirmed = confirmed[i].Author, atOrNil(confirmed[i].ConfirmedMs)
		}
		out = append(out, row)
	}
	return out, nil
}

// driftOf is the drift of a machine with its days, as long as an alarm of it stands and the days still show it.
func (a *API) driftOf(ctx context.Context, site, machine string) (learn.Judgement, *DriftFound, error) {
	alarms, err := a.reg.Alarms(ctx, site, true, 0)
	if err != nil {
		return learn.Judgement{}, nil, a.fail(ctx, "read the alarms", err)
	}
	i := slices.IndexFunc(alarms, func(x registry.Alarm) bool { return x.Rule == registry.RuleThresholdDrift && x.Machine == machine })
	if i < 0 {
		return learn.Judgement{}, nil, nil
	}
	s, err := a.reg.Site(ctx, site)
	if err != nil {
		return learn.Judgement{}, nil, a.fail(ctx, "read the site", err)
	}
	j, _, _, err := drift.Judge(ctx, a.store, a.reg, s, machine, a.now(), false)
	if err != nil {
		return j, nil, a.fail(ctx, "judge the drift", err)
	}
	if j.Drift == nil {
		return j, nil, nil
	}
	return j, &DriftFound{Drift: *j.Drift, Raised: at(alarms[i].OpenedMs), From: at(j.RefFromMs), To: at(j.RefToMs), Histogram: learn.Bars(j.Reference)}, nil
}

func (a *API) confirmThresholds(ctx context.Context, in *confirmInput) (*confirmOutput, error) {
	if _, _, err := a.machine(ctx, in.Site, in.Machine); err != nil {
		return nil, err
	}
	now, b := a.now(), in.Body
	rows, err := a.reg.SettingsAt(ctx, in.Site, in.Machine)
	if err != nil {
		return nil, a.fail(ctx, "read the settings", err)
	}
	if !learn.InForce(rows, b.ValidFrom.UnixMilli()).HasThresholds() {
		return nil, problem(http.StatusConflict, "%v", learn.ErrNoThresholds)
	}
	s := learn.Row(rows, b.ValidFrom.UnixMilli(), b.IdleAbove, b.RunAbove, int64(b.PulseS*1000))
	if b.Signal != "" {
		s.Signal = b.Signal
	}
	if b.Keep {
		s = learn.InForce(rows, now.UnixMilli())
	}
	c := registry.Confirmed{
		Site: in.Site, Machine: in.Machine, ValidFromMs: s.ValidFromMs, ConfirmedMs: now.UnixMilli(), Author: caller(ctx).name,
		Signal: s.Signal, FromMs: b.LearntFrom.UnixMilli(), ToMs: b.LearntTo.UnixMilli(),
	}
	c.Classes = learn.Classed(b.Classes)
	err = a.reg.ConfirmThresholds(ctx, s, c)
	if _, ok := errors.AsType[*registry.SettingsFault](err); ok {
		return nil, problem(http.StatusUnprocessableEntity, "%v", err)
	}
	if err != nil {
		return nil, a.fail(ctx, "confirm the thresholds", err)
	}
	var out confirmOutput
	out.Body.ValidFrom, out.Body.Threshold = at(s.ValidFromMs), Threshold{s.IdleAbove, s.RunAbove, seconds(s.PulseMs)}
	return &out, nil
}
