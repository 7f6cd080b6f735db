package learn

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The histogram is one of log10(value + 1), so that 5 W and 5 kW both find their place.
const (
	perDecade = 50
	decades   = 7
	bins      = perDecade * decades
)

// Histogram holds how long a signal had which value. Feed it in ascending time.
type Histogram struct {
	ms     [bins]float64
	limit  int64
	lastMs int64
	last   int
	known  int64
	n      int64
}

// NewHistogram returns an empty one. A value holds until the next one, unless that comes later than gapLimitMs.
func NewHistogram(gapLimitMs int64) *Histogram { return &Histogram{limit: gapLimitMs} }

// Add takes the value at ms.
func (h *Histogram) Add(ms int64, value float64) {
	at := binOf(value)
	if d := ms - h.lastMs; h.n > 0 && d > 0 && d <= h.limit {
		h.ms[h.last] += float64(d)
		h.known += d
	}
	h.lastMs, h.last = ms, at
	h.n++
}

// KnownMs is the time of which the values are known.
func (h *Histogram) KnownMs() int64 { return h.known }

func binOf(v float64) int {
	return min(bins-1, int(math.Log10(max(0, v)+1)*perDecade))
}

// valueAt is the value at a place of the axis, in bins.
func valueAt(bin float64) float64 { return math.Pow(10, bin/perDecade) - 1 }

// share is the part of the known time in bins [from, to).
func (h *Histogram) share(from, to int) float64 {
	sum, all := 0.0, 0.0
	for i, ms := range h.ms {
		all += ms
		if i >= from && i < to {
			sum += ms
		}
	}
	if all == 0 {
		return 0
	}
	return sum / all
}

// quantile returns the place in bins [from, to) below which the part q of their time lies.
func (h *Histogram) quantile(from, to int, q float64) float64 {
	all := 0.0
	for _, ms := range h.ms[from:to] {
		all += ms
	}
	want := q * all
	for i := from; i < to; i++ {
		if h.ms[i] >= want && h.ms[i] > 0 {
			return float64(i) + want/h.ms[i]
		}
		want -= h.ms[i]
	}
	return float64(to)
}

// Merge adds the times of another histogram.
func (h *Histogram) Merge(o *Histogram) {
	for i, ms := range o.ms {
		h.ms[i] += ms
	}
	h.known += o.known
	h.n += o.n
}

// String is the histogram as it is stored: bin:ms, ascending.
func (h *Histogram) String() string {
	var out []byte
	for i, ms := range h.ms {
		if ms == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = strconv.AppendInt(out, int64(i), 10)
		out = append(out, ':')
		out = strconv.AppendInt(out, int64(ms), 10)
	}
	return string(out)
}

// ParseHistogram reads what String wrote.
func ParseHistogram(text string) (*Histogram, error) {
	h := NewHistogram(0)
	for _, part := range strings.Fields(text) {
		bin, ms, ok := strings.Cut(part, ":")
		i, err := strconv.Atoi(bin)
		n, err2 := strconv.ParseInt(ms, 10, 64)
		if !ok || err != nil || err2 != nil || i < 0 || i >= bins || n < 0 {
			return nil, fmt.Errorf("histogram: %.40q is no BIN:MS", part)
		}
		h.ms[i] += float64(n)
		h.known += n
		h.n++
	}
	return h, nil
}
