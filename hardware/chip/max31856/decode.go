package max31856

import (
	"encoding/binary"
	"fmt"
	"strings"

	"periph.io/x/conn/v3/physic"
)

// Type is a type of thermocouple.
type Type string

// The types for furnaces and kilns.
const (
	TypeK Type = "K" // −200 to 1372 °C, the usual one, drifts above 1000 °C
	TypeN Type = "N" // −200 to 1300 °C, steadier than K
	TypeR Type = "R" // −50 to 1768 °C, platinum
	TypeS Type = "S" // −50 to 1768 °C, platinum
)

// limits are the code of a type in CR1 (page 20 of the datasheet) and the range in which the chip linearises it (page
// 14, table 1).
type limits struct {
	code     byte
	min, max physic.Temperature
}

var types = map[Type]limits{
	TypeK: {0x3, celsius(-200), celsius(1372)},
	TypeN: {0x4, celsius(-200), celsius(1300)},
	TypeR: {0x5, celsius(-50), celsius(1768)},
	TypeS: {0x6, celsius(-50), celsius(1768)},
}

func celsius(c int64) physic.Temperature {
	return physic.ZeroCelsius + physic.Temperature(c)*physic.Celsius
}

// Fault is the chip's status register when a bit is set. errors.Is(err, FaultOpen) tells whether a fault is among
// them.
type Fault byte

// Bits of the status register, page 27 of the datasheet.
const (
	FaultColdJunctionRange Fault = 1 << 7
	FaultRange             Fault = 1 << 6
	FaultColdJunctionHigh  Fault = 1 << 5
	FaultColdJunctionLow   Fault = 1 << 4
	FaultHigh              Fault = 1 << 3
	FaultLow               Fault = 1 << 2
	FaultVoltage           Fault = 1 << 1
	FaultOpen              Fault = 1 << 0
)

var faultTexts = [...]struct {
	bit  Fault
	text string
}{
	{FaultOpen, "open: the thermocouple is broken or not connected"},
	{FaultVoltage, "over- or undervoltage: a thermocouple lead touches the supply or the elements"},
	{FaultLow, "thermocouple below its low threshold"},
	{FaultHigh, "thermocouple above its high threshold"},
	{FaultColdJunctionLow, "cold junction below its low threshold"},
	{FaultColdJunctionHigh, "cold junction above its high threshold"},
	{FaultRange, "thermocouple out of the range of its type: wrong type, or leads swapped"},
	{FaultColdJunctionRange, "cold junction out of −55 to 125 °C: the chip is too hot or too cold"},
}

// Error names every fault.
func (f Fault) Error() string {
	var names []string
	for _, t := range faultTexts {
		if f&t.bit != 0 {
			names = append(names, t.text)
		}
	}
	return "fault " + strings.Join(names, "; ")
}

// Is tells whether all faults of the target are among these.
func (f Fault) Is(target error) bool {
	t, ok := target.(Fault)
	return ok && t != 0 && f&t == t
}

// Decode takes the registers 0x0A to 0x0F apart: cold junction, thermocouple and status. It refuses any fault and
// what no chip sends: all ones, and a cold junction outside −55 to 125 °C without its fault bit. All zeros are a temperature
// here; [Dev.Sense] refuses them by the other registers.
//
// Cold junction: signed 14 bits left-justified in 16, 1/64 °C. Thermocouple: signed 19 bits left-justified in 24,
// 1/128 °C (pages 25 and 26 of the datasheet).
func Decode(b [6]byte) (Reading, error) {
	if constant(b[:], 0xFF) {
		return Reading{}, fmt.Errorf("% X: %w", b, ErrNoChip)
	}
	if b[5] != 0 {
		return Reading{}, fmt.Errorf("status %02X: %w", b[5], Fault(b[5]))
	}
	cold := int64(int16(binary.BigEndian.Uint16(b[:])) >> 2)
	hot := int64(int32(uint32(b[2])<<24|uint32(b[3])<<16|uint32(b[4])<<8) >> 13)
	if cold < -55*64 || cold > 125*64 {
		return Reading{}, fmt.Errorf("% X: cold junction without its fault bit: %w", b, ErrNoChip)
	}
	return Reading{
		Temperature:  physic.ZeroCelsius + physic.Temperature(hot)*physic.Celsius/128,
		ColdJunction: physic.ZeroCelsius + physic.Temperature(cold)*physic.Celsius/64,
	}, nil
}
