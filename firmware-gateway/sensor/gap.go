package sensor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"karkhana/hardware/meter"
)

const (
	// guestTimeout is how long a guest's request waits for an answer. Meters answer within 100 ms.
	guestTimeout = 250 * time.Millisecond
	// guestTurn is the time that a guest's request may take in all: the answer, and the line closed and opened.
	guestTurn = guestTimeout + 50*time.Millisecond
	// guestPatience is how long a guest waits for a gap between two rounds.
	guestPatience = 10 * time.Second
)

var (
	// ErrInUse says that a port is read by the gateway and can't be looked at between its readings.
	ErrInUse = errors.New("the gateway reads it")
	// ErrNoGap says that a line is never idle for long enough.
	ErrNoGap = errors.New("the line is busy all the time: stop the gateway to look at it, or read its machines less often (every)")
)

// visit is one request of a guest on a line, made between two rounds by the goroutine that owns the line.
type visit struct {
	unit byte
	read func() ([]uint16, error)
	done chan answer // holds one
}

type answer struct {
	regs []uint16
	err  error
}

// guest reads a line that a set reads. It is a meter.Registers.
type guest struct{ line *line }

var _ meter.Registers = guest{}

// ReadInput reads input registers between two rounds.
func (g guest) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	return g.line.visit(ctx, unit, func() ([]uint16, error) { return g.line.regs.ReadInput(ctx, unit, addr, n) })
}

// ReadHolding reads holding registers between two rounds.
func (g guest) ReadHolding(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	return g.line.visit(ctx, unit, func() ([]uint16, error) { return g.line.regs.ReadHolding(ctx, unit, addr, n) })
}

// visit waits for a gap and for the answer.
func (l *line) visit(ctx context.Context, unit byte, read func() ([]uint16, error)) ([]uint16, error) {
	v := visit{unit: unit, read: read, done: make(chan answer, 1)}
	patience := time.NewTimer(guestPatience)
	defer patience.Stop()
	select {
	case l.visits <- v:
	case <-l.ended:
		return nil, fmt.Errorf("%s: %w", l.url, errEnded)
	case <-patience.C:
		return nil, fmt.Errorf("%s: %w", l.url, ErrNoGap)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-v.done:
		return a.regs, a.err
	case <-patience.C:
		return nil, fmt.Errorf("%s: %w", l.url, ErrNoGap)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var errEnded = errors.New("the gateway does not read this line any more: try again")

// between lets guests in until the next round is due, as long as they will be gone by then. false: ctx ended.
func (l *line) between(ctx context.Context, next time.Time) bool {
	due := time.NewTimer(time.Until(next))
	defer due.Stop()
	door := time.NewTimer(time.Until(next.Add(-guestTurn)))
	defer door.Stop()
	visits := l.visits
	for {
		select {
		case <-ctx.Done():
			return false
		case <-due.C:
			return true
		case <-door.C:
			visits = nil
		case v := <-visits:
			if time.Until(next) < guestTurn { // it came through a closing door
				l.held = append(l.held, v)
				visits = nil
				continue
			}
			l.receive(v)
		}
	}
}

// receive makes a guest's request.
func (l *line) receive(v visit) {
	t, ok := l.regs.(interface{ SetTimeout(byte, time.Duration) })
	if ok {
		t.SetTimeout(v.unit, guestTimeout)
	}
	regs, err := v.read()
	if ok {
		t.SetTimeout(v.unit, l.timeouts[v.unit])
	}
	v.done <- answer{slices.Clone(regs), err}
}

// end sends waiting guests away.
func (l *line) end() {
	close(l.ended)
	for _, v := range l.held {
		v.done <- answer{err: errEnded}
	}
	l.held = nil
}

// rounds reads the meters every period until ctx ends. A round that takes longer is followed by the next at once.
func (l *line) rounds(ctx context.Context, report func(meter.Result)) {
	defer l.end()
	next := time.Now()
	for l.bus.Poll(ctx, report) == nil {
		if next = next.Add(l.period); time.Until(next) < 0 {
			next = time.Now()
		}
		for len(l.held) > 0 && time.Until(next) >= guestTurn {
			l.receive(l.held[0])
			l.held = l.held[1:]
		}
		if !l.between(ctx, next) {
			return
		}
	}
}

// at returns the line that a set reads at an address, which may have several names; nil: none.
func (s *Set) at(address string) *line {
	want := Place(address)
	for _, l := range s.lines {
		if Place(l.url) == want {
			return l
		}
	}
	return nil
}

// Place is where a line leads, whatever it is called: the device behind a link, the host and port.
func Place(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if path, ok := strings.CutPrefix(address, "rtu://"); ok {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		return path
	}
	return strings.ToLower(u.Host)
}
