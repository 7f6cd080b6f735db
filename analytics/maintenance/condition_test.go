package maintenance

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var hundred = limits{limit: 100, deadband: 2, onDelayMs: 60_000, gapMs: 180_000}

func TestCondition(t *testing.T) {
	type sample struct {
		s    int64
		v    float64
		want event
	}
	for _, tc := range []struct {
		name    string
		samples []sample
	}{
		{"exactly the limit for exactly the delay", []sample{{1, 100, nothing}, {31, 100, nothing}, {61, 100, raised}, {62, 100, nothing}}},
		{"a second too short", []sample{{1, 101, nothing}, {60, 101, nothing}, {61, 97.9, nothing}, {120, 101, nothing}}},
		{"below the limit but in the deadband keeps the delay", []sample{{1, 100, nothing}, {30, 98, nothing}, {61, 99.9, nothing}, {62, 100, raised}}},
		{"below the deadband ends the delay", []sample{{1, 100, nothing}, {30, 97.99, nothing}, {61, 100, nothing}, {121, 100, raised}}},
		{"in the deadband alone is nothing", []sample{{1, 99.9, nothing}, {100, 99.9, nothing}, {190, 99.9, nothing}}},
		{"clears strictly below limit minus deadband", []sample{{1, 100, nothing}, {61, 100, raised}, {62, 98, nothing}, {63, 97.99, cleared}, {64, 90, nothing}}},
		{"sparse samples", []sample{{1, 100, nothing}, {121, 100, raised}}},
		{"a hole starts the delay anew", []sample{{1, 100, nothing}, {182, 100, nothing}, {242, 100, raised}}},
		{"a hole does not clear", []sample{{1, 100, nothing}, {61, 100, raised}, {3600, 99, nothing}, {3601, 100, nothing}}},
		{"older samples are ignored", []sample{{10, 100, nothing}, {5, 0, nothing}, {10, 0, nothing}, {70, 100, raised}, {69, 0, nothing}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c condition
			for _, s := range tc.samples {
				require.Equal(t, s.want, c.step(hundred, s.s*1000, s.v), "at %d s", s.s)
			}
		})
	}
}

// Against a second, slower reading of the rule: a raise at sample i means that going back from i every sample is at
// least limit − deadband without a hole, back to one at or over the limit that is at least the on-delay older.
func TestConditionProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c condition
		var at []int64
		var v []float64
		is := false
		for now := int64(1); len(at) < 40; {
			now += int64(rapid.OneOf(rapid.IntRange(1000, 30_000), rapid.IntRange(150_000, 200_000)).Draw(t, "step"))
			at = append(at, now)
			v = append(v, rapid.SampledFrom([]float64{90, 97.9, 98, 99, 100, 105}).Draw(t, "value"))
			i := len(at) - 1
			held := false
			for j := i; j >= 0 && v[j] >= 98 && (j == i || at[j+1]-at[j] <= hundred.gapMs); j-- {
				held = held || v[j] >= 100 && at[i]-at[j] >= hundred.onDelayMs
			}
			want := nothing
			switch {
			case is && v[i] < 98:
				is, want = false, cleared
			case !is && v[i] >= 100 && held:
				is, want = true, raised
			}
			require.Equal(t, want, c.step(hundred, at[i], v[i]))
		}
	})
}
