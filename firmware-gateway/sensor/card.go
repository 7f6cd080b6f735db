package sensor

import (
	"context"
	"errors"
	"sync"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/feedback"
	"karkhana/hardware/chip/mfrc522"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/spi"
)

// How often a reader looks for a card, how long a card must be away before the same one is another tap, and how often a
// reader that fails says so.
const (
	lookEvery = 250 * time.Millisecond
	cardAway  = 1500 * time.Millisecond
	cardFault = time.Minute
)

// reader opens a card reader. Its sense gives a tap, or nothing.
func (s *Set) reader(c config.Sensor) func() (device, error) {
	return s.onSPI(c, func(p spi.Port) (device, error) {
		o := mfrc522.Opts{Frequency: clock(c), GainDB: c.GainDB}
		if c.Reset != "" {
			pin, err := s.buses.Pin(c.Reset)
			if err != nil {
				return device{}, err
			}
			o.Reset = pin
		}
		d, err := mfrc522.New(p, &o)
		if err != nil {
			return device{}, err
		}
		t := taps{now: time.Now, hash: s.card}
		return device{close: d.Halt, sense: func(ctx context.Context) ([]wire.Sample, error) {
			r, err := d.Sense(ctx)
			return t.take(r, err)
		}}, nil
	})
}

// taps makes one event of a card that is held at the reader. It never keeps the number of a card, only its hash.
type taps struct {
	now  func() time.Time // monotonic
	hash func(string) (string, error)
	held string // card that is there
	seen time.Time
}

func (t *taps) take(r mfrc522.Reading, err error) ([]wire.Sample, error) {
	now := t.now()
	switch {
	case errors.Is(err, mfrc522.ErrNoCard):
		if t.held != "" && now.Sub(t.seen) >= cardAway {
			t.held = ""
		}
		return nil, nil
	case errors.Is(err, mfrc522.ErrUnclear), errors.Is(err, mfrc522.ErrTwoCards), errors.Is(err, mfrc522.ErrNoIdentity):
		t.seen = now // somebody holds something there
		return nil, nil
	case err != nil:
		return nil, err
	}
	hash, err := t.hash(r.UID)
	if err != nil {
		return nil, err
	}
	t.seen = now
	if hash == t.held {
		return nil, nil
	}
	t.held = hash
	return []wire.Sample{{Quantity: quantity.Card, Text: hash}}, nil
}

// watchCards looks for cards until ctx ends, and tells at once what becomes of a tap.
func (s *Set) watchCards(ctx context.Context, m *item) {
	defer m.shut()
	player := s.player(m)
	var playing sync.WaitGroup
	playing.Go(func() { player.Run(ctx) })
	defer playing.Wait()
	var told time.Time
	for {
		samples := m.read(ctx)
		if ctx.Err() != nil && (len(samples) == 0 || samples[0].IsFault()) {
			return
		}
		switch {
		case len(samples) == 0:
		case !samples[0].IsFault():
			m.inbox.put(s.now().UnixMilli(), true, samples) // whatever the answer
			answer := s.answer(samples[0].Text)
			player.Show(answer)
			m.log.Info("card shown", "answer", string(answer))
		case told.IsZero() || time.Since(told) >= cardFault:
			told = time.Now()
			m.inbox.put(s.now().UnixMilli(), true, samples)
			player.Show(feedback.Fault)
		}
		if m.last() == nil {
			told = time.Time{}
		}
		if !pause(ctx, lookEvery) {
			return
		}
	}
}

// player opens the beeper and the LEDs of a reader. One that can't be opened is told once; cards are read without it.
func (s *Set) player(m *item) *feedback.Player {
	pins := feedback.Pins{ActiveLow: m.ActiveLow}
	for _, out := range []struct {
		name string
		pin  *gpio.PinOut
	}{{m.Beep, &pins.Beep}, {m.LEDOK, &pins.OK}, {m.LEDNo, &pins.No}} {
		if out.name == "" {
			continue
		}
		p, err := s.buses.Pin(out.name)
		if err != nil {
			m.log.Warn("beeper or LED can't be opened, cards are read without it", "err", err)
			continue
		}
		*out.pin = p
	}
	return feedback.New(pins, m.log)
}

// pause waits; false: ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
