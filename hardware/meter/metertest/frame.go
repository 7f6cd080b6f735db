package metertest

import "encoding/binary"

// Frame adds the checksum to a frame.
func Frame(b ...byte) []byte { return binary.LittleEndian.AppendUint16(b, crc16(b)) }

// crc16 is the checksum of Modbus over serial line v1.02 §6.2.2; its low byte goes first.
func crc16(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, x := range b {
		crc ^= uint16(x)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low == 1 {
				crc ^= 0xA001
			}
		}
	}
	return crc
}
