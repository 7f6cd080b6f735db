package utilisation

import (
	"cmp"
	"slices"
)

// stretches ascend and do not overlap or touch.
type stretches []stretch

type stretch struct{ from, to int64 }

// union makes stretches of any.
func union(in []stretch) stretches {
	slices.SortFunc(in, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	out := in[:0]
	for _, s := range in {
		switch n := len(out); {
		case s.from >= s.to:
		case n > 0 && s.from <= out[n-1].to:
			out[n-1].to = max(out[n-1].to, s.to)
		default:
			out = append(out, s)
		}
	}
	return stretches(out)
}

// and returns what lies in both.
func (a stretches) and(b stretches) stretches {
	var out stretches
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if from, to := max(a[i].from, b[j].from), min(a[i].to, b[j].to); from < to {
			out = append(out, stretch{from, to})
		}
		if a[i].to < b[j].to {
			i++
		} else {
			j++
		}
	}
	return out
}

// within returns how much lies in [from, to).
func (a stretches) within(from, to int64) int64 {
	i, _ := slices.BinarySearchFunc(a, from, func(s stretch, ms int64) int { return cmp.Compare(s.to, ms) })
	var sum int64
	for ; i < len(a) && a[i].from < to; i++ {
		sum += max(0, min(a[i].to, to)-max(a[i].from, from))
	}
	return sum
}

// covers reports whether at lies in one.
func (a stretches) covers(at int64) bool {
	i, _ := slices.BinarySearchFunc(a, at+1, func(s stretch, ms int64) int { return cmp.Compare(s.to, ms) })
	return i < len(a) && a[i].from <= at
}

// edges appends all begins and ends.
func (a stretches) edges(to []int64) []int64 {
	for _, s := range a {
		to = append(to, s.from, s.to)
	}
	return to
}
