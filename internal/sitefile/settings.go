package sitefile

import (
	"slices"
	"time"

	"karkhana/internal/config"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
)

// settings is one dated row of a machine's settings.
type settings struct {
	From       string          `yaml:"from"`       // a day of the site, or RFC 3339; left out: since ever
	Signal     string          `yaml:"signal"`     // default power
	IdleAbove  float64         `yaml:"idle_above"` // unit of the signal
	RunAbove   float64         `yaml:"run_above"`
	Hysteresis float64         `yaml:"hysteresis"` // default 0.1
	Dwell      dwell           `yaml:"dwell"`
	Report     config.Duration `yaml:"report"` // default 1s
	Alarms     alarms          `yaml:"alarms"`

	Pulse  config.Duration   `yaml:"pulse"`  // longest pause between two strokes of work; left out: none
	Status map[string]string `yaml:"status"` // signals status and status_code: value → off, idle, run, unknown
	Phases phases            `yaml:"phases"` // of a furnace; {} takes the defaults, left out: none
}

// phases says how a furnace's temperature is read.
type phases struct {
	Rate float64 `yaml:"rate"` // °C per minute, default 2
	Band float64 `yaml:"band"` // °C, default 10
	Cold float64 `yaml:"cold"` // °C, default 60
}

type dwell struct {
	Off  config.Duration `yaml:"off"`  // default 60s
	Idle config.Duration `yaml:"idle"` // default 120s
	Run  config.Duration `yaml:"run"`  // default 60s
}

type alarms struct {
	TemperatureMaxC float64         `yaml:"temperature_max_c"`
	VibrationRatio  float64         `yaml:"vibration_ratio"`
	SilentAfter     config.Duration `yaml:"silent_after"`

	AccelerationRatio float64 `yaml:"acceleration_ratio"`
	KurtosisRise      float64 `yaml:"kurtosis_rise"`
	Persist           persist `yaml:"persist"`
	BaselineFrom      string  `yaml:"baseline_from"` // a day of the site, or RFC 3339; left out: the first data
}

// persist is how many of how many running minutes must lie over a limit that is compared with the baseline.
type persist struct {
	Over int64 `yaml:"over"` // default 3
	Of   int64 `yaml:"of"`   // default 5
}

// The defaults are domain page §4.2: hysteresis of a tenth; a new state must last a window of a minute, idle two.
const (
	defaultHysteresis = 0.1
	defaultDwellOff   = time.Minute
	defaultDwellIdle  = 2 * time.Minute
	defaultDwellRun   = time.Minute
	defaultReport     = time.Second

	// Domain page §4.3.
	defaultPhaseRate = 2
	defaultPhaseBand = 10
	defaultPhaseCold = 60
)

// settings makes a row of what the file says; what it leaves out comes from the kit, if there is one, else it has its default. fromKit are the keys
// whose values are the kit's.
func (r *reader) settings(at config.Path, s settings, k *Kit) (row registry.Settings, fromKit []string) {
	if k != nil {
		fromKit = r.fillFromKit(at, &s, *k)
	}
	r.fillSettings(at, &s, fromKit)
	statusMap := r.status(at, &s)
	out := registry.Settings{
		Signal: s.Signal, IdleAbove: s.IdleAbove, RunAbove: s.RunAbove, Hysteresis: s.Hysteresis,
		DwellOffMs: s.Dwell.Off.Ms(), DwellIdleMs: s.Dwell.Idle.Ms(), DwellRunMs: s.Dwell.Run.Ms(),
		ReportMs:        s.Report.Ms(),
		TemperatureMaxC: s.Alarms.TemperatureMaxC, VibrationRatio: s.Alarms.VibrationRatio, SilentAfterMs: s.Alarms.SilentAfter.Ms(),
		AccelerationRatio: s.Alarms.AccelerationRatio, KurtosisRise: s.Alarms.KurtosisRise,
		PersistOver: s.Alarms.Persist.Over, PersistOf: s.Alarms.Persist.Of,
		PulseMs: s.Pulse.Ms(), StatusMap: statusMap,
		PhaseRateC: s.Phases.Rate, PhaseBandC: s.Phases.Band, PhaseColdC: s.Phases.Cold,
	}
	if s.Alarms.BaselineFrom != "" {
		out.BaselineFromMs = r.date(at.Then("alarms", "baseline_from"), s.Alarms.BaselineFrom)
	}
	if s.From != "" {
		out.ValidFromMs = r.date(at.Then("from"), s.From)
	}
	r.thresholds(at, s, out, fromKit)
	r.times(at, s)
	r.alarms(at.Then("alarms"), s)
	r.phases(at.Then("phases"), s.Phases)
	return out, fromKit
}

