package sensor

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"karkhana/firmware-gateway/sampler"
	"karkhana/hardware/chip/accel/acceltest"
	"karkhana/hardware/chip/iis3dwb/iis3dwbtest"
	"karkhana/hardware/chip/lis3dh/lis3dhtest"
	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// packs takes what the sampler hands over, as SenML and back: what a server would get.
type packs struct {
	t   *testing.T
	mu  sync.Mutex
	seq uint64
	got []wire.Sample
}

func (p *packs) WaitRoom(ctx context.Context) error { return ctx.Err() }

func (p *packs) Add(machine string, _ int64, samples []wire.Sample) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	out := wire.Pack{Site: "s", Machine: machine, Spool: "sp", Boot: "b", Seq: p.seq, Clock: wire.ClockSynced, Samples: slices.Clone(samples)}
	out.Sort()
	b, err := out.Encode(wire.FormatCBOR)
	if err != nil {
		p.t.Errorf("encode: %v", err)
		return err
	}
	in, err := wire.Decode(b)
	if err != nil {
		p.t.Errorf("decode: %v", err)
		return err
	}
	p.got = append(p.got, in.Samples...)
	return nil
}

func (p *packs) has(quantity string, fits func(wire.Sample) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.got, func(s wire.Sample) bool { return s.Quantity == quantity && fits(s) })
}

// through runs machines from their configuration to packs until the test ends.
func through(t *testing.T, o Options) map[string]*packs {
	t.Helper()
	s := start(t, o)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	out := map[string]*packs{}
	for _, m := range o.Machines {
		p := &packs{t: t}
		out[m.ID] = p
		run := &sampler.Sampler{Settings: m.Settings(), Now: time.Now, Sink: p, Logger: slog.New(slog.DiscardHandler)}
		run.Pack = 100 * time.Millisecond
		all.Go(func() { _ = run.Live(ctx, s.Source(m.ID)) }) // the context's end
	}
	t.Cleanup(func() { stop(); all.Wait() })
	return out
}

func (p *packs) until(quantity string, fits func(wire.Sample) bool) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.has(quantity, fits) }, time.Minute, 10*time.Millisecond, quantity)
}

// thermocoupleChip is the chip's registers; a conversion is over at once.
type thermocoupleChip struct {
	mu       sync.Mutex
	cr0, cr1 byte
	reading  [6]byte // cold junction, thermocouple, fault status
}

func (c *thermocoupleChip) port() spi.Port {
	return &acceltest.Port{Name: "SPI0.0", Max: 5 * physic.MegaHertz, Mode: spi.Mode1, Transfer: func(w, r []byte) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if w[0]&0x80 != 0 {
			c.cr0, c.cr1 = w[1]&^0x40, w[2]
			return nil
		}
		copy(r, append([]byte{0, c.cr0, c.cr1, 0xFF, 0x7F, 0xC0, 0x7F, 0xFF, 0x80, 0x00, 0x00}, c.reading[:]...))
		return nil
	}}
}

func (c *thermocoupleChip) set(r [6]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = r
}

func TestMAX31856ToPacks(t *testing.T) {
	chip := &thermocoupleChip{reading: [6]byte{0x19, 0x00, 0x3E, 0x80, 0x00, 0x00}} // 1000 °C, 25 °C at the connector
	b := &buses{spi: map[string]spi.Port{"SPI0.0": chip.port()}}
	p := through(t, Options{Buses: b, Machines: load(t, machine("furnace-1", "{chip: max31856, bus: SPI0.0, thermocouple: K}"))})["furnace-1"]
	p.until("temperature", near(1000, 0.1))
	chip.set([6]byte{0x19, 0x00, 0x3E, 0x80, 0x00, 0x01})
	p.until("temperature", fault(CauseOpen))
	chip.set([6]byte{0x19, 0x00, 0x19, 0x00, 0x00, 0x00})
	p.until("temperature", near(400, 0.1))
}

