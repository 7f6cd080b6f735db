// Package max31856 reads a thermocouple through a Maxim (Analog Devices) MAX31856 over SPI.
//
// Datasheet: MAX31856 rev 0 (19-7534). Sixteen registers, most significant bit first, SPI mode 1, at most 5 MHz; a
// write has bit 7 of the address set. The chip linearises the thermocouple itself, so a reading needs no correction.
//
// Accuracy: ±0.15 % of full scale and ±0.7 °C of the cold junction from −20 to +85 °C; steps of 1/128 °C and 1/64 °C.
// The probe adds its own: a type K drifts above about 1000 °C, take N, R or S there.
//
// The 50 Hz filter (91 dB) is always on, since the chip wakes with 60 Hz. A conversion takes up to 0.2 s, and 40 ms
// more for each further sample of the average; 20 ms more in continuous mode.
//
// Every reading reads all registers at once and compares the configuration with what was written: a chip that lost its
// supply wakes as type K with 60 Hz and no conversions, and would give a number that looks right. [Dev.Sense] then
// returns [ErrReset] and writes the configuration again at the next call. Registers that are all zeros or all ones are
// refused, so a dead data line never reads as 0 °C.
//
// Wiring traps: the chip is SPI mode 1 or 3, a MAX31855 on the same bus is mode 0. The type of the probe can't be
// found out by measuring: a type N read as K is plausible and wrong. The inputs stand ±45 V, so a probe that
// touches the elements is a fault and not a dead chip. 100 nF across T+ and T−, and 10 nF from each to ground.
package max31856
