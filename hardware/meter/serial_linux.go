package meter

import (
	"fmt"

	"github.com/simonvetter/modbus"
	"golang.org/x/sys/unix"
)

// serialPort is a serial line that throws away what lies in its input before every request. An RTU answer carries no
// register address: a doubled or late one left in the line would be taken for the answer to the next question.
type serialPort struct {
	port
	path string
	fd   int
}

// overSerial wraps the library's client of a serial device.
func overSerial(p port, path string) port { return &serialPort{port: p, path: path, fd: -1} }

// Open opens the device twice: for the library, and for emptying its input.
func (s *serialPort) Open() error {
	if err := s.port.Open(); err != nil {
		return err
	}
	fd, err := unix.Open(s.path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = s.port.Close()
		return fmt.Errorf("second opening: %w", err)
	}
	s.fd = fd
	return nil
}

// Close closes both.
func (s *serialPort) Close() error {
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
	return s.port.Close()
}

// ReadRegisters empties the input and asks.
func (s *serialPort) ReadRegisters(addr, n uint16, table modbus.RegType) ([]uint16, error) {
	if err := unix.IoctlSetInt(s.fd, unix.TCFLSH, unix.TCIFLUSH); err != nil {
		return nil, fmt.Errorf("empty the input: %w", err)
	}
	return s.port.ReadRegisters(addr, n, table)
}
