package sensor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/iis3dwb/iis3dwbtest"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
	"karkhana/hardware/kit"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
	"karkhana/internal/wire"
)

// busOf is a line with several register-level slaves.
type busOf map[byte]*metertest.Slave

func (b busOf) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	if s, ok := b[unit]; ok {
		return s.ReadInput(ctx, unit, addr, n)
	}
	return nil, fmt.Errorf("unit %d: %w", unit, context.DeadlineExceeded)
}

func (b busOf) ReadHolding(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	if s, ok := b[unit]; ok {
		return s.ReadHolding(ctx, unit, addr, n)
	}
	return nil, fmt.Errorf("unit %d: %w", unit, context.DeadlineExceeded)
}

// max31856chip has the registers of a MAX31856 whose hot end is at 1000 °C.
type max31856chip struct {
	mu   sync.Mutex
	regs [16]byte
}

func (c *max31856chip) String() string { return "SPIsim" }

func (c *max31856chip) Connect(_ physic.Frequency, mode spi.Mode, _ int) (spi.Conn, error) {
	if mode != spi.Mode1 && mode != spi.Mode3 {
		return nil, fmt.Errorf("mode %v", mode)
	}
	c.regs = [16]byte{0x00, 0x03, 0xFF, 0x7F, 0xC0, 0x7F, 0xFF, 0x80, 0x00, 0x00, 0x19, 0x00, 0x3E, 0x80, 0x00, 0x00}
	return max31856conn{c}, nil
}

type max31856conn struct{ *max31856chip }

func (c max31856conn) Duplex() conn.Duplex { return conn.Full }

func (c max31856conn) TxPackets([]spi.Packet) error { return fmt.Errorf("not simulated") }

func (c max31856conn) Tx(w, r []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w[0]&0x80 != 0 {
		copy(c.regs[w[0]&0x7F:10], w[1:])
		return nil
	}
	copy(r[1:], c.regs[w[0]:])
	c.regs[0] &^= 0x40 // the conversion is done
	return nil
}

// Every kit, from one line in gateway.yaml to samples: exactly the quantities that it promises, none with a fault.
func TestEveryKitGivesWhatItPromises(t *testing.T) {
	for _, class := range kit.Classes() {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			k, err := kit.Load(class)
			require.NoError(t, err)
			clock := &acceltest.Clock{}
			line := busOf{}
			b := &buses{spi: map[string]spi.Port{}, pin: map[string]gpio.PinIO{}, line: map[string]meter.Registers{"rtu:///dev/ttyUSB0": line}}
			promised := map[string]bool{}
			for _, s := range k.Sensors {
				for _, q := range s.Gives {
					require.False(t, promised[q], "%s twice", q)
					promised[q] = true
				}
				for name, p := range s.Pins {
					pin := fmt.Sprintf("GPIO%d", int(p))
					b.pin[pin] = &gpiotest.Pin{N: pin, L: gpio.Low, EdgesChan: make(chan gpio.Level), Fn: name}
				}
				switch s.Driver {
				case "meter":
					p, err := meter.LoadProfile(s.Profile)
					require.NoError(t, err)
					slave := metertest.NewSlave(p, s.Unit)
					for _, q := range s.Gives {
						low, high, _, ok := meter.Range(q)
						require.True(t, ok)
						v := map[bool]float64{true: 1, false: 0.5}[low < 1 && high > 1]
						if q == "frequency" || q == "temperature" || q == "humidity" {
							v = 50
						}
						if len(q) >= 7 && q[:7] == "voltage" {
							v = 230
						}
						require.NoError(t, slave.Set(q, v))
					}
					line[s.Unit] = slave
				case "max31856":
					b.spi[s.Bus.Periph()] = &max31856chip{}
				case "iis3dwb":
					chip := &iis3dwbtest.Chip{Clock: clock, RateHz: 26111, Signal: acceltest.Sine(5000, 900, 26111, 2049)}
					b.spi[s.Bus.Periph()] = chip.SPI()
				case "mfrc522":
					chip := &mfrc522test.Chip{}
					chip.Place([]byte{0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6})
					b.spi[s.Bus.Periph()] = chip
				case "supply":
					b.pin[s.Bus.Periph()] = &gpiotest.Pin{N: s.Bus.Periph()}
				default:
					t.Fatalf("no simulated %s: write one here", s.Driver)
				}
			}
			machines := load(t, "  - {id: m, kit: "+class+", every: 50ms}\n")
			src := start(t, Options{Machines: machines, Buses: b, Clock: clock}).Source("m")
			got := map[string]bool{}
			require.Eventually(t, func() bool {
				samples, err := src.Sense(t.Context(), time.Now())
				require.NoError(t, err)
				for _, s := range samples {
					require.False(t, s.IsFault(), "%s: %s", s.Quantity, s.Quality)
					require.True(t, wire.ValidQuality(s.Quality))
					got[s.Quantity] = true
				}
				return len(got) >= len(promised)
			}, 30*time.Second, 20*time.Millisecond, "promised %v, came %v", slices.Sorted(maps.Keys(promised)), got)
			require.Equal(t, promised, got)
		})
	}
}