func TestAccelerometersToPacks(t *testing.T) {
	slow, fast := &acceltest.Clock{}, &acceltest.Clock{}
	lis := &lis3dhtest.Chip{Clock: slow, RateHz: 1344, Signal: acceltest.Sine(512, 25, 1344, 512)}
	iis := &iis3dwbtest.Chip{Clock: fast, RateHz: 26667, Signal: acceltest.Sine(8192, 100, 26667, 4096)}
	for name, c := range map[string]struct {
		port  spi.Port
		clock *acceltest.Clock
		hz    float64
	}{"lis3dh": {lis.SPI(), slow, 25}, "iis3dwb": {iis.SPI(), fast, 100}} {
		t.Run(name, func(t *testing.T) {
			b := &buses{spi: map[string]spi.Port{"SPI0.1": c.port}}
			p := through(t, Options{Buses: b, Clock: c.clock, Machines: load(t, machine("fan-1", "{chip: "+name+", bus: SPI0.1}"))})["fan-1"]
			p.until("vibration", func(s wire.Sample) bool { return !s.IsFault() && s.Number > 0.001 })
			for _, q := range []string{"acceleration", "crest", "kurtosis"} {
				p.until(q, func(s wire.Sample) bool { return !s.IsFault() && s.Number > 0 })
			}
			// Of a sine: velocity is acceleration over its angular frequency, crest √2, kurtosis 1.5.
			p.until("crest", near(math.Sqrt2, 0.03))
			p.until("kurtosis", near(1.5, 0.03))
			p.mu.Lock()
			got := map[string]float64{}
			for _, s := range p.got {
				got[s.Quantity] = s.Number
			}
			p.mu.Unlock()
			require.InEpsilon(t, got["acceleration"]/(2*math.Pi*c.hz), got["vibration"], 0.05, "%v", maps.Clone(got))
		})
	}
}

func TestShellyGen2ToPacks(t *testing.T) {
	b := brokertest.Embedded(t, map[string]brokertest.User{
		"gw":   {Password: "p", Rights: broker.Rights{Subscribe: []string{"pro3em/events/rpc", "pro3em/status/+"}}},
		"plug": {Password: "p", Rights: broker.Rights{Publish: []string{"pro3em/#"}}},
	})
	p := through(t, Options{Buses: &buses{}, Machines: load(t,
		machine("lathe-1", "{mqtt_meter: shelly-gen2, device: pro3em, channels: [\"em1:0\", \"em1:1\"], silent_after: 2s, broker: \""+b.URL()+"\", user: gw, password: p}"))})["lathe-1"]
	plug := brokertest.Connect(t, brokertest.ClientOptions(b, "plug", "p", "plug"))
	require.Eventually(t, func() bool { // until the gateway listens
		for ch, w := range []float64{1250.5, 750} {
			text := fmt.Sprintf(`{"method":"NotifyStatus","params":{"ts":1757060280.21,"em1:%d":{"id":%d,"act_power":%v,"voltage":231.2}}}`, ch, ch, w)
			require.NoError(t, brokertest.Wait(plug.Publish("pro3em/events/rpc", 0, false, text)))
		}
		return p.has("power", near(2000.5, 0.01))
	}, time.Minute, 50*time.Millisecond)
	p.until("power", fault(CauseSilent))
}

// wires are buses with a 1-Wire folder.
type wires struct {
	buses
	mu      sync.Mutex
	devices fstest.MapFS
}

func (w *wires) OneWire() fs.FS { return w }

// Open gives the file as it is now.
func (w *wires) Open(name string) (fs.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.devices).Open(name)
}

func (w *wires) set(id, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.devices = maps.Clone(w.devices); text == "" {
		delete(w.devices, id+"/w1_slave")
		return
	}
	w.devices[id+"/w1_slave"] = &fstest.MapFile{Data: []byte(text)}
}

func TestDS18B20ToPacks(t *testing.T) {
	const id = "28-0316a2794cff"
	const good = "91 01 4b 46 7f ff 0f 10 25 : crc=25 YES\n91 01 4b 46 7f ff 0f 10 25 t=25062\n"
	w := &wires{devices: fstest.MapFS{}}
	w.set(id, good)
	machines := load(t, machine("kiln-1", "{chip: ds18b20, id: "+id+"}"))
	p := through(t, Options{Buses: w, Machines: machines})["kiln-1"]
	p.until("temperature", near(25.0625, 0.001))
	w.set(id, "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n")
	p.until("temperature", fault("reset"))
	require.False(t, p.has("temperature", near(85, 0.1)), "never the value of power-up")
	w.set(id, "91 01 4b 46 7f ff 0f 10 24 : crc=25 NO\n91 01 4b 46 7f ff 0f 10 24 t=25062\n")
	p.until("temperature", fault("disturbed"))
	w.set(id, "")
	p.until("temperature", fault(CauseNoChip))
}
