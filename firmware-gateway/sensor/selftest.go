package sensor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/hardware/meter"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// Verdict is what a self-test says of one sensor.
type Verdict struct {
	Machine string   `json:"machine"`
	Sensor  string   `json:"sensor"`
	OK      bool     `json:"ok"`
	Seen    string   `json:"seen,omitempty"` // what it gave
	Do      []string `json:"do,omitempty"`   // what is wrong or doubtful, each with its remedy; a sensor that is OK may have hints
	// Advice says the same in words of a list, for other languages; as long as Do.
	Advice []Advice `json:"advice,omitempty"`
}

// Advice is a finding of a self-test by its name.
type Advice struct {
	Code string `json:"code"`           // one of those below, the kind of a finding about a meter, or fault:… as sent
	What string `json:"what,omitempty"` // the quantity or phases it is about
}

// Codes of advice.
const (
	AdviceSilent      = "silent"
	AdviceSaturated   = "saturated"
	AdviceOverloaded  = "overloaded" // a clamp
	AdviceMainsAway   = "mains-away"
	AdviceNoCurrent   = "no-current"
	AdviceDeadPhase   = "dead-phase"
	AdviceSwapped     = "swapped"
	AdviceBackwards   = "reversed"
	AdviceImplausible = "implausible"
)

// Test reads every sensor for a while and judges it. It opens lines and buses by itself: no gateway may use them. ctx
// ends it early, with what was seen until then.
func Test(ctx context.Context, o Options, lasts time.Duration) ([]Verdict, error) {
	// Each sensor stands alone, and meters tell all they know.
	var apart []config.Machine
	var names []string
	for _, m := range o.Machines {
		for _, c := range m.Sensors {
			if profile, err := meter.LoadProfile(c.Meter); c.Meter != "" && err == nil {
				c.Quantities = nil
				for _, r := range profile.Rows {
					if _, ok := quantity.Get(r.Name); ok {
						c.Quantities = append(c.Quantities, r.Name)
					}
				}
			}
			apart = append(apart, config.Machine{ID: fmt.Sprint(len(apart)), Source: config.SourceSensors, Sensors: []config.Sensor{c}, Every: m.Every})
			names = append(names, m.ID)
		}
	}
	o.Machines = apart
	set, err := New(o)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx) // no deadline: a reading that it cut off would look like a fault
	defer stop()
	end := time.Now().Add(lasts)
	done := make(chan struct{})
	go func() { defer close(done); set.Run(ctx) }()
	seen := make([]map[string]wire.Sample, len(apart))
	sources := make([]*Source, len(apart))
	for i, m := range apart {
		seen[i], sources[i] = map[string]wire.Sample{}, set.Source(m.ID)
	}
	for {
		for i, src := range sources {
			samples, _ := src.Sense(ctx, set.now()) // faults are samples
			for _, x := range samples {
				seen[i][x.Quantity] = x
			}
		}
		if !pause(ctx, 250*time.Millisecond) || time.Now().After(end) {
			break
		}
	}
	stop()
	<-done
	out := make([]Verdict, len(apart))
	for i, st := range set.States() {
		out[i] = judge(st, seen[i], lasts)
		out[i].Machine = names[i]
	}
	return out, set.Close()
}

// judge says what the last samples of a sensor show.
func judge(st State, seen map[string]wire.Sample, lasts time.Duration) Verdict {
	v := Verdict{Sensor: st.Sensor.Name(), OK: true, Seen: values(st.Sensor.Quantities, seen)}
	hint := func(code, what, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(v.Do, text) {
			v.Do, v.Advice = append(v.Do, text), append(v.Advice, Advice{code, what})
		}
	}
	bad := func(code, what, format string, args ...any) {
		v.OK = false
		hint(code, what, format, args...)
	}
	for _, f := range st.Findings {
		bad(f.Kind, f.Name, "%s", f.Detail)
	}
	if st.Err != nil {
		bad(wire.Fault+causeOf(st.Err), "", "%v", st.Err)
		return v
	}
	if !st.Tried {
		bad(AdviceSilent, "", "nothing was heard in %v: is it on, and does it send to this broker? Devices send every 10 s to 5 min: try --for 5m", lasts)
		return v
	}
	for _, q := range st.Sensor.Quantities {
		if x, ok := seen[q]; ok && x.Quality == saturated {
			code := map[bool]string{true: AdviceOverloaded, false: AdviceSaturated}[st.Sensor.Chip == "ctclamp"]
			bad(code, q, "%s is cut off at the end of the range: %s", q, map[bool]string{true: "take a clamp of more amperes, or a smaller burden", false: "set a larger range_g, or mount it where less shakes"}[st.Sensor.Chip == "ctclamp"])
		}
	}
	switch {
	case st.Sensor.Meter != "" || st.Sensor.MQTTMeter != "":
		electrical(seen, bad)
	case st.Sensor.Supply != "":
		if x, ok := seen[quantity.Supply]; ok && !x.Bool {
			bad(AdviceMainsAway, "", "it says that the mains is away: if it is there, look at the sense's wires, or set present_high")
		}
	case st.Sensor.Chip == "ctclamp":
		for q, x := range seen {
			if strings.HasPrefix(q, quantity.Current) && x.Number < 0.05 {
				hint(AdviceNoCurrent, q, "no current: switch the machine on and test again; if it stays, the clamp sits around both conductors, or its plug is out")
			}
		}
	case st.Sensor.CardReader != "":
		if len(seen) == 0 {
			v.Seen = "it answers; no card was shown"
		} else {
			v.Seen = "a card was read"
		}
	}
	return v
}

