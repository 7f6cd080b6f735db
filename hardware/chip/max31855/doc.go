// Package max31855 reads a thermocouple through a Maxim (Analog Devices) MAX31855 over SPI.
//
// Datasheet: MAX31855 rev 5 (19-5793). The chip sends 32 bits, most significant first, SPI mode 0, at most 5 MHz, and
// takes nothing. It converts about ten times a second; reading faster gives the same word again.
//
// Accuracy: ±2 °C from −200 to +700 °C, ±4 °C to 1350 °C (K type), and on top of that the chip assumes a straight
// thermocouple: at 1200 °C a K type reads 16 °C low. [Dev.Sense] takes the assumption back with the NIST polynomials
// and returns both temperatures (linearisation, page 9 of the datasheet and NIST ITS-90).
//
// Wiring traps: the type of thermocouple is fixed by the part (MAX31855K and so on), only K is linearised here. A
// thermocouple shorted to ground is not noticed by every chip. With the data line dead the word is all zeros or all
// ones; both are refused, since they would read 0 °C and −0.25 °C.
package max31855
