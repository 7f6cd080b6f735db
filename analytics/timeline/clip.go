package timeline

import "math/bits"

// Clip cuts intervals to [fromMs, toMs). The energy of a cut interval is shared out by time in integers, so that
// the clips of adjoining ranges add up to the whole. Open stays only on an interval whose end is kept.
func Clip(in []Interval, fromMs, toMs int64) []Interval {
	out := make([]Interval, 0, len(in))
	for _, iv := range in {
		start, end := max(iv.StartMs, fromMs), min(iv.EndMs, toMs)
		if start >= end {
			continue
		}
		cut := iv
		cut.StartMs, cut.EndMs = start, end
		if start != iv.StartMs || end != iv.EndMs {
			length := iv.EndMs - iv.StartMs
			cut.EnergyMilliWh = Share(iv.EnergyMilliWh, end-iv.StartMs, length) - Share(iv.EnergyMilliWh, start-iv.StartMs, length)
			cut.EnergyEstimated = iv.EnergyEstimated || iv.EnergyMilliWh != 0
			if iv.EnergyMilliWh != 0 {
				cut.Flags |= EnergyInterpolated
			}
			cut.Open = iv.Open && end == iv.EndMs
			if start != iv.StartMs {
				cut.DoorDips = 0 // told where the interval begins
			}
		}
		out = append(out, cut)
	}
	return out
}

// Share returns floor(total × part ÷ whole) without overflow, for 0 ≤ part ≤ whole. It is cumulative: the energy of
// [a, b) is Share(…b…) − Share(…a…), so that the parts of a stretch always add up to it. A whole of 0 gives total.
func Share(total, part, whole int64) int64 {
	if part >= whole {
		return total
	}
	if part <= 0 || total == 0 {
		return 0
	}
	if total < 0 {
		return -Share(-total, part, whole)
	}
	hi, lo := bits.Mul64(uint64(total), uint64(part))
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(q)
}
