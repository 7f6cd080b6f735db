package meter_test

import (
	"math"
	"testing"
	"time"

	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/hardware/meter"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRegister(t *testing.T) {
	const minute = 60_000
	for _, c := range []struct {
		name     string
		from, to float64 // Wh
		dt       int64
		power    float64
		kind     string
		text     string
	}{
		{"stands", 5000, 5000, minute, 0, "", ""},
		{"counts", 5000, 5010, minute, 600, "", ""},
		{"counts over a low word", 65356, 69560, 14 * 60 * minute, 300, "", ""},
		{"coarse register", 5000, 6000, minute, 100, "", ""},
		{"most a small machine can have drawn", 0, 1000 + 2000, minute, 0, "", ""},
		{"more than that", 0, 3001, minute, 0, meter.FindingJump, "more than a machine can have drawn"},
		{"a large machine", 0, 8000, minute, 100_000, "", ""},
		{"42949.672 kWh too much", 1861, 42949672, 10_000, 240, meter.FindingJump, "energy went from 1.861 to 42949.672 kWh in 10 s"},
		{"cleared", 1_066_000, 0, 19_000, 0, meter.FindingReset, "cleared or the meter swapped; the new reading counts"},
		{"another meter, new", 1_066_000, 500, minute, 0, meter.FindingReset, "the new reading counts"},
		{"another meter, used", 9_000_000, 7_000_000, minute, 0, meter.FindingReset, "is not taken as energy drawn"},
		{"end at 9999.99 kWh", 9_999_990, 20, minute, 600, meter.FindingWrap, "ran over its end"},
		{"end at 99999.9 kWh", 99_999_900, 400, minute, 600, meter.FindingWrap, ""},
		{"end at 1,000,000 kWh", 999_999_000, 100, minute, 600, meter.FindingWrap, ""},
		{"too far below the end", 9_400_000, 10, minute, 600, meter.FindingReset, ""},
		{"near the end, but too much for a wrap", 9_600_000, 100, minute, 600, meter.FindingReset, ""},
		{"small registers do not wrap", 999_990, 10, minute, 600, meter.FindingReset, ""},
		{"a day off", 0, 2_000_000, 24 * 60 * minute, 0, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r meter.Register
			_, told := r.Next(1, c.from, c.power)
			require.False(t, told, "the first reading tells nothing")
			f, told := r.Next(1+c.dt, c.to, c.power)
			require.Equal(t, c.kind != "", told, "%v", f)
			if told {
				require.Equal(t, c.kind, f.Kind)
				require.Equal(t, "energy", f.Name)
				require.Contains(t, f.Detail, c.text)
			}
			_, told = r.Next(1+c.dt+minute, c.to+1, c.power)
			require.False(t, told, "told once")
		})
	}
	var r meter.Register
	r.Next(1000, 500, 0)
	for _, wh := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 2e13} {
		_, told := r.Next(2000, wh, 0)
		require.False(t, told)
	}
	_, told := r.Next(1000, 0, 0)
	require.False(t, told, "not newer")
	_, told = r.Next(2000, 0, 0)
	require.True(t, told)
}

type booked struct{ milliWh int64 }

func (b *booked) Piece(p timeline.Interval) { b.milliWh += p.EnergyMilliWh }
func (b *booked) Hour(timeline.Hour)        {}
func (b *booked) Checkpoint(int64, string)  {}

