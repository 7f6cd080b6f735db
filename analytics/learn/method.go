package learn

import (
	"math"
	"slices"
)

// Method finds the cuts between n classes of a histogram: n−1 upper bins, ascending. Fewer when it does not find so many.
type Method func(h *Histogram, classes int) []int

// Otsu finds the cuts that leave the least variance within classes, of log10(value+1).
func Otsu(h *Histogram, classes int) []int {
	var w, m [bins + 1]float64
	for i, ms := range h.ms {
		w[i+1], m[i+1] = w[i]+ms, m[i]+ms*float64(i)
	}
	between := func(a, b int) float64 { // Σx²/n of bins [a, b)
		if n := w[b] - w[a]; n > 0 {
			return (m[b] - m[a]) * (m[b] - m[a]) / n
		}
		return 0
	}
	best, cuts := -1.0, []int(nil)
	for a := 1; a < bins; a++ {
		if classes == 2 {
			if v := between(0, a) + between(a, bins); v > best {
				best, cuts = v, []int{a - 1}
			}
			continue
		}
		for b := a + 1; b < bins; b++ {
			if v := between(0, a) + between(a, b) + between(b, bins); v > best {
				best, cuts = v, []int{a - 1, b - 1}
			}
		}
	}
	return cuts
}

// KMeans is Lloyd's algorithm on log10(value+1), begun at equal parts of the range; the cuts lie midway between centres.
func KMeans(h *Histogram, classes int) []int {
	first, last := -1, 0
	for i, ms := range h.ms {
		if ms > 0 {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 || first == last {
		return nil
	}
	centres := make([]float64, classes)
	for i := range centres {
		centres[i] = float64(first) + float64(last-first)*float64(i)/float64(classes-1)
	}
	cuts := make([]int, classes-1)
	for range 200 {
		for i := range cuts {
			cuts[i] = int(math.Floor((centres[i] + centres[i+1]) / 2))
		}
		from, moved := 0, false
		for i := range centres {
			to := bins
			if i < len(cuts) {
				to = cuts[i] + 1
			}
			sum, weight := 0.0, 0.0
			for k := from; k < to; k++ {
				sum, weight = sum+float64(k)*h.ms[k], weight+h.ms[k]
			}
			if weight > 0 && math.Abs(sum/weight-centres[i]) > 1e-9 {
				centres[i], moved = sum/weight, true
			}
			from = to
		}
		if !moved {
			break
		}
	}
	return cuts
}

// Valley looks for the humps of the smoothed histogram, joins those that are nearest to each other until as many are left as
// there are states, and cuts in the widest empty stretch between them.
func Valley(h *Histogram, classes int) []int {
	smooth := smoothed(h)
	var groups []group
	for _, p := range humps(smooth, h) {
		groups = append(groups, group{p, p})
	}
	for len(groups) > classes {
		groups = joinNearest(groups)
	}
	var cuts []int
	for i := 1; i < len(groups); i++ {
		cuts = append(cuts, cutBetween(smooth, groups[i-1].last, groups[i].first))
	}
	return cuts
}

// group is a run of humps that are one class.
type group struct{ first, last int }

// joinNearest joins the two neighbours with the least distance on the logarithmic axis: a machine works at several powers,
// but it stands at one.
func joinNearest(g []group) []group {
	nearest := 1
	for i := 2; i < len(g); i++ {
		if g[i].first-g[i-1].last < g[nearest].first-g[nearest-1].last {
			nearest = i
		}
	}
	g[nearest-1].last = g[nearest].last
	return slices.Delete(g, nearest, nearest+1)
}

// smoothed is the histogram under a bell of a twentieth of a decade.
func smoothed(h *Histogram) []float64 {
	const sigma = 2.5
	const reach = 8
	out := make([]float64, bins)
	for i, ms := range h.ms {
		if ms == 0 {
			continue
		}
		for k := max(0, i-reach); k <= min(bins-1, i+reach); k++ {
			d := float64(k - i)
			out[k] += ms * math.Exp(-d*d/(2*sigma*sigma))
		}
	}
	return out
}

// humps are the bins of the local maxima that are more than ripples: each has 1 % of the time between the valleys around
// it, and the valley to its neighbour is at most half as high as the lower of the two.
func humps(smooth []float64, h *Histogram) []int {
	var peaks []int
	for i, v := range smooth {
		if v > 0 && (i == 0 || v >= smooth[i-1]) && (i == bins-1 || v > smooth[i+1]) {
			peaks = append(peaks, i)
		}
	}
	for {
		drop := -1
		for i, p := range peaks {
			from, to := 0, bins
			if i > 0 {
				from = lowest(smooth, peaks[i-1], p)
			}
			if i < len(peaks)-1 {
				to = lowest(smooth, p, peaks[i+1])
			}
			if h.share(from, to) < 0.01 && (drop < 0 || smooth[p] < smooth[peaks[drop]]) {
				drop = i
			}
		}
		for i := 1; drop < 0 && i < len(peaks); i++ {
			a, b := peaks[i-1], peaks[i]
			if smooth[lowest(smooth, a, b)] > min(smooth[a], smooth[b])/2 {
				drop = i
				if smooth[a] < smooth[b] {
					drop = i - 1
				}
			}
		}
		if drop < 0 || len(peaks) == 1 {
			return peaks
		}
		peaks = slices.Delete(peaks, drop, drop+1)
	}
}

// lowest is the bin between two peaks at which the smoothed histogram is lowest.
func lowest(smooth []float64, a, b int) int {
	at := a
	for i := a; i <= b; i++ {
		if smooth[i] < smooth[at] {
			at = i
		}
	}
	return at
}

// cutBetween is the middle of the widest stretch between two humps in which there is next to nothing: less than a hundredth
// of the lower hump, or where it is least.
func cutBetween(smooth []float64, a, b int) int {
	most := max(min(smooth[a], smooth[b])/100, smooth[lowest(smooth, a, b)]*1.1)
	from, width, begin := a, 0, -1
	for i := a; i <= b+1; i++ {
		if i <= b && smooth[i] <= most {
			if begin < 0 {
				begin = i
			}
			continue
		}
		if begin >= 0 && i-begin > width {
			from, width = begin, i-begin
		}
		begin = -1
	}
	return from + width/2
}
