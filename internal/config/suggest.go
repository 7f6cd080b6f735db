package config

import (
	"fmt"
	"slices"
	"strings"
)

// Suggest returns the candidate nearest to word, or "" when none is near enough to be what was meant: at most one
// slip (letter too many, missing, wrong, or two swapped) per three letters, and always at least one. Case does not
// count. Of equally near candidates the first by alphabet wins.
func Suggest(word string, candidates []string) string {
	limit := max(1, len([]rune(word))/3)
	sorted := slices.Sorted(slices.Values(candidates))
	best, bestSlips := "", limit+1
	for _, c := range sorted {
		if n := slips(strings.ToLower(word), strings.ToLower(c), bestSlips); n < bestSlips {
			best, bestSlips = c, n
		}
	}
	return best
}

// listAtMost is how many candidates are still read by a person when none is near.
const listAtMost = 12

// DidYouMean returns the end of an error about an unknown word: `; did you mean "max31855"?`, or, when no candidate is
// near and there are few, `; use one of "a", "b"`, or nothing.
func DidYouMean(word string, candidates []string) string {
	if s := Suggest(word, candidates); s != "" {
		return fmt.Sprintf("; did you mean %q?", s)
	}
	if len(candidates) == 0 || len(candidates) > listAtMost {
		return ""
	}
	quoted := make([]string, len(candidates))
	for i, c := range candidates {
		quoted[i] = fmt.Sprintf("%q", c)
	}
	if len(quoted) == 1 {
		return "; use " + quoted[0]
	}
	return "; use one of " + strings.Join(quoted, ", ")
}

// longestWord bounds the work of slips: no key or name is longer.
const longestWord = 64

// slips is the optimal string alignment distance of a and b, or limit when it would be limit or more.
func slips(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x) > longestWord || len(y) > longestWord || len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			wrong := 1
			if x[i-1] == y[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(y)], limit)
}
