// Package mqttmeter reads the messages of ready-made energy meters that speak MQTT: devices with Tasmota firmware, and
// Shelly devices of the first generation (a topic per value) and the second and later ones (JSON).
//
// It owns topics, payloads and units. It does not own the connection, nor which channel of a device belongs to which
// machine, nor what is counted: a reading has the same values as one over Modbus (package meter), so that
// [meter.Watch] looks at both and the wire carries the register as it is.
//
// Units of the devices and what they become:
//
//	Tasmota        Total kWh → energy Wh, Power W, Voltage V, Current A, Factor, Frequency Hz, ExportActive kWh → energy_export Wh
//	Shelly Gen1    emeter total Wh → energy; relay energy watt-minutes ÷ 60 → energy Wh; total_returned Wh → energy_export
//	Shelly Gen2+   aenergy.total, total_act_energy, total_act Wh → energy; *_ret_* Wh → energy_export; act_power, apower W → power
//
// Three phases: power is their sum, voltage and current their mean, power_factor the sum of powers over the sum of
// apparent powers; each phase stands beside with _l1, _l2, _l3.
//
// A value that can't be is refused by itself and says why; a message of which nothing is left is an error. Refused are: a
// Tasmota total that is less than the energy of today alone (the counter's arithmetic ran over, seen on real devices
// as 42949.672 kWh); zero volts on every phase, which means that the device has lost its measuring chip or line; what a
// Shelly itself reports as failed or out of range; everything that is not a number in its quantity's range.
//
// Sources: Tasmota and Shelly API documents, and messages that people posted from real devices.
package mqttmeter
