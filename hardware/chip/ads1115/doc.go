// Package ads1115 converts voltages with a TI ADS1115 over I2C: four inputs or two pairs, 16 bits, 860 samples a second.
//
// Datasheet: SBAS444D. Four registers of 16 bits; the chip has no identity, so [New] writes a configuration and reads
// it back.
//
// Why not periph.io/x/devices/v3/ads1x15: it sleeps for the nominal time of a conversion and takes whatever the
// register holds then, although the chip's clock is off by up to ±10 %, so a value can be the former one twice. It has no
// time of a sample, does not end with a context, does not see that the chip lost its configuration, and its continuous
// mode drops errors. An RMS needs every conversion once, with its time.
//
// So each [Dev.Sense] starts one conversion, asks the chip until it is over and reads it: 1.4 to 2.5 ms, by the speed
// of the bus. Set the bus to 400 kHz. At the computer's usual 100 kHz about 400 samples a second remain.
//
// Accuracy: gain ±0.15 %, offset ±3 steps at ±2.048 V. The input is averaged over the conversion, 1/860 s.
//
// Wiring traps: the inputs stand −0.3 V to VDD + 0.3 V whatever the range; an alternating voltage needs a bias of half
// the supply. Use a supply of 3.3 V: with 5 V the pull-ups of most boards put 5 V on the computer's pins. The address
// is by the pin ADDR: ground 0x48, VDD 0x49, SDA 0x4A, SCL 0x4B.
package ads1115
