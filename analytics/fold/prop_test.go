package fold_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
)

const minute = int64(60_000)

// aDay draws a machine's rules and its samples over some hours: stretches of power with gaps, missing values, meters
// a second beside the power, resets.
func aDay(t *rapid.T, register bool) (*fold.Rules, []fold.Sample) {
	dwell := func(label string) int64 {
		return rapid.SampledFrom([]int64{0, 10_000, minute, 3 * minute}).Draw(t, label)
	}
	idle := rapid.SampledFrom([]float64{100, 1000}).Draw(t, "idle above")
	rules := []fold.Rule{{
		IdleAbove: idle, RunAbove: 1000, Hysteresis: 0.1, GapLimitMs: 3 * minute,
		DwellOffMs: dwell("off"), DwellIdleMs: dwell("idle"), DwellRunMs: dwell("run"),
		PulseMs:   rapid.SampledFrom([]int64{0, 0, 15_000, 2 * minute}).Draw(t, "pulse"),
		PhaseRate: rapid.SampledFrom([]float64{0, 2}).Draw(t, "phases"), PhaseBand: 10, PhaseCold: 60,
	}}
	if rapid.Bool().Draw(t, "second rule") {
		second := rules[0]
		second.FromMs, second.IdleAbove, second.RunAbove, second.PhaseRate = midnight+2*60*minute, 50, 500, 1
		rules = append(rules, second)
	}
	at := midnight + rapid.Int64Range(0, 60*minute).Draw(t, "begin")
	wh := rapid.Float64Range(0, 1e6).Draw(t, "register")
	last := at
	celsius := rapid.Float64Range(20, 900).Draw(t, "temperature")
	var samples []fold.Sample
	for n := rapid.IntRange(1, 30).Draw(t, "stretches"); n > 0; n-- {
		step := rapid.SampledFrom([]int64{5_000, 30_000, minute}).Draw(t, "step")
		watt := rapid.SampledFrom([]float64{0, 95, 300, 950, 1100, 9000}).Draw(t, "power")
		noSignal := rapid.IntRange(0, 5).Draw(t, "sensor") == 0
		warming := rapid.SampledFrom([]float64{-20, -5, 0, 0, 1, 8}).Draw(t, "°C per minute")
		noTemperature := rapid.IntRange(0, 4).Draw(t, "probe") == 0
		set := rapid.SampledFrom([]float32{0, 300, 850}).Draw(t, "set")
		says := rapid.IntRange(0, 9).Draw(t, "status") == 0
		noRegister := rapid.IntRange(0, 3).Draw(t, "meter") == 0
		noPower := rapid.IntRange(0, 3).Draw(t, "wattmeter") == 0
		lag := rapid.SampledFrom([]int64{0, 0, 1_000}).Draw(t, "lag")
		for count := rapid.IntRange(1, 40).Draw(t, "samples"); count > 0; count-- {
			wh += watt * float64(at-last) / 3.6e6
			last = at
			s := fold.Sample{TimeMs: at, Signal: watt, PowerW: watt, EnergyWh: wh}
			celsius = min(1200, max(20, celsius+warming*float64(step)/float64(minute)))
			s.TempC, s.SetC = float32(celsius), set
			if !noTemperature {
				s.Has |= fold.HasTemperature
			}
			if set > 0 {
				s.Has |= fold.HasSetpoint
			}
			if noSignal && says {
				s.Has |= fold.SaysUnknown
			}
			if !noSignal {
				s.Has |= fold.HasSignal
			}
			if !noPower {
				s.Has |= fold.HasPower
			}
			if register && !noRegister && lag == 0 {
				s.Has |= fold.HasEnergy
			}
			if s.Has != 0 {
				samples = append(samples, s)
			}
			if register && !noRegister && lag != 0 {
				samples = append(samples, fold.Sample{TimeMs: at + lag, EnergyWh: wh, Has: fold.HasEnergy})
			}
			at += step
		}
		at += rapid.SampledFrom([]int64{0, 0, 0, 2 * minute, 5 * minute, 200 * minute}).Draw(t, "gap")
	}
	return fold.NewRules(kolkata, rules...), samples
}