// What is found here is what analytics books: a plain increment, a wrap or a reset count as found, a jump and a reading
// of a strange meter give way to power.
func TestFindingsAgreeWithWhatIsBilled(t *testing.T) {
	at := time.Date(2026, 11, 2, 6, 0, 0, 0, time.UTC).UnixMilli()
	rules := fold.NewRules(time.UTC, fold.Rule{Signal: "power", IdleAbove: 10, RunAbove: 100, GapLimitMs: 600_000})
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.OneOf(rapid.Int64Range(0, 200_000_000), rapid.SampledFrom([]int64{9_499_999, 9_500_000, 9_999_990, 99_999_000, 999_999_999})).Draw(t, "from")
		to := rapid.OneOf(rapid.Int64Range(0, 200_000_000), rapid.Int64Range(0, 5000), rapid.Int64Range(from, from+8000)).Draw(t, "to")
		dt := rapid.Int64Range(1000, 599_000).Draw(t, "dt")
		watts := float64(rapid.Int64Range(0, 200_000).Draw(t, "power"))

		sink := &booked{}
		f := fold.New(rules, sink)
		for _, s := range []fold.Sample{{TimeMs: at, EnergyWh: float64(from)}, {TimeMs: at + dt, EnergyWh: float64(to)}} {
			s.PowerW, s.Signal, s.Has = watts, watts, fold.HasPower|fold.HasEnergy|fold.HasSignal
			f.Step(s)
		}
		f.Tip(sink)

		var r meter.Register
		r.Next(at, float64(from), watts)
		finding, told := r.Next(at+dt, float64(to), watts)
		byPower := int64(watts * 1000 * float64(dt) / 3_600_000)
		switch {
		case !told:
			require.Equal(t, (to-from)*1000, sink.milliWh)
		case finding.Kind == meter.FindingWrap:
			span := int64(10_000_000)
			for from >= span {
				span *= 10
			}
			require.Equal(t, (span-from+to)*1000, sink.milliWh)
		case finding.Kind == meter.FindingReset && sink.milliWh == to*1000:
			require.Contains(t, finding.Detail, "the new reading counts")
		case finding.Kind == meter.FindingReset:
			require.Contains(t, finding.Detail, "not taken as energy drawn")
			require.InDelta(t, byPower, sink.milliWh, 1)
		default:
			require.Equal(t, meter.FindingJump, finding.Kind)
			require.InDelta(t, byPower, sink.milliWh, 1)
		}
	})
}

func reading(pairs ...any) []meter.Value {
	var out []meter.Value
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, meter.Value{Name: pairs[i].(string), Number: pairs[i+1].(float64)})
	}
	return out
}

func TestWatchTellsReversedTransformers(t *testing.T) {
	t.Run("export grows, import stands", func(t *testing.T) {
		var w meter.Watch
		var found []meter.Finding
		for i := range 60 {
			values := reading("energy", 50_000.0, "energy_export", 100+float64(i)*10, "power", -600.0)
			before := append([]meter.Value(nil), values...)
			found = append(found, w.Check(int64(i+1)*60_000, values)...)
			require.Equal(t, before, values, "readings are not altered: import is billed, negative power goes out as it is")
		}
		require.Len(t, found, 2, "each told once")
		require.Equal(t, meter.FindingReversed, found[0].Kind)
		require.Equal(t, "power", found[0].Name)
		require.Contains(t, found[0].Detail, "turn it round")
		require.Equal(t, "energy_export", found[1].Name)
		require.Contains(t, found[1].Detail, "what it exports is not billed")
		require.Equal(t, []string{"energy_export", "power"}, w.Reversed())

		// The electrician comes.
		for i := range 60 {
			require.Empty(t, w.Check(int64(i+100)*60_000, reading("energy", 50_000+float64(i)*10, "energy_export", 690.0, "power", 600.0)))
		}
		require.Empty(t, w.Reversed())
	})
	t.Run("one phase of three", func(t *testing.T) {
		var w meter.Watch
		var found []meter.Finding
		for i := range 20 {
			found = append(found, w.Check(int64(i+1)*1000, reading("power", 900.0, "power_l1", 900.0, "power_l2", -900.0, "power_l3", 900.0))...)
		}
		require.Len(t, found, 1)
		require.Equal(t, "power_l2", found[0].Name)
	})
	t.Run("a motor brakes", func(t *testing.T) {
		var w meter.Watch
		for i, p := range []float64{5000, 5000, -2000, -1500, -300, 0, 5000, -2000, -2000, 100} {
			require.Empty(t, w.Check(int64(i+1)*1000, reading("power", p)))
		}
	})
	t.Run("noise around zero", func(t *testing.T) {
		var w meter.Watch
		for i := range 100 {
			require.Empty(t, w.Check(int64(i+1)*1000, reading("power", -3.0, "energy", 10.0, "energy_export", 0.0)))
		}
	})
	t.Run("registers that fall", func(t *testing.T) {
		var w meter.Watch
		require.Empty(t, w.Check(1000, reading("energy", 1_066_000.0, "energy_export", 9000.0)))
		found := w.Check(20_000, reading("energy", 0.0, "energy_export", 0.0))
		require.Len(t, found, 2)
		require.Equal(t, "energy", found[0].Name)
		require.Equal(t, "energy_export", found[1].Name)
		require.Equal(t, meter.FindingReset, found[1].Kind)
		require.Empty(t, w.Check(30_000, reading("voltage", 230.0)))
	})
}
