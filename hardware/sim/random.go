package sim

import (
	"math"
	"time"
)

// Everything random is a hash of the seed, a label and a position. What is random in the plan is drawn in sequence
// from a stream; what is random in a reading is a hash of its time, so that it does not matter who read before.

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that scatters neighbouring inputs.
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// hash joins two numbers.
func hash(a, b uint64) uint64 { return mix(mix(a) ^ b) }

// label turns a name into a number (FNV-1a).
func label(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// unit turns a hash into a number in [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// bell turns a hash into a number with mean 0 and variance 1, nearly normal, within ±3.5: the sum of four uniform
// numbers of 16 bits.
func bell(h uint64) float64 {
	s := h&0xFFFF + h>>16&0xFFFF + h>>32&0xFFFF + h>>48
	return (float64(s)/65536 - 2) * math.Sqrt2 * 1.2247448713915890 // √3: a uniform number has variance 1/12
}

// wander is a smooth random walk around 0 with variance about 1: values at knots, joined by straight lines.
func wander(key uint64, ms, knot int64) float64 {
	k := ms / knot
	f := float64(ms-k*knot) / float64(knot)
	a, b := bell(hash(key, uint64(k))), bell(hash(key, uint64(k+1)))
	return a + (b-a)*f
}

// stream is a sequence of random numbers.
type stream struct{ state uint64 }

func newStream(seed uint64, name string) stream { return stream{hash(seed, label(name))} }

func (s *stream) next() uint64 {
	s.state++
	return mix(s.state)
}

// between draws from [lo, hi).
func (s *stream) between(lo, hi float64) float64 { return lo + (hi-lo)*unit(s.next()) }

// span draws a length of time from [lo, hi) in ms.
func (s *stream) span(lo, hi time.Duration) int64 {
	return int64(s.between(float64(lo.Milliseconds()), float64(hi.Milliseconds())))
}

// below draws from 0 … n-1.
func (s *stream) below(n int) int { return int(unit(s.next()) * float64(n)) }

// chance is true with probability p.
func (s *stream) chance(p float64) bool { return unit(s.next()) < p }
