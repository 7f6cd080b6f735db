package mfrc522

import (
	"context"
	"errors"
	"fmt"
)

// Commands to cards, ISO/IEC 14443-3, 6.4 and 6.5.
const (
	picREQA        = 0x26 // of 7 bits
	picAnticollide = 0x20 // NVB: nothing known yet
	picSelect      = 0x70 // NVB: all forty bits
	cascadeTag     = 0x88 // first byte of a part that is not the last
	cascadeBit     = 0x04 // of SAK: more parts follow
	randomUID      = 0x08 // first byte of a 4-byte UID that is made up for each tap
)

// levels are the commands for the parts of a UID: 4, 7 and 10 bytes.
var levels = [...]byte{0x93, 0x95, 0x97}

// selectCard asks for a card and reads its UID part by part.
func (d *Dev) selectCard(ctx context.Context) ([]byte, error) {
	atqa, err := d.transceive(ctx, []byte{picREQA}, 7)
	if errors.Is(err, errNoAnswer) {
		return nil, ErrNoCard
	}
	if err != nil {
		return nil, err
	}
	if len(atqa) != 2 {
		return nil, fmt.Errorf("%d bytes to the request: %w", len(atqa), ErrUnclear)
	}
	var uid []byte
	for _, level := range levels {
		part, err := d.ask(ctx, []byte{level, picAnticollide})
		if err != nil {
			return nil, err
		}
		if err := checkPart(part); err != nil {
			return nil, err
		}
		sak, err := d.ask(ctx, AppendCRC(append([]byte{level, picSelect}, part...)))
		if err != nil {
			return nil, err
		}
		bytes, more, err := DecodePart(part, sak)
		if err != nil {
			return nil, err
		}
		if uid = append(uid, bytes...); !more {
			return uid, identity(uid)
		}
	}
	return nil, fmt.Errorf("a fourth part: %w", ErrUnclear)
}

// ask sends a frame to a card that has answered before, so that silence means it was taken away.
func (d *Dev) ask(ctx context.Context, frame []byte) ([]byte, error) {
	b, err := d.transceive(ctx, frame, 0)
	if errors.Is(err, errNoAnswer) {
		return nil, fmt.Errorf("the card fell silent: %w", ErrUnclear)
	}
	return b, err
}

// DecodePart checks what a card answered to anticollision (four bytes and BCC, their exclusive or) and to the select
// with it (SAK and CRC_A), and returns the part's bytes of the UID: three and more to come, or the last four.
func DecodePart(part, sak []byte) (uid []byte, more bool, err error) {
	if err := checkPart(part); err != nil {
		return nil, false, err
	}
	if len(sak) != 3 || [2]byte(sak[1:]) != CRC(sak[:1]) {
		return nil, false, fmt.Errorf("checksum of the answer: %w", ErrUnclear)
	}
	more = sak[0]&cascadeBit != 0
	if more != (part[0] == cascadeTag) {
		return nil, false, fmt.Errorf("the number's length: %w", ErrUnclear)
	}
	if more {
		return part[1:4], true, nil
	}
	return part[:4], false, nil
}

// checkPart holds a part against its check byte, BCC.
func checkPart(part []byte) error {
	if len(part) != 5 || part[0]^part[1]^part[2]^part[3] != part[4] {
		return fmt.Errorf("check byte of the number: %w", ErrUnclear)
	}
	return nil
}

// identity refuses numbers that stand for no card.
func identity(uid []byte) error {
	if len(uid) == 4 && uid[0] == randomUID {
		return ErrNoIdentity
	}
	for _, b := range uid {
		if b != 0 {
			return nil
		}
	}
	return fmt.Errorf("a number of zeros: %w", ErrUnclear)
}

// CRC is CRC_A of ISO/IEC 14443-3, annex B: polynomial x¹⁶ + x¹² + x⁵ + 1, preset 6363, low byte first.
func CRC(b []byte) [2]byte {
	crc := uint16(0x6363)
	for _, v := range b {
		crc ^= uint16(v)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x8408
			} else {
				crc >>= 1
			}
		}
	}
	return [2]byte{byte(crc), byte(crc >> 8)}
}

// AppendCRC appends CRC_A to a frame.
func AppendCRC(b []byte) []byte {
	c := CRC(b)
	return append(b, c[0], c[1])
}
