// Package lis3dh reads windows of acceleration through the FIFO of an ST LIS3DH, over SPI or I2C.
//
// Datasheet: LIS3DH rev 2 (DocID17530), application note AN3308. SPI mode 3 (or 0), at most 10 MHz; I2C at 400 kHz,
// address 0x18, or 0x19 with SA0 high. ±2 to ±16 g. The FIFO holds 32 samples, 24 ms at 1344 Hz.
//
// The chip offers two modes that are of use here. In high resolution (12 bits) it passes only a ninth of the sample
// rate: 149 Hz at 1344 Hz. In normal mode (10 bits) it passes half of it, and its noise is greater than the coarser
// step. Normal mode is therefore the default. Either way the band of velocity ends well below 1000 Hz
// ([karkhana/hardware/chip/accel.Window] BandHz) and must not be compared with the ISO zones, only with the machine's
// own past.
//
// Accuracy: noise of 220 µg/√Hz reads as about 0.11 mm/s of vibration velocity.
//
// Wiring traps: CS decides between the buses, so tie it high for I2C. SA0 has a pull-up in the chip: grounding it for
// 0x18 costs current unless SDO_PU_DISC is set.
package lis3dh
