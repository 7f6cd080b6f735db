// Package fold turns the samples of one machine into states and energy: state' = step(state, sample).
//
// It is pure: no clock, no store, no goroutine. The same samples in ascending time give the same pieces, hours and
// checkpoints byte for byte, whether they come one by one as they are measured or all at once a year later. That is why
// live running and rebuilding share it.
//
// It owns thresholds, dwell, gaps, the energy between any two instants, and the form of checkpoints. It does not own
// reading, writing and deciding what to rebuild (package analytics).
//
// # States
//
// A sample's state holds until the next sample. Two thresholds with hysteresis make a level (off, idle, run) of each
// sample: a level is entered at its threshold T and left below T·(1−h). A level becomes the state when it has
// persisted for its dwell; the change is then dated back to the first sample of the streak. A streak towards a farther
// level also counts for the nearer one on the way: a lathe that alternates between idle and run faster than either
// dwell is idle, not off. The first sample after a gap counts at once.
//
// When the distance of two samples of the signal exceeds the gap limit, the state is unknown from the earlier to the later one.
// A streak that was shorter than its dwell when the gap began does not count: the former state stands until the gap.
// Samples without the signal never change the state, nor do they end a gap.
//
// Rules are dated: each sample is judged by the rule in force at its time. The first rule also judges older samples, so
// that history sent in after a machine was registered is read. Without any rule all time is unknown; energy still counts.
//
// # Energy
//
// Energy is one cumulative function of time C(t) in milliwatt-hours; a piece from a to b has C(b) − C(a), so that the
// pieces add up to the meter's own difference exactly, whatever they are cut by.
//
//   - Between two register readings the increment is shared out by what power says, what is left of it evenly over the time
//     without power (an unknown gap, for example); without any power evenly over time. When the readings lie farther apart
//     than the gap limit, the parts of a stretch that is cut are marked estimated; a piece that holds all of it is not.
//   - Until the next reading the fold waits: pieces after the newest reading are not final, the tip shows integrated power.
//     After six hours of samples without the register, integrated power (trapezoid) becomes final, marked estimated. When the
//     register then returns, what it counted beyond the integral is booked on the last stretch; what the integral was
//     ahead is taken back from the register's next increments.
//   - Without any register, power is integrated and marked estimated.
//   - A register that falls has wrapped (old reading in the last 5 % below a power of ten of at least 10,000 kWh) or
//     was reset or swapped: the new reading is taken as the increment. An increment that no machine of a facility can have
//     drawn is not believed; power takes its place. All of these are marked estimated.
//
// A piece is emitted for good when both its edges and the energy at them can no longer change. Pieces of off, idle and
// run are cut at the site's local hours, unknown pieces are not.
package fold
