// Package iis3dwb reads windows of acceleration through the FIFO of an ST IIS3DWB, over SPI.
//
// Datasheet: IIS3DWB rev 6 (DS12569), application note AN5444. SPI mode 3 (or 0), at most 10 MHz. ±2 to ±16 g, 16 bits.
// One sample rate, 26.667 kHz; the band is flat to 6 kHz behind a filter against aliasing. The FIFO holds 512 samples,
// 19 ms.
//
// Accuracy: noise of 75 µg/√Hz reads as 0.037 mm/s of vibration velocity from 10 to 1000 Hz. This is the part for
// bearings.
//
// Velocity wants a second of samples, that is 32768 of them here: 768 kB of numbers for one window.
//
// Wiring traps: reading takes 1.5 Mbit/s, so the SPI clock must be 4 MHz or more, the cable short, and no other chip
// that takes long may hang on the same bus. Glue or screw the board to the bearing housing: 6 kHz do not pass through
// a bracket.
package iis3dwb
