// Package ds3231 reads and sets a Maxim (Analog Devices) DS3231 real-time clock over I2C, with its temperature.
//
// Datasheet: DS3231 rev 10 (19-5170). Registers 0x00 to 0x12 at address 0x68, decimal digits in BCD, 12 or 24 hours.
// One read takes all of them: the chip copies its counters at the start of it, so the time can't be torn.
//
// The time is UTC, 2000 to 2199: the century bit is set for 21xx. The chip takes every fourth year for a leap year, so
// it errs after 28 February 2100.
//
// Accuracy: ±2 ppm from 0 to 40 °C (63 s a year), DS3231M ±5 ppm; temperature ±3 °C in steps of 0.25 °C, taken each
// 64 s: it is of the board, not of the room.
//
// When the oscillator stopped, because the battery was empty or the chip is new, the flag OSF stands and the time is of
// no worth: [Dev.Sense] returns [ErrTimeInvalid] until [Dev.Set].
//
// Wiring traps: with `dtoverlay=i2c-rtc,ds3231` the kernel owns the chip and sets the system's clock from it at boot;
// then read it if you like, but leave Set to the kernel (hwclock). Boards of the kind ZS-042 charge a coin cell:
// take their diode out when a CR2032 is in. MPU-6050 and DS1307 have the same address; registers that no DS3231 has
// are refused.
package ds3231