// fillSettings assigns the defaults of what the file leaves out.
func (r *reader) fillSettings(at config.Path, s *settings, fromKit []string) {
	missing := func(steps ...any) bool {
		return !r.src.Has(at.Then(steps...)...) && !slices.Contains(fromKit, config.Path(steps).String())
	}
	if missing("signal") {
		s.Signal = quantity.Power
	}
	if missing("hysteresis") {
		s.Hysteresis = defaultHysteresis
	}
	dwellOff, dwellIdle, dwellRun := defaultDwellOff, defaultDwellIdle, defaultDwellRun
	if isStatus(s.Signal) { // a controller does not waver
		dwellOff, dwellIdle, dwellRun = 0, 0, 0
	}
	if r.src.Has(at.Then("phases")...) {
		for _, p := range []struct {
			key   string
			value *float64
			to    float64
		}{{"rate", &s.Phases.Rate, defaultPhaseRate}, {"band", &s.Phases.Band, defaultPhaseBand}, {"cold", &s.Phases.Cold, defaultPhaseCold}} {
			if !r.src.Has(at.Then("phases", p.key)...) {
				*p.value = p.to
			}
		}
	}
	for _, d := range []struct {
		path  []any
		value *config.Duration
		to    time.Duration
	}{
		{[]any{"dwell", "off"}, &s.Dwell.Off, dwellOff},
		{[]any{"dwell", "idle"}, &s.Dwell.Idle, dwellIdle},
		{[]any{"dwell", "run"}, &s.Dwell.Run, dwellRun},
		{[]any{"report"}, &s.Report, defaultReport},
	} {
		if missing(d.path...) {
			*d.value = config.Duration(d.to)
		}
	}
}

// thresholds finds what is missing here and what is wrong with the values where the API and the command line do, too.
func (r *reader) thresholds(at config.Path, s settings, row registry.Settings, fromKit []string) {
	missing := map[string]bool{}
	for _, key := range []string{"idle_above", "run_above"} {
		if !isStatus(s.Signal) && !r.src.Has(at.Then(key)...) && !slices.Contains(fromKit, key) {
			missing[key] = true
			r.fault(at, "%s is missing; it is the %s at which the state begins (equal idle_above and run_above: no state idle)", key, s.Signal)
		}
	}
	for _, f := range row.ThresholdFaults() {
		if !missing[f.Key] {
			r.fault(at.Then(f.Key), "%s", f.Text)
		}
	}
}

// longestTime bounds report interval, dwell and silence: a day is beyond anything sensible.
const longestTime = 24 * time.Hour

func (r *reader) times(at config.Path, s settings) {
	for _, d := range []struct {
		path  []any
		value config.Duration
		least time.Duration
	}{
		{[]any{"dwell", "off"}, s.Dwell.Off, 0},
		{[]any{"dwell", "idle"}, s.Dwell.Idle, 0},
		{[]any{"dwell", "run"}, s.Dwell.Run, 0},
		{[]any{"pulse"}, s.Pulse, 0},
		{[]any{"report"}, s.Report, time.Millisecond},
	} {
		if v := d.value.Std(); v < d.least || v > longestTime {
			r.fault(at.Then(d.path...), "%v is %s; it must lie between %s and %s", config.Path(d.path), v, d.least, longestTime)
		}
	}
}

func (r *reader) alarms(at config.Path, s settings) {
	a := s.Alarms
	if r.src.Has(at.Then("temperature_max_c")...) && a.TemperatureMaxC <= 0 {
		r.fault(at.Then("temperature_max_c"), "temperature_max_c is %v; give a limit above 0 °C, or leave it out for no alarm", a.TemperatureMaxC)
	}
	for _, l := range []struct {
		key   string
		value float64
	}{{"vibration_ratio", a.VibrationRatio}, {"acceleration_ratio", a.AccelerationRatio}} {
		if r.src.Has(at.Then(l.key)...) && l.value <= 1 {
			r.fault(at.Then(l.key), "%s is %v; it is a multiple of the machine's own baseline and must be above 1, or left out for no alarm", l.key, l.value)
		}
	}
	if r.src.Has(at.Then("kurtosis_rise")...) && a.KurtosisRise <= 0 {
		r.fault(at.Then("kurtosis_rise"), "kurtosis_rise is %v; it is added to the machine's own baseline and must be above 0, usually 1.5, or left out for no alarm", a.KurtosisRise)
	}
	if p := a.Persist; r.src.Has(at.Then("persist")...) && (p.Over < 1 || p.Of < p.Over || p.Of > 10) {
		r.fault(at.Then("persist"), "persist is %d of %d minutes; give 1 ≤ over ≤ of ≤ 10, usually {over: 3, of: 5}", p.Over, p.Of)
	}
	if r.src.Has(at.Then("silent_after")...) && (a.SilentAfter.Std() <= s.Report.Std() || a.SilentAfter.Std() > longestTime) {
		r.fault(at.Then("silent_after"), "silent_after is %s; it must be longer than the report interval (%s) and at most %s, or left out for no alarm", a.SilentAfter, s.Report, longestTime)
	}
}
