package mfrc522_test

import (
	"context"
	"errors"
	"fmt"

	"karkhana/hardware/chip/mfrc522"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
)

func Example() {
	port := &mfrc522test.Chip{} // on a Raspberry Pi: spireg.Open("SPI0.1")
	port.Place([]byte{0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6})
	dev, err := mfrc522.New(port, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	card, err := dev.Sense(context.Background())
	switch {
	case errors.Is(err, mfrc522.ErrNoCard):
		fmt.Println("nobody")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(card, card.UID == "04A1B2C3D4E5F6")
	}
	// Output: card with a number of 7 bytes true
}