// The pieces tile the time from the first to the last sample, the hours hold the same time and energy, and known states
// do not cross an hour.
func TestPiecesTileTimeAndHoursAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, samples := aDay(t, true)
		if len(samples) == 0 {
			return
		}
		got := run(rules, samples)
		at := samples[0].TimeMs
		times, energies := map[string]int64{}, map[string]int64{}
		for i, p := range got.pieces {
			require.Equal(t, at, p.StartMs)
			require.Equal(t, p.Open, i == len(got.pieces)-1)
			require.True(t, p.EndMs > p.StartMs || p.Open)
			require.GreaterOrEqual(t, p.EnergyMilliWh, int64(0))
			if p.State != timeline.StateUnknown && p.EndMs > p.StartMs {
				require.Equal(t, timeline.HourFloor(p.StartMs, kolkata), timeline.HourFloor(p.EndMs-1, kolkata))
			}
			at = p.EndMs
			times[p.State] += p.EndMs - p.StartMs
			energies[p.State] += p.EnergyMilliWh
		}
		require.LessOrEqual(t, at, samples[len(samples)-1].TimeMs)
		hour := timeline.HourFloor(samples[0].TimeMs, kolkata)
		for _, h := range got.hours {
			require.Equal(t, hour, h.StartMs)
			hour += timeline.HourMs
			times["off"] -= h.OffMs
			times["idle"] -= h.IdleMs
			times["run"] -= h.RunMs
			times["unknown"] -= h.UnknownMs
			energies["off"] -= h.OffMilliWh
			energies["idle"] -= h.IdleMilliWh
			energies["run"] -= h.RunMilliWh
			energies["unknown"] -= h.UnknownMilliWh
		}
		for _, state := range []string{"off", "idle", "run", "unknown"} {
			require.Zero(t, times[state], state)
			require.Zero(t, energies[state], state)
		}
	})
}

// Whatever the power says and wherever the time is cut: with a register in every sample the pieces add up to what the
// register counted, to the milliwatt-hour.
func TestEnergyIsTheRegistersDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, samples := aDay(t, false)
		var wh float64
		for i := range samples {
			wh += float64(rapid.IntRange(0, 500).Draw(t, "Wh")) / 4
			samples[i].EnergyWh = 1e6 + wh
			samples[i].Has |= fold.HasEnergy | fold.HasSignal
		}
		if len(samples) == 0 {
			return
		}
		var sum int64
		for _, p := range run(rules, samples).pieces {
			sum += p.EnergyMilliWh
		}
		require.Equal(t, int64((samples[len(samples)-1].EnergyWh-samples[0].EnergyWh)*1000), sum)
	})
}

// A fold restored from any checkpoint goes on exactly like the one that made it.
func TestRestartAtEveryHourEqualsStraightRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, samples := aDay(t, true)
		if len(samples) == 0 {
			return
		}
		straight := run(rules, samples)
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
			var pieces []timeline.Interval
			for _, p := range straight.pieces {
				if p.StartMs >= begin {
					pieces = append(pieces, p)
				}
			}
			require.Equal(t, pieces, again.pieces)
			require.Equal(t, straight.hours[len(straight.hours)-len(again.hours):], again.hours)
			for e, s := range again.checkpoints {
				require.Equal(t, straight.checkpoints[e], s)
			}
			for e := range straight.checkpoints {
				require.True(t, e < edge || again.checkpoints[e] != "")
			}
		}
	})
}

// What a fold shows at its tip after each sample never has to be made undone: every start it shows is a start later.
func TestTipStartsRemain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, samples := aDay(t, true)
		all := &recorder{}
		f := fold.New(rules, all)
		shown := map[int64]bool{}
		for i, s := range samples {
			f.Step(s)
			if i%7 == 0 {
				tip := &recorder{}
				f.Tip(tip)
				for _, p := range tip.pieces {
					shown[p.StartMs] = true
				}
			}
		}
		f.Tip(all)
		for _, p := range all.pieces {
			delete(shown, p.StartMs)
		}
		require.Empty(t, shown)
	})
}

