package sensor

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/spi"

	"karkhana/firmware-gateway/feedback"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
	"karkhana/internal/wire"
)

// lamp is a pin that counts how often it went on.
type lamp struct {
	gpiotest.Pin
	mu   sync.Mutex
	on   gpio.Level
	ons  int
	outs int
}

func (l *lamp) Out(level gpio.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outs++
	if level && !l.on {
		l.ons++
	}
	l.on = level
	return nil
}

func (l *lamp) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ons
}

// A tap is answered at the reader at once, and recorded whatever the answer; a reader that fails is seen, too.
func TestTapIsAnswered(t *testing.T) {
	chip := &mfrc522test.Chip{}
	beep, ok, no := &lamp{}, &lamp{}, &lamp{}
	known := wire.CardHash([]byte("salt"), "04A1B2C3")
	b := &buses{
		spi: map[string]spi.Port{"SPI1.0": chip},
		pin: map[string]gpio.PinIO{"GPIO5": beep, "GPIO6": ok, "GPIO13": no},
	}
	s := start(t, Options{Buses: b,
		Machines: load(t, machine("furnace-1", "{card_reader: mfrc522, bus: SPI1.0, beep: GPIO5, led_ok: gpio6, led_no: GPIO13}", "{supply: GPIO17}")),
		Answer: func(hash string) feedback.Answer {
			if hash == known {
				return feedback.Accepted
			}
			return feedback.Unknown
		}})
	src := s.Source("furnace-1")
	chip.Place([]byte{0x04, 0xA1, 0xB2, 0xC3})
	require.Equal(t, known, until(t, src, "card", func(wire.Sample) bool { return true }).Text)
	require.Eventually(t, func() bool { return beep.count() == 1 && ok.count() == 1 }, time.Minute, 5*time.Millisecond)
	require.Zero(t, no.count())
	chip.Place([]byte{0xDE, 0xAD, 0xBE, 0xEF})
	begin := time.Now()
	until(t, src, "card", func(x wire.Sample) bool { return x.Text != known })
	require.Less(t, time.Since(begin), 15*time.Second, "recorded without waiting for the pattern")
	require.Eventually(t, func() bool { return beep.count() == 5 && no.count() == 1 }, time.Minute, 5*time.Millisecond, "three short, one long")
}

// A beeper that is not there costs the beep only.
func TestNoBeeper(t *testing.T) {
	chip := &mfrc522test.Chip{}
	s := start(t, Options{Buses: &buses{spi: map[string]spi.Port{"SPI1.0": chip}},
		Machines: load(t, machine("furnace-1", "{card_reader: mfrc522, bus: SPI1.0, beep: GPIO5, active_low: true}"))})
	chip.Place([]byte{0x04, 0xA1, 0xB2, 0xC3})
	until(t, s.Source("furnace-1"), "card", func(x wire.Sample) bool { return len(x.Text) == 32 && !strings.Contains(x.Text, "A1") })
}
