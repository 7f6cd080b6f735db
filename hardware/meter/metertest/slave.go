// Package metertest has a simulated meter: registers laid out by a meter's profile, read directly in memory or, as
// the handler of a Modbus server, over a line.
package metertest

import (
	"context"
	"fmt"
	"sync"

	"karkhana/hardware/meter"

	"github.com/simonvetter/modbus"
)

// Slave is a Modbus slave with the registers of one meter, in the table its profile names. It is safe for concurrent use, except that a slice
// of registers read in memory changes with the next read.
type Slave struct {
	profile *meter.Profile
	unit    byte

	mu     sync.Mutex
	regs   []uint16 // from address 0 to the end of the profile
	out    []uint16
	fail   error
	writes int
}

// NewSlave returns a meter with all values zero. Where the profile leaves the order of words to a probe, say what this
// meter is set to with [meter.Profile.In]; else it holds the high word first.
func NewSlave(p *meter.Profile, unit byte) *Slave {
	end := 0
	for _, r := range p.Rows {
		end = max(end, int(r.Address)+2)
	}
	return &Slave{profile: p, unit: unit, regs: make([]uint16, end)}
}

// Slot is the place of one value in a slave, looked up once.
type Slot struct {
	slave *Slave
	row   meter.Row
}

// Slot returns the place of a value.
func (s *Slave) Slot(name string) (Slot, error) {
	row, ok := s.profile.Row(name)
	if !ok {
		return Slot{}, fmt.Errorf("metertest: %s has no %s", s.profile.Name, name)
	}
	return Slot{s, row}, nil
}

// Set puts a value in wire units into the registers, with the meter's resolution.
func (t Slot) Set(v float64) {
	t.slave.mu.Lock()
	t.slave.profile.Encode(t.row, v, t.slave.regs[t.row.Address:])
	t.slave.mu.Unlock()
}

// Set puts a value by name; see Slot for the quick way.
func (s *Slave) Set(name string, v float64) error {
	t, err := s.Slot(name)
	if err == nil {
		t.Set(v)
	}
	return err
}

// Fail makes every read fail, until Fail(nil).
func (s *Slave) Fail(err error) {
	s.mu.Lock()
	s.fail = err
	s.mu.Unlock()
}

// Writes tells how often somebody tried to write.
func (s *Slave) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// ReadInput reads in memory, with the exceptions a meter would give. The slice holds until the next call.
func (s *Slave) ReadInput(_ context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	return s.read(meter.Input, unit, addr, n)
}

// ReadHolding reads in memory, like ReadInput.
func (s *Slave) ReadHolding(_ context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	return s.read(meter.Holding, unit, addr, n)
}

func (s *Slave) read(t meter.Table, unit byte, addr, n uint16) ([]uint16, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(t, unit, addr, n); err != nil {
		return nil, err
	}
	s.out = append(s.out[:0], s.regs[addr:int(addr)+int(n)]...)
	return s.out, nil
}

func (s *Slave) check(t meter.Table, unit byte, addr, n uint16) error {
	switch {
	case t != s.profile.Table:
		return modbus.ErrIllegalFunction
	case s.fail != nil:
		return s.fail
	case unit != s.unit:
		return modbus.ErrGWTargetFailedToRespond
	case n == 0 || n > s.profile.MaxBlock:
		return modbus.ErrIllegalDataValue
	case int(addr)+int(n) > len(s.regs):
		return modbus.ErrIllegalDataAddress
	}
	return nil
}

// HandleInputRegisters answers function 4 of a Modbus server.
func (s *Slave) HandleInputRegisters(r *modbus.InputRegistersRequest) ([]uint16, error) {
	return s.answer(meter.Input, r.UnitId, r.Addr, r.Quantity)
}

// HandleHoldingRegisters answers function 3 and refuses and counts writes.
func (s *Slave) HandleHoldingRegisters(r *modbus.HoldingRegistersRequest) ([]uint16, error) {
	if r.IsWrite {
		return nil, s.refuse(true)
	}
	return s.answer(meter.Holding, r.UnitId, r.Addr, r.Quantity)
}

// answer is a copy of what read gives: a server's goroutine looks at it later.
func (s *Slave) answer(t meter.Table, unit byte, addr, n uint16) ([]uint16, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(t, unit, addr, n); err != nil {
		return nil, err
	}
	return append([]uint16(nil), s.regs[addr:int(addr)+int(n)]...), nil
}

// HandleCoils refuses and counts writes.
func (s *Slave) HandleCoils(r *modbus.CoilsRequest) ([]bool, error) { return nil, s.refuse(r.IsWrite) }

// HandleDiscreteInputs refuses: a meter has none.
func (s *Slave) HandleDiscreteInputs(*modbus.DiscreteInputsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func (s *Slave) refuse(write bool) error {
	if write {
		s.mu.Lock()
		s.writes++
		s.mu.Unlock()
	}
	return modbus.ErrIllegalFunction
}

var (
	_ meter.Registers       = &Slave{}
	_ modbus.RequestHandler = &Slave{}
)
