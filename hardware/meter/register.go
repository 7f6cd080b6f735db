package meter

import (
	"fmt"
	"math"
	"math/bits"
)

// Kinds of findings.
const (
	FindingReset    = "reset"    // a cumulative register fell: cleared, or the meter was swapped
	FindingWrap     = "wrap"     // a cumulative register ran over its end
	FindingJump     = "jump"     // a cumulative register rose more than any machine of a facility draws
	FindingReversed = "reversed" // power flows backwards: a current transformer the wrong way round
)

// Finding is something about a meter that a person should know. It changes nothing in what is sent: the wire carries
// registers as the meter tells them, and analytics decides what to count.
type Finding struct {
	Kind   string // one of the Finding constants
	Name   string // the value it is about, for example energy or power_l2
	Detail string // for people: what was seen, and what to do
}

// Plausibility of an increment, in the words and numbers of package analytics/fold, so that a finding here and what is
// billed there never contradict each other: no machine draws more than 100 kW, or four times what it shows at the ends
// when that is more; 20 % and 1 kWh on top. A register that falls has wrapped when it stood in the last 5 % below a power
// of ten of at least 10,000 kWh, else it was reset or the meter swapped.
const (
	plausibleW      = 100_000
	plausibleFactor = 4
	plausibleSlack  = 1_000_000      // milliWh
	wrapFrom        = 10_000_000_000 // milliWh
)

// Register follows one cumulative energy register and says when it does not simply go on. The zero value is ready. It
// is not safe for concurrent use.
type Register struct {
	Name string // for findings; empty: energy

	known   bool
	timeMs  int64
	milliWh int64
	power   int64 // mW
}

// Next takes a reading in Wh at a time in Unix milliseconds, with the power in W then (0 where not known). ok: there is
// something to tell. A reading that is not newer than the former one, or no number, is passed over.
func (r *Register) Next(timeMs int64, wh, powerW float64) (f Finding, ok bool) {
	if math.IsNaN(wh) || math.IsNaN(powerW) || math.Abs(wh) > 1e13 || math.Abs(powerW) > 1e9 || r.known && timeMs <= r.timeMs {
		return Finding{}, false
	}
	now, power := int64(math.Round(wh*1000)), int64(math.Max(0, math.Round(powerW*1000)))
	if r.known {
		f, ok = r.judge(now, timeMs-r.timeMs, max(power, r.power))
	}
	r.known, r.timeMs, r.milliWh, r.power = true, timeMs, now, power
	return f, ok
}

func (r *Register) judge(now, dt, power int64) (Finding, bool) {
	name := r.Name
	if name == "" {
		name = "energy"
	}
	tell := func(kind, text string) (Finding, bool) {
		return Finding{kind, name, fmt.Sprintf("%s went from %.3f to %.3f kWh in %d s: %s",
			name, float64(r.milliWh)/1e6, float64(now)/1e6, dt/1000, text)}, true
	}
	hi, lo := bits.Mul64(uint64(max(plausibleW, plausibleFactor*power/1000)), uint64(dt))
	most := int64(math.MaxInt64)
	if hi < 3000 { // else the quotient does not fit: longer than anybody lives
		if q, _ := bits.Div64(hi, lo, 3000); q < math.MaxInt64-plausibleSlack { // W·ms × 1.2 ÷ 3600 = milliWh
			most = int64(q) + plausibleSlack
		}
	}
	if d := now - r.milliWh; d >= 0 {
		if d > most {
			return tell(FindingJump, "more than a machine can have drawn; power takes its place until looked at")
		}
		return Finding{}, false
	}
	for span := int64(wrapFrom); span <= math.MaxInt64/10; span *= 10 {
		if r.milliWh < span {
			if r.milliWh >= span/100*95 && span-r.milliWh+now <= most {
				return tell(FindingWrap, "the register ran over its end and goes on")
			}
			break
		}
	}
	if now > most {
		return tell(FindingReset, "another meter, or a reading that can't be; the new register is not taken as energy drawn")
	}
	return tell(FindingReset, "the register was cleared or the meter swapped; the new reading counts as drawn since")
}
