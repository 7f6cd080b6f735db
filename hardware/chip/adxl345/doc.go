// Package adxl345 reads windows of acceleration through the FIFO of an Analog Devices ADXL345, over SPI or I2C.
//
// Datasheet: ADXL345 rev E (D07925). SPI mode 3, at most 5 MHz; I2C address 0x53 (0x1D with ALT ADDRESS high).
// ±2 to ±16 g, always in full resolution: 256 counts per g. The FIFO holds 32 samples, 10 ms at 3200 Hz.
//
// Accuracy: noise of 290 µg/√Hz (z 430) reads as 0.14 mm/s (z 0.21) of vibration velocity from 10 to 1000 Hz. The chip
// has no filter against aliasing worth the name. It serves for unbalance and looseness, not for bearings.
//
// Wiring traps: 3200 and 1600 Hz need SPI at 2 MHz or more; over I2C (at 400 kHz) 800 Hz is the limit, and the band
// then ends at 320 Hz. With CS left open the chip may change between SPI and I2C: tie it high for I2C. Glue or screw
// the board to the machine; a board on its pins or in foam measures itself.
package adxl345
