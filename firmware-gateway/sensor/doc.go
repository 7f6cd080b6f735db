// Package sensor reads what is connected to a gateway: chips on SPI, I2C and GPIO, meters on Modbus lines, meters that
// speak MQTT, card readers.
//
// It owns opening them, when they are read, and what becomes of a failed reading. It does not own the drivers (package
// hardware), what the keys of the configuration mean (package config), nor windows and packs (package sampler).
//
// A [Set] holds the sensors of all machines of one gateway, since lines and buses are shared. Chips that answer at once
// are read in [Source.Sense], all at a time. What takes its own time runs in goroutines of [Set.Run]: each Modbus line
// through its own meter.Bus, each accelerometer's windows, card readers, pulses, MQTT. What they found waits until the
// next Sense and carries its own time. Sense returns samples in the order of their times, none later than its own.
//
// A sensor that fails gives no value but a sample of quality fault:… for each quantity, at each try. It is opened when
// it is first read and again after failures; a sensor that is not there harms no other and ends nothing. What is wrong
// is logged when it begins, and when it ends.
//
// Findings about a meter (reset, wrap, jump, reversed) are logged and alter no value: the wire carries registers as they
// are. A power that is negative because its current transformer sits the wrong way round is marked `estimated`.
package sensor
