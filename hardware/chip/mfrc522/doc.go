// Package mfrc522 reads the number (UID) of a contactless card with an NXP MFRC522 over SPI.
//
// Datasheet: MFRC522 rev 3.9 (112139); cards by ISO/IEC 14443-3 type A. [Dev.Sense] switches the field on, asks for a
// card, reads its UID of 4 or 7 bytes (10 are read too) by anticollision and select, and switches the field off, so a
// card that stays is found again each time and the chip stays cool. It takes 10 ms. Every part of the UID is held
// against its check byte (BCC), and the card's answer to the select against CRC_A.
//
// A UID identifies a card, it proves nothing: 4-byte numbers are not unique and all can be copied. It is a person's mark
// all the same: this package never logs it and puts it in no error; a [Reading] printed or logged does not show it.
// Hash it with the site's salt before it leaves the gateway. Phones and some bank cards make up a new number for each
// tap: refused as [ErrNoIdentity]. Two cards at once are refused as [ErrTwoCards]: which of them counts is not ours
// to say.
//
// Why not periph.io/x/devices/v3/mfrc522: it needs the pins RST and IRQ and waits in a goroutine that nobody owns,
// takes an error flag of the chip for an empty answer without an error, checks no CRC of a card, does not select a
// 7-byte card's second part, knows no "no card", and looks for no chip: with a dead data line it waits for ever.
//
// Range: 0 to 5 cm, less before metal; leave 1 cm to a steel panel.
//
// Wiring traps: 3.3 V, not 5 V, on every pin. The pin marked SDA is the chip select. RST must be high: wire it to 3.3 V
// or give it as Opts.Reset. Boards with a copied chip answer with version 88, 12 or B2; they work mostly, at less
// range; [Dev.SelfTest] knows the answers of versions 91 and 92 only.
package mfrc522
