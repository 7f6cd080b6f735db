// Package supply senses at a GPIO pin whether the mains is present.
//
// The pin is driven by an opto-coupler on the mains side of the gateway's supply, or by the contact of a UPS. An
// opto-coupler without a rectifier conducts in one half wave only, so a mains that is present shows as pulses of 50 Hz. Hence
// [Dev.Sense] looks for five cycles of 20 ms, every millisecond: conducting in each of them is present, in none is
// absent. Anything between is a contact that bounces, a dip of the mains or a spike on the wire: the last settled
// answer stays, and without one there is [ErrUnsettled].
//
// Accuracy: a loss of supply is seen by the first Sense that begins after it, 100 ms later. A dip shorter than five
// cycles is not reported as a loss.
//
// Wiring traps: the mains side is a licensed electrician's work, with the supply off. Use a ready isolated module
// (HLK-type or an opto-coupler board for 230 V), never a divider. Most modules pull the pin low while the mains is
// present: Opts.PresentHigh turns that round. A wire that fell off reads as mains absent either way, by the pin's pull.
package supply