// Currents below this tell nothing about directions.
const someAmpere = 0.5

// electrical looks for reversed and swapped transformers, dead phases and values that do not fit together. A transformer
// the wrong way round gives its phase's power a minus at a normal power factor. Two that are swapped see a current 120°
// away from their voltage, so at least two phases have a low factor, and of a resistive load both are negative.
func electrical(seen map[string]wire.Sample, bad func(code, what, format string, args ...any)) {
	value := func(q string) (float64, bool) {
		x, ok := seen[q]
		return x.Number, ok && !x.IsFault()
	}
	all := map[string]float64{}
	for q, x := range seen {
		if !x.IsFault() {
			all[q] = x.Number
		}
	}
	var reversed, swapped []string
	for _, phase := range []string{"_l1", "_l2", "_l3"} {
		p, okP := value(quantity.Power + phase)
		volts, okV := value(quantity.Voltage + phase)
		amps, okA := value(quantity.Current + phase)
		if okV && volts == 0 {
			bad(AdviceDeadPhase, phase[1:], "phase %s has no voltage: look at its fuse and wire", phase[1:])
		}
		if !okP || !okV || !okA || math.Abs(amps) < someAmpere || volts == 0 {
			continue
		}
		factor := p / (volts * math.Abs(amps))
		if factor < 0 {
			reversed = append(reversed, phase[1:])
		}
		if math.Abs(factor) < 0.75 && factor < 0.3 {
			swapped = append(swapped, phase[1:])
		}
	}
	total, okTotal := value(quantity.Power)
	switch {
	case len(swapped) >= 2:
		bad(AdviceSwapped, strings.Join(swapped, ", "), "the transformers of %s are likely swapped: each must sit on the conductor whose voltage its terminal measures", strings.Join(swapped, " and "))
	case len(reversed) > 0:
		bad(AdviceBackwards, strings.Join(reversed, ", "), "power of %s flows backwards: its current transformer sits the wrong way round, or its wires are swapped: turn it round", strings.Join(reversed, " and "))
	case okTotal && total < -20:
		bad(AdviceBackwards, quantity.Power, "power is %.0f W: the current transformer sits the wrong way round, or its wires are swapped: turn it round", total)
	}
	if _, ok := value(quantity.Voltage); ok {
		if err := meter.Plausible(all); err != nil {
			bad(AdviceImplausible, "", "the values do not fit together: %v: look at profile, words, transformer ratio and wiring", err)
		}
	}
}

// values is a line of what was seen.
func values(quantities []string, seen map[string]wire.Sample) string {
	var out []string
	for _, q := range quantities {
		if x, ok := seen[q]; ok && !x.IsFault() {
			out = append(out, q+" "+Format(x))
		}
	}
	if len(out) > 6 {
		out = append(out[:6], "…")
	}
	return strings.Join(out, ", ")
}

// Format writes a sample's value with its unit, as people write it.
func Format(x wire.Sample) string {
	q, ok := quantity.Get(x.Quantity)
	switch {
	case !ok || x.IsFault():
		return "-"
	case q.Kind == quantity.KindBool:
		return map[bool]string{true: "yes", false: "no"}[x.Bool]
	case q.Kind == quantity.KindText:
		return x.Text
	}
	v, unit := x.Number, q.Unit
	switch unit {
	case "Cel":
		unit = "°C"
	case "/", "count":
		unit = ""
	case "m/s":
		v, unit = v*1000, "mm/s"
	case "m/s2":
		unit = "m/s²"
	case "Wh":
		v, unit = v/1000, "kWh"
	}
	return strings.TrimSpace(fmt.Sprintf("%.6g %s", v, unit))
}

// ErrFaults says that a self-test has found faults.
var ErrFaults = errors.New("something needs attention")
