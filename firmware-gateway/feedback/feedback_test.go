package feedback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

// recorder is a pin that notes when it went on and off.
type recorder struct {
	gpiotest.Pin
	begin time.Time
	low   bool

	mu    sync.Mutex
	level gpio.Level
	said  string
	err   error
}

func (r *recorder) Out(l gpio.Level) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	on := l != gpio.Level(r.low)
	if on != bool(r.level) {
		r.said += fmt.Sprintf("%d%s ", time.Since(r.begin).Milliseconds(), map[bool]string{true: "+", false: "-"}[on])
	}
	r.level = gpio.Level(on)
	return nil
}

// play runs a player in a bubble of time of its own.
func play(t *testing.T, low bool, f func(p *Player)) (beep, ok, no *recorder) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		beep, ok, no = &recorder{begin: begin, low: low}, &recorder{begin: begin, low: low}, &recorder{begin: begin, low: low}
		p := New(Pins{Beep: beep, OK: ok, No: no, ActiveLow: low}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.Run(ctx) }()
		synctest.Wait()
		f(p)
		time.Sleep(5 * time.Second)
		stop()
		<-done
	})
	return beep, ok, no
}

// What people hear and see, to the millisecond.
func TestPatterns(t *testing.T) {
	for answer, want := range map[Answer][3]string{
		Accepted: {"0+ 80- ", "0+ 1080- ", ""},
		Recorded: {"0+ 80- 200+ 280- ", "0+ 80- 200+ 280- ", ""},
		Unknown:  {"0+ 80- 200+ 280- 400+ 480- 600+ 1200- ", "", "0+ 1320- "},
		Fault:    {"2400+ 3000- ", "600+ 1200- 1800+ 2400- ", "0+ 600- 1200+ 1800- 2400+ 3000- "},
	} {
		for _, low := range []bool{false, true} {
			beep, ok, no := play(t, low, func(p *Player) { p.Show(answer) })
			require.Equal(t, want, [3]string{beep.said, ok.said, no.said}, answer)
		}
	}
}

// The newest tap is answered, and what was on for the one before goes off.
func TestTheNewestIsAnswered(t *testing.T) {
	beep, ok, no := play(t, false, func(p *Player) {
		p.Show(Unknown)
		time.Sleep(100 * time.Millisecond)
		p.Show(Accepted)
	})
	require.Equal(t, "0+ 80- 100+ 180- ", beep.said)
	require.Equal(t, "100+ 1180- ", ok.said)
	require.Equal(t, "0+ 100- ", no.said)
}

// A player that stops turns everything off, and one whose pins fail or are not there goes on.
func TestStopAndFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &recorder{begin: time.Now()}
		p := New(Pins{Beep: pin}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.Run(ctx) }()
		p.Show(Accepted)
		time.Sleep(10 * time.Millisecond)
		stop()
		<-done
		require.Equal(t, "0+ 10- ", pin.said)
	})
	pin, _, _ := play(t, false, func(p *Player) {
		p.pins[beep].(*recorder).err = errors.New("busy")
		p.Show(Unknown)
		time.Sleep(3 * time.Second)
		pin := p.pins[beep].(*recorder)
		pin.mu.Lock()
		pin.err = nil
		pin.mu.Unlock()
		p.Show(Accepted)
	})
	require.Equal(t, "3000+ 3080- ", pin.said)
}
