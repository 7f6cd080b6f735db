// Package ds18b20 reads a Maxim (Analog Devices) DS18B20 thermometer on 1-Wire through the Linux kernel, which owns the
// bus (w1-gpio: `dtoverlay=w1-gpio,gpiopin=4`): /sys/bus/w1/devices/28-…/w1_slave.
//
// Datasheet: DS18B20 rev 6 (19-7487). A reading is a conversion of up to 750 ms at 12 bits, then nine bytes with a CRC;
// the kernel does both while the file is read, one device of a bus after the other. Accuracy ±0.5 °C from −10 to 85 °C.
//
// What is refused: a CRC that does not fit (also where the kernel says YES), nine zeros, which a shorted wire gives with a
// CRC that fits, what lies outside −55 to 125 °C (−127 is what some drivers say for nothing there), and 85 °C as it stands
// in the chip after power-up: then byte 6 is 0x0C, and the chip lost its supply during the conversion. After a true
// conversion of 85 °C byte 6 is 0x10; of a copy of the chip that leaves it, 85 °C counts when the reading before was near.
//
// Wiring traps: the data line needs 4.7 kΩ to 3.3 V; parasite power fails on long wires, so give it three wires; stars of
// long stubs give CRC errors. Do not clamp the cable to a hot surface: its insulation ends at 105 °C.
package ds18b20
