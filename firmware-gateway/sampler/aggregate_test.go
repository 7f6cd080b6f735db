package sampler

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

const t0 = int64(1_780_000_020_000) // a whole minute

func at(s int64, q string, v float64) wire.Sample {
	return wire.Sample{TimeMs: t0 + s*1000, Quantity: q, Number: v}
}

func TestWindows(t *testing.T) {
	with := func(s wire.Sample, quality string) wire.Sample { s.Quality = quality; return s }
	supply := func(s int64, on bool) wire.Sample {
		return wire.Sample{TimeMs: t0 + s*1000, Quantity: quantity.Supply, Bool: on}
	}
	for name, c := range map[string]struct {
		window   int64
		joined   bool
		in, want []wire.Sample
	}{
		"no window: as it is": {
			in:   []wire.Sample{at(1, "power", 5), at(2, "power", 7)},
			want: []wire.Sample{at(1, "power", 5), at(2, "power", 7)},
		},
		"mean at the start, extremes, register last with its own time": {
			window: 60_000,
			in:     []wire.Sample{at(0, "power", 10), at(0, "energy", 100), at(30, "power", 20), at(50, "energy", 101), at(50, "power", 90)},
			want:   []wire.Sample{at(0, "power", 40), at(0, "power_min", 10), at(0, "power_max", 90), at(50, "energy", 101)},
		},
		"one reading has no extremes": {
			window: 1000,
			in:     []wire.Sample{at(0, "power", 10), at(1, "power", 20)},
			want:   []wire.Sample{at(0, "power", 10), at(1, "power", 20)},
		},
		"extremes of extremes": {
			window: 60_000,
			in:     []wire.Sample{at(0, "vibration_max", .1), at(1, "vibration_max", .3), at(2, "vibration_max", .2), at(0, "power_min", 5), at(1, "power_min", 3)},
			want:   []wire.Sample{at(0, "vibration_max", .3), at(0, "power_min", 3)},
		},
		"a window that began before us is stamped with the first reading": {
			window: 60_000, joined: true,
			in:   []wire.Sample{at(20, "current", 1), at(21, "current", 3), at(60, "current", 5)},
			want: []wire.Sample{at(20, "current", 2), at(60, "current", 5)},
		},
		"cards pass at once with their own time, the supply when it changes": {
			window: 60_000,
			in:     []wire.Sample{supply(1, true), at(1, "power", 1), {TimeMs: t0 + 2500, Quantity: "card", Text: "x"}, supply(3, true), supply(4, false), supply(5, false)},
			want:   []wire.Sample{supply(1, true), {TimeMs: t0 + 2500, Quantity: "card", Text: "x"}, supply(4, false), supply(5, false), at(0, "power", 1)},
		},
		"a fault is no value; values around it count": {
			window: 60_000,
			in:     []wire.Sample{at(0, "temperature", 800), with(at(1, "temperature", -273), "fault:open"), with(at(60, "temperature", 1), "fault:open"), with(at(61, "temperature", 1), "fault:short")},
			want:   []wire.Sample{at(0, "temperature", 800), {TimeMs: t0 + 60_000, Quantity: "temperature", Quality: "fault:open"}},
		},
		"the worst quality stays": {
			window: 60_000,
			in:     []wire.Sample{with(at(0, "vibration", .1), "saturated"), with(at(1, "vibration", .1), "estimated"), at(2, "vibration", .1)},
			want:   []wire.Sample{with(at(0, "vibration", float64(float32(.1))), "saturated")},
		},
		"what can't be is a fault, not a number": {
			in:   []wire.Sample{at(0, "power", math.NaN()), at(1, "power", 1e300), with(at(2, "power", 1), "Odd Quality"), at(3, "nonsense", 1)},
			want: []wire.Sample{{TimeMs: t0, Quantity: "power", Quality: "fault:range"}, {TimeMs: t0 + 1000, Quantity: "power", Quality: "fault:range"}, {TimeMs: t0 + 2000, Quantity: "power", Quality: "fault:unknown"}},
		},
		"a clock that steps back closes the window": {
			window: 60_000,
			in:     []wire.Sample{at(70, "current", 1), at(10, "current", 2)},
			want:   []wire.Sample{at(60, "current", 1), at(0, "current", 2)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAggregator(c.window)
			a.joined = c.joined
			var got []wire.Sample
			for _, s := range c.in {
				got = a.add(s, got)
			}
			got = a.flush(got)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	}
}
