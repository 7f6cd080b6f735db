package metertest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"karkhana/hardware/meter"

	"github.com/simonvetter/modbus"
	"golang.org/x/sys/unix"
)

// Line is a serial line (a pair of pseudo terminals) with slaves on it that answer Modbus RTU frames. A client opens
// [Line.Path] as it would open /dev/ttyUSB0. It is safe for concurrent use.
type Line struct {
	master *os.File
	slave  *os.File // held open: a pair whose other end closes would hang up
	path   string
	units  map[byte]*Slave
	done   chan struct{}

	mu       sync.Mutex
	spoil    func(unit byte, frame []byte) []byte
	requests int
	writes   int
}

// OpenLine makes a line with slaves. The error satisfies errors.Is(err, fs.ErrNotExist) where the system has no
// /dev/ptmx. The caller closes the line.
func OpenLine(slaves ...*Slave) (*Line, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/dev/ptmx", Err: err}
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx")
	l, err := openPair(fd, master)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("metertest: pair of pseudo terminals: %w", err), master.Close())
	}
	for _, s := range slaves {
		l.units[s.unit] = s
	}
	go l.serve()
	return l, nil
}

func openPair(fd int, master *os.File) (*Line, error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("number: %w", err)
	}
	path := "/dev/pts/" + strconv.Itoa(n)
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	// Raw, so that nothing is echoed or translated before a client sets the terminal itself.
	t, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err == nil {
		t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
		err = unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, t)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("raw mode: %w", err), slave.Close())
	}
	return &Line{master: master, slave: slave, path: path, units: map[byte]*Slave{}, done: make(chan struct{})}, nil
}

// Path is the device to open.
func (l *Line) Path() string { return l.path }

// Spoil lets f change every answer before it goes out: cut it, flip bits, put noise before it, wait. nil as an answer is
// silence; nil as f ends it. f runs on the line's goroutine: nothing else is answered meanwhile.
func (l *Line) Spoil(f func(unit byte, frame []byte) []byte) {
	l.mu.Lock()
	l.spoil = f
	l.mu.Unlock()
}

// Send puts bytes on the line that nobody asked for.
func (l *Line) Send(b []byte) error {
	_, err := l.master.Write(b)
	return err
}

// Requests tells how many good frames came in, and how many of them were no reads.
func (l *Line) Requests() (all, writes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests, l.writes
}

// Close takes the line away, as a pulled cable does, and waits for its goroutine.
func (l *Line) Close() error {
	err := errors.Join(l.slave.Close(), l.master.Close())
	<-l.done
	return err
}

// serve answers until the line is closed. A request is eight bytes: unit, function, address, count, CRC. Bytes that do
// not add up to one are noise and stepped over.
func (l *Line) serve() {
	defer close(l.done)
	var frame [8]byte
	have := 0
	for {
		if _, err := io.ReadFull(l.master, frame[have:]); err != nil {
			return
		}
		if crc16(frame[:6]) != binary.LittleEndian.Uint16(frame[6:]) {
			have = copy(frame[:], frame[1:])
			continue
		}
		have = 0
		if answer := l.answer(frame[:]); answer != nil {
			if _, err := l.master.Write(answer); err != nil {
				return
			}
		}
	}
}

func (l *Line) answer(q []byte) []byte {
	unit, function := q[0], q[1]
	l.mu.Lock()
	l.requests++
	table := map[byte]meter.Table{3: meter.Holding, 4: meter.Input}[function]
	if table == "" {
		l.writes++
	}
	spoil := l.spoil
	l.mu.Unlock()
	s, ok := l.units[unit]
	if !ok {
		return nil
	}
	frame := []byte{unit, function | 0x80, 1}
	if table != "" {
		regs, err := s.answer(table, unit, binary.BigEndian.Uint16(q[2:]), binary.BigEndian.Uint16(q[4:]))
		if err == nil {
			frame = []byte{unit, function, byte(2 * len(regs))}
			for _, r := range regs {
				frame = binary.BigEndian.AppendUint16(frame, r)
			}
		} else {
			frame[2] = exception(err)
		}
	}
	frame = Frame(frame...)
	if spoil != nil {
		frame = spoil(unit, frame)
	}
	return frame
}

// exception is the code of an error on the wire (Modbus application protocol v1.1b3 §7).
func exception(err error) byte {
	for code, e := range map[byte]error{
		1: modbus.ErrIllegalFunction, 2: modbus.ErrIllegalDataAddress, 3: modbus.ErrIllegalDataValue,
		4: modbus.ErrServerDeviceFailure, 5: modbus.ErrAcknowledge, 6: modbus.ErrServerDeviceBusy,
		8: modbus.ErrMemoryParityError, 10: modbus.ErrGWPathUnavailable, 11: modbus.ErrGWTargetFailedToRespond,
	} {
		if errors.Is(err, e) {
			return code
		}
	}
	return 4
}
