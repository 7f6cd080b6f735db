package fold_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/hardware/sim"
	"karkhana/internal/quantity"
)

var furnaceRule = fold.Rule{
	IdleAbove: 40, RunAbove: 3000, Hysteresis: 0.1, GapLimitMs: 3 * minute, DwellOffMs: minute, DwellIdleMs: 3 * minute, DwellRunMs: 20_000,
	PhaseRate: 2, PhaseBand: 10, PhaseCold: 60,
}

// phases joins pieces of one phase and describes them in minutes since the first.
func phases(pieces []timeline.Interval) string {
	var b strings.Builder
	for i := 0; i < len(pieces); {
		j, dips := i, int64(0)
		for ; j < len(pieces) && pieces[j].Phase == pieces[i].Phase; j++ {
			dips += pieces[j].DoorDips
		}
		from, to := pieces[i].StartMs-pieces[0].StartMs, pieces[j-1].EndMs-pieces[0].StartMs
		fmt.Fprintf(&b, "%s %d-%d", pieces[i].Phase, from/minute, to/minute)
		if dips > 0 {
			fmt.Fprintf(&b, " door %d", dips)
		}
		b.WriteString("\n")
		i = j
	}
	return b.String()
}

func simFurnace(t testing.TB, span, every time.Duration) []fold.Sample {
	epoch := time.UnixMilli(midnight)
	w, err := sim.New(sim.Options{Seed: 7, Epoch: epoch})
	require.NoError(t, err)
	m, err := w.Machine(sim.Furnace)
	require.NoError(t, err)
	var out []fold.Sample
	for at := time.Duration(0); at < span; at += every {
		values, err := m.Sense(epoch.Add(at))
		require.NoError(t, err)
		s := fold.Sample{TimeMs: epoch.Add(at).UnixMilli()}
		for _, v := range values {
			switch v.Quantity {
			case quantity.Power:
				s.Signal, s.PowerW, s.Has = v.Number, v.Number, s.Has|fold.HasSignal|fold.HasPower
			case quantity.Temperature:
				s.TempC, s.Has = float32(v.Number), s.Has|fold.HasTemperature
			case quantity.Setpoint:
				s.SetC, s.Has = float32(v.Number), s.Has|fold.HasSetpoint
			case quantity.Energy:
				s.EnergyWh, s.Has = v.Number, s.Has|fold.HasEnergy
			}
		}
		out = append(out, s)
	}
	return out
}

// A day of the simulated furnace: three batches. Each phase begins within three minutes of what the simulation did (elements
// on, controller at its set value, main switch off), an opened door does not end a soak.
func TestPhasesOfTheSimulatedFurnace(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 5 * time.Second, 20 * time.Second} {
		samples := simFurnace(t, 24*time.Hour, every)
		got := run(fold.NewRules(kolkata, furnaceRule), samples)
		require.Regexp(t, `^ 0-1\d
heating 1\d-(49|50|51)
soak \d+-17\d( door \d)?
cooling 17\d-39\d
heating 39\d-42\d( door \d)?
soak 42\d-5[23]\d( door \d)?
cooling 5[23]\d-74\d
heating 74\d-7[67]\d( door \d)?
soak 7[67]\d-96\d( door \d)?
cooling 96\d-116\d
heating 116\d-119\d( door \d)?
soak 119\d-13[34]\d( door \d)?
cooling 13[34]\d-14[34]\d
$`, phases(got.pieces), every)
	}
}

// Batch, restart at any hour and delivery sample by sample agree for a furnace, phases and energy byte for byte.
func TestPhasesGoOnFromCheckpoints(t *testing.T) {
	samples := simFurnace(t, 12*time.Hour, 5*time.Second)
	rules := fold.NewRules(kolkata, furnaceRule)
	straight := run(rules, samples)
	require.NotEmpty(t, straight.checkpoints)
	for edge, state := range straight.checkpoints {
		again := &recorder{}
		f, err := fold.Restore(rules, again, edge, state)
		require.NoError(t, err)
		begin := f.DecidedMs()
		for _, s := range samples {
			if s.TimeMs >= edge {
				f.Step(s)
			}
		}
		f.Tip(again)
		var want []timeline.Interval
		for _, p := range straight.pieces {
			if p.StartMs >= begin {
				want = append(want, p)
			}
		}
		require.Equal(t, want, again.pieces)
	}
}

// The kiln was at full power all the time, heating at 33 to 8 °C a minute.
func TestPhasesOfTheKiln(t *testing.T) {
	var samples []fold.Sample
	for _, row := range recording(t, "kiln-heatup/kiln_heatup_1s.csv") {
		samples = append(samples, fold.Sample{
			TimeMs: int64(1000 * number(t, row["time"])), Signal: 9000, TempC: float32(number(t, row["temperature"])),
			Has: fold.HasSignal | fold.HasTemperature,
		})
	}
	require.Equal(t, "heating 0-27\n", phases(run(fold.NewRules(kolkata, furnaceRule), samples).pieces))
}

// The small oven stands in for a furnace 40 times slower and 20 times hotter (a sample each 10 s, 520 to 600 °C): its
// controller's set value rises in steps; each step is heated for eight minutes and held until the next.
func TestPhasesOfTheControlledOven(t *testing.T) {
	var samples []fold.Sample
	for i, row := range recording(t, "tec-oven-setpoint/run1-p2.0-i1.0-d0.5-250ms.csv") {
		samples = append(samples, fold.Sample{
			TimeMs: midnight + int64(i)*10_000, Signal: 9000, TempC: float32(20 * number(t, row["measured_c"])), SetC: float32(20 * number(t, row["setpoint_c"])),
			Has: fold.HasSignal | fold.HasTemperature | fold.HasSetpoint,
		})
	}
	got := phases(run(fold.NewRules(kolkata, furnaceRule), samples).pieces)
	require.Equal(t, "heating 0-10\nsoak 10-38\nheating 38-46\nsoak 46-78\nheating 78-86\nsoak 86-118\nheating 118-126\nsoak 126-158\nheating 158-166\nsoak 166-179\n", got)
}

// A door that stays open too long is no dip: without power the furnace cools, whatever the depth.
func TestDoorDip(t *testing.T) {
	var samples []fold.Sample
	celsius, watt := 850.0, 6000.0
	for i := range int64(6 * 120) { // each 5 s for an hour
		at := midnight + i*5_000
		switch m := i / 12; {
		case m == 20: // a minute open
			celsius -= 80.0 / 12
		case m > 20 && m < 28:
			celsius = min(850, celsius+80.0/(5*12))
		case m >= 40:
			celsius, watt = celsius-1, 0
		}
		samples = append(samples, fold.Sample{TimeMs: at, Signal: watt, PowerW: watt, TempC: float32(celsius), SetC: 850, Has: fold.HasSignal | fold.HasPower | fold.HasTemperature | fold.HasSetpoint})
	}
	require.Equal(t, "soak 0-40 door 1\ncooling 40-59\n", phases(run(fold.NewRules(kolkata, furnaceRule), samples).pieces))
}
