// Package meter reads energy meters over Modbus. A meter is data, not code: a profile in YAML lists which quantity
// stands in which register, in which form and unit; one [Reader] serves them all.
//
// The reader asks input registers (function 4; a profile may name holding registers, function 3) and merges neighbours
// into few requests. It never writes: several meters have a command that clears the energy register, and nothing here
// can send it: [Registers] has no way to write. A reading is whole or not at
// all: an exception, a short answer, NaN, infinity or a value outside the quantity's range refuses it.
//
// Energy is the meter's own import register in Wh. Exported energy (a reversed current transformer shows there) is
// given under its own name, [EnergyExport], beside the wire quantities.
//
// Where documents contradict each other about the order of words, as for the Selec meters, the profile says `words:
// probe`: the first reading tries both orders, and exactly one must show a plausible supply ([Probe], [Plausible]).
// Addresses or units that are wrong fail the same check. A voltage is needed for it; until then readings are refused.
//
// [Bus] reads several meters on one line so that a dead or slow one does not hold up the others. [Watch] and [Register] look
// at the readings and report what a person should know (reset, wrap, jump, reversed), in the same words as package
// analytics/fold, which decides what is counted. They never alter a reading.
//
// [Client] is the Modbus line itself, TCP or serial. Formats: Modbus application protocol v1.1b3 §6.4; register
// tables are named in each profile.
package meter