// What late data changed is forgotten by the checkpoints soon after: there a rebuild may stop.
func TestCheckpointsMeetAgainAfterLateData(t *testing.T) {
	rule := fold.Rule{IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1, GapLimitMs: 3 * minute, DwellRunMs: minute}
	rules := fold.NewRules(kolkata, rule)
	var with, without []fold.Sample
	for i := range int64(6 * 360) {
		s := fold.Sample{TimeMs: midnight + i*10_000, Signal: float64(i / 100 % 2 * 2000), EnergyWh: float64(i), Has: fold.HasSignal | fold.HasEnergy}
		with = append(with, s)
		if i < 400 || i > 500 {
			without = append(without, s)
		}
	}
	a, b := run(rules, with), run(rules, without)
	edge := func(h int64) int64 { return midnight + h*timeline.HourMs }
	require.Equal(t, a.checkpoints[edge(1)], b.checkpoints[edge(1)])
	require.Equal(t, a.checkpoints[edge(3)], b.checkpoints[edge(3)], "an hour after the late data: the totals of its own hour are still in the one before")
	require.Equal(t, a.checkpoints[edge(5)], b.checkpoints[edge(5)])
	require.NotEqual(t, a.pieces, b.pieces)
}

func TestRestoreRefusesWhatIsNotItsOwn(t *testing.T) {
	rule := fold.Rule{IdleAbove: 100, RunAbove: 1000, GapLimitMs: 3 * minute}
	later := rule
	later.FromMs, later.RunAbove = midnight+5*timeline.HourMs, 700
	rules := fold.NewRules(kolkata, rule)
	var samples []fold.Sample
	for i := range int64(800) {
		samples = append(samples, fold.Sample{TimeMs: midnight + i*10_000, Signal: 2000, Has: fold.HasSignal})
	}
	edge := midnight + timeline.HourMs
	state := run(rules, samples).checkpoints[edge]

	_, err := fold.Restore(fold.NewRules(kolkata, rule, later), &recorder{}, edge, state)
	require.NoError(t, err, "a rule that begins later changes nothing before")
	other := rule
	other.RunAbove = 900
	_, err = fold.Restore(fold.NewRules(kolkata, other), &recorder{}, edge, state)
	require.ErrorIs(t, err, fold.ErrOtherRules)
	for _, damaged := range []string{"", "not base64 !", state[:len(state)-3], state + "AAAA"} {
		_, err = fold.Restore(rules, &recorder{}, edge, damaged)
		require.Error(t, err)
	}
}

func TestWithoutRulesAllIsUnknown(t *testing.T) {
	got := run(fold.NewRules(kolkata), []fold.Sample{
		{TimeMs: midnight, EnergyWh: 10, Has: fold.HasEnergy}, {TimeMs: midnight + minute, EnergyWh: 15, Has: fold.HasEnergy},
	})
	require.Equal(t, []string{"unknown 0s 1m 5 open"}, describe(got.pieces, true))
}

func FuzzRestore(f *testing.F) {
	rules := fold.NewRules(kolkata, fold.Rule{IdleAbove: 100, RunAbove: 1000, GapLimitMs: 3 * minute})
	var samples []fold.Sample
	for i := range int64(800) {
		samples = append(samples, fold.Sample{TimeMs: midnight + i*10_000, Signal: 2000, EnergyWh: float64(i), Has: fold.HasSignal | fold.HasEnergy})
	}
	for _, s := range run(rules, samples).checkpoints {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = fold.Restore(rules, &recorder{}, midnight+timeline.HourMs, s)
	})
}

func BenchmarkFold(b *testing.B) {
	rules := fold.NewRules(kolkata, fold.Rule{IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1, GapLimitMs: 3 * minute, DwellOffMs: minute, DwellIdleMs: minute, DwellRunMs: minute})
	samples := make([]fold.Sample, 24*3600)
	var wh float64
	for i := range samples {
		watt := []float64{0, 300, 2000, 2500, 400}[i/577%5] + float64(i%7)
		wh += watt / 3600
		samples[i] = fold.Sample{TimeMs: midnight + int64(i)*1000, Signal: watt, PowerW: watt, EnergyWh: wh, Has: fold.HasSignal | fold.HasEnergy | fold.HasPower}
	}
	b.ReportAllocs()
	for b.Loop() {
		r := recorder{pieces: make([]timeline.Interval, 0, 512)}
		f := fold.New(rules, &r)
		for i := range samples {
			f.Step(samples[i])
		}
	}
	b.ReportMetric(float64(len(samples))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}
