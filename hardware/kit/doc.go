// Package kit says what is bolted to a machine of each class: sensors with their drivers, buses and pins, every wire,
// what it costs, the settings by which its samples are judged at first, and how to look after it.
//
// A kit is data: one YAML file in class/ per machine class. What every gateway has, whatever hangs on it (the Pi, its
// clock, its RS-485 adapter), stands once in base.yaml. Pictures (package diagram) and pages (package page) are made
// from the same files, so they can't disagree.
//
// Words: a sensor is read by a driver; a thing is anything else in the picture (a thermocouple, a breaker, the machine);
// a wire joins two terminals. The end of a wire at the Pi is named by what it carries (pi.sclk, pi.3v3, pi.reset), and
// its header pin follows from the sensor's bus and pins. So a sensor moved to another bus takes its wires along.
//
// [Load] gives the shipped kit, [Kit.Override] or [Kit.Apply] the kit of one machine, [Combine] what hangs on one gateway.
// The block `settings` has the keys of a machine's settings in a site file, which takes them by `kit: NAME`. It is a suggestion
// for a machine of the usual size; the thresholds belong between its own off, idle and run powers with a margin to each.
//
// The package opens no bus and knows no driver's code; see [drivers] for the table of what a driver needs.
//
//go:generate go run ./makedocs -to ../../docs/kits
package kit
