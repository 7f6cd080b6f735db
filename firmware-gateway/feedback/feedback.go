// Package feedback tells a person at a card reader at once what became of a tap, with a beeper and two LEDs.
//
// It owns the patterns. Its outputs are beepers and LEDs only: the system reads machines, it never switches them, so no
// relay, contactor or lock belongs on these pins.
package feedback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Answer is what a tap is answered with.
type Answer string

// The answers. Each tap is recorded and sent, whatever its answer; what it means is decided by the server.
const (
	Accepted Answer = "accepted" // the card is on the list
	Unknown  Answer = "unknown"  // there is a list, and the card is not on it
	Recorded Answer = "recorded" // there is no list: nothing is known of the card
	Fault    Answer = "fault"    // the reader fails
)

// Output is one of what a reader may have.
type output int

const (
	beep output = iota
	ledOK
	ledNo
	outputs
)

// step is what is on for how long.
type step struct {
	on    []output
	lasts time.Duration
}

const (
	short = 80 * time.Millisecond
	gap   = 120 * time.Millisecond
	long  = 600 * time.Millisecond
)

// patterns are the one table of what people hear and see.
var patterns = map[Answer][]step{
	// One short beep, green for a second.
	Accepted: {{[]output{beep, ledOK}, short}, {[]output{ledOK}, time.Second}},
	// Two short beeps, green blinks twice: taken down, no more.
	Recorded: {{[]output{beep, ledOK}, short}, {nil, gap}, {[]output{beep, ledOK}, short}},
	// Three short beeps and a long one, red for all of it.
	Unknown: {
		{[]output{beep, ledNo}, short}, {[]output{ledNo}, gap}, {[]output{beep, ledNo}, short}, {[]output{ledNo}, gap},
		{[]output{beep, ledNo}, short}, {[]output{ledNo}, gap}, {[]output{beep, ledNo}, long}, {[]output{ledNo}, gap},
	},
	// No beep: both LEDs in turn, so that somebody looks up who wanted to tap.
	Fault: {
		{[]output{ledNo}, long}, {[]output{ledOK}, long}, {[]output{ledNo}, long}, {[]output{ledOK}, long}, {[]output{beep, ledNo}, long},
	},
}

// Pins are where the outputs are; nil where there is none.
type Pins struct {
	Beep, OK, No gpio.PinOut
	ActiveLow    bool // on is low, for modules that want it so
}

// Player plays patterns on its pins. Make it with New, Run it, Show answers.
type Player struct {
	pins    [outputs]gpio.PinOut
	on      gpio.Level
	log     *slog.Logger
	show    chan Answer
	failing bool
}

// New returns a player with everything off.
func New(p Pins, log *slog.Logger) *Player {
	return &Player{pins: [outputs]gpio.PinOut{p.Beep, p.OK, p.No}, on: gpio.Level(!p.ActiveLow), log: log, show: make(chan Answer, 1)}
}

// Show begins the pattern of an answer; it ends one that still plays, because the person at the reader waits for the
// newest. It never waits.
func (p *Player) Show(a Answer) {
	for {
		select {
		case p.show <- a:
			return
		default:
		}
		select {
		case <-p.show:
		default:
		}
	}
}

// Run plays until ctx ends, then turns everything off.
func (p *Player) Run(ctx context.Context) {
	defer p.set(nil)
	p.set(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-p.show:
			if !p.play(ctx, patterns[a]) {
				return
			}
		}
	}
}

// play plays a pattern, and those that come in between. false: ctx has ended.
func (p *Player) play(ctx context.Context, steps []step) bool {
	for len(steps) > 0 {
		p.set(steps[0].on)
		t := time.NewTimer(steps[0].lasts)
		select {
		case <-ctx.Done():
			t.Stop()
			return false
		case a := <-p.show:
			t.Stop()
			p.set(nil)
			steps = patterns[a]
		case <-t.C:
			steps = steps[1:]
		}
	}
	p.set(nil)
	return true
}

// set turns the outputs on that are named and the others off. A pin that fails is told once: a tap is recorded without it.
func (p *Player) set(on []output) {
	var levels [outputs]gpio.Level
	for i := range levels {
		levels[i] = !p.on
	}
	for _, o := range on {
		levels[o] = p.on
	}
	var errs []error
	for i, pin := range p.pins {
		if pin == nil {
			continue
		}
		if err := pin.Out(levels[i]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", pin, err))
		}
	}
	err := errors.Join(errs...)
	if err != nil && !p.failing {
		p.log.Warn("beeper or LED can't be set, taps are recorded without it", "err", err)
	}
	p.failing = err != nil
}
