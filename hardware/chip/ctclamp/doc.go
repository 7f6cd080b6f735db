// Package ctclamp measures the current of one mains conductor with a current transformer (clamp) on an ADS1115.
//
// The clamp drives a burden resistor; one side of it sits on a bias of half the supply, and the ADS1115 takes the
// difference of both sides. [Dev.Sense] samples ten cycles of 20 ms or more, takes the mean away and gives the root of
// the mean square, weighted by the time between the samples as measured: computer and bus are not regular, and the chip's
// own clock is off by up to ±10 %. 200 ms for ten cycles; it says how many samples a second there were.
//
//	I = ratio / burden · √(mean (v − mean v)²) / sinc(50 Hz/860 Hz),  then √(I² − noise²)
//
// The sinc is the chip's average over one conversion (0.994 at 50 Hz; SBAS444D page 15). Noise is what the clamp shows
// around nothing: measure it once after mounting.
//
// Accuracy: clamp ±1 to 3 % above a tenth of its rating, chip ±0.15 %, burden 1 %; the grid's frequency off by 1 % adds
// ±0.8 % at ten cycles. Harmonics lose more by the chip's average than is given back: the third 4 %, the fifth 13 %. This is current without voltage: a power from it is an estimate, to be marked as such, and no
// energy is billed by it.
//
// Wiring traps: clamp one conductor, live or neutral; both together cancel. Never open the secondary of a clamp without
// a built-in burden under load: it gives hundreds of volts. SCT-013-000 is 100 A : 50 mA and wants a burden of 22 Ω at
// 3.3 V (33 Ω clips at 71 A). The other SCT-013 have the burden inside and give 1 V: 30 A : 1 V is Ratio 30 with Burden
// 1 Ω, and no resistor. Without bias half of each wave is lost: refused as [ErrBias]. A clipped wave reads low: the
// reading says Saturated. The direction of a clamp does not show in a current.
package ctclamp
