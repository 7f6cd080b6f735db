// Package meter reads energy meters over Modbus. A meter is data, not code: a profile in YAML lists which quantity
// stands in which register, in which form and unit; one [Reader] serves them all.
//
// The reader asks only input registers (function 4) and merges neighbours into few requests. It never writes: several
// meters have a command that clears the energy register, and nothing here can send it. A reading is whole or not at
// all: an exception, a short answer, NaN, infinity or a value outside the quantity's range refuses it.
//
// Energy is the meter's own import register in Wh. Exported energy (a reversed current transformer shows there) is
// given under its own name, [EnergyExport], beside the wire quantities.
//
// [Client] is the Modbus line itself, TCP or serial. Formats: Modbus application protocol v1.1b3 §6.4; register
// tables are named in each profile.
package meter
