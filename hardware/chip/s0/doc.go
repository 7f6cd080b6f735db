// Package s0 counts the pulses of an electricity meter's S0 output (IEC 62053-31, DIN 43864) at a GPIO pin.
//
// The output is an open collector: closed for 30 to 120 ms for each pulse, at most 27 V and 27 mA. [Dev.Run] waits for
// edges and counts a pulse when the contact was closed for 30 ms (2 ms less are forgiven to the computer's clock) and
// then open for 20 ms; openings shorter than that are bounces and belong to the pulse. [Dev.Sense] gives the count
// since Run began, and the power from the last interval:
//
//	P [W] = 3.6e6 / (pulses per kWh · T [s])
//
// Once the next pulse is late the power falls to what the time since the last one allows at most, so a machine that was
// switched off does not keep its last power. Without two pulses there is no power.
//
// Accuracy: the count is as good as the meter while the gateway runs. Pulses are lost while it is down, so bills need
// the meter's own register: read it at the start and the end of a month and reconcile. The power is right to a few
// milliseconds in the interval; at 1000 pulses for a kWh and 1 kW an interval is 3.6 s.
//
// Wiring traps: the output is polarised (20 is plus, 21 minus on most meters); the wrong way round it reads as closed
// for ever, which is [ErrStuck]. The Raspberry Pi's pins bear 3.3 V only: plus to the pin with its pull-up, minus to
// ground, or an opto-coupler for wires of more than a few metres. A long wire beside mains cables gives short pulses:
// they are counted as Rejected.
package s0
