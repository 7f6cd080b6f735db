package meter_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
)

func profile(t testing.TB, name string) *meter.Profile {
	t.Helper()
	p, err := meter.LoadProfile(name)
	require.NoError(t, err)
	return p
}

func numbers(values []meter.Value) map[string]float64 {
	out := map[string]float64{}
	for _, v := range values {
		out[v.Name] = v.Number
	}
	return out
}

// energyMeters are the profiles but those of other transmitters.
func energyMeters() []string {
	return slices.DeleteFunc(meter.Profiles(), func(name string) bool { return name == "trh" })
}

// A transmitter of climate is read as a meter is.
func TestTransmitter(t *testing.T) {
	p := profile(t, "trh")
	slave := metertest.NewSlave(p, 7)
	require.NoError(t, slave.Set("temperature", -3.5))
	require.NoError(t, slave.Set("humidity", 61.2))
	r, err := meter.New(slave, meter.Opts{Profile: p, Unit: 7})
	require.NoError(t, err)
	got, err := r.Sense(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"temperature": -3.5, "humidity": 61.2}, numbers(got))
}

// Every profile that is shipped loads, and the wire names it promises come through.
func TestBuiltInProfiles(t *testing.T) {
	require.Equal(t, []string{"em2m", "em4m", "mfm383", "pzem004t", "sdm120", "sdm630", "trh"}, meter.Profiles())
	for _, name := range energyMeters() {
		p := profile(t, name)
		require.Equal(t, name, p.Name)
		require.NotEmpty(t, p.Title)
		require.NotEmpty(t, p.Source)
		slave := metertest.NewSlave(p, 7)
		want := map[string]float64{"voltage": 231.5, "current": 4.25, "power": 492, "energy": 1234560, "frequency": 49.9, "power_factor": 0.5}
		for n, v := range want {
			require.NoError(t, slave.Set(n, v))
		}
		if _, phases := p.Row("voltage_l1"); phases {
			require.NoError(t, slave.Set("voltage_l1", 231.5))
		}
		r, err := meter.New(slave, meter.Opts{Profile: p, Unit: 7, Names: []string{"voltage", "current", "power", "energy", "frequency", "power_factor"}})
		require.NoError(t, err)
		require.Equal(t, "meter{"+name+"(7)}", r.String())
		got, err := r.Sense(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, r.Halt())
		require.Len(t, got, 6)
		for n, v := range want {
			require.InDelta(t, v, numbers(got)[n], 1e-3, "%s %s", name, n)
		}
	}
	_, err := meter.LoadProfile("sdm12")
	require.ErrorContains(t, err, `did you mean "sdm120"?`)
}

// counting notes the requests a reader makes.
type counting struct {
	meter.Registers
	requests [][2]uint16
}

func (c *counting) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	c.requests = append(c.requests, [2]uint16{addr, n})
	return c.Registers.ReadInput(ctx, unit, addr, n)
}

func TestBlocksAreMerged(t *testing.T) {
	for _, c := range []struct {
		profile string
		names   []string
		want    [][2]uint16
	}{
		{"pzem004t", nil, [][2]uint16{{0, 9}}},
		{"sdm120", nil, [][2]uint16{{0, 32}, {0x46, 4}}},
		{"sdm630", []string{"power"}, [][2]uint16{{0x34, 2}}},
		{"sdm630", []string{"voltage", "current", "power", "power_factor", "frequency", "energy"}, [][2]uint16{{0x2a, 0x20}}},
	} {
		p := profile(t, c.profile)
		bus := &counting{Registers: metertest.NewSlave(p, 1)}
		r, err := meter.New(bus, meter.Opts{Profile: p, Unit: 1, Names: c.names})
		require.NoError(t, err)
		_, err = r.Sense(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, c.want, bus.requests, c.profile)
	}
	strict := *profile(t, "sdm120")
	strict.Gaps = false
	bus := &counting{Registers: metertest.NewSlave(&strict, 1)}
	r, err := meter.New(bus, meter.Opts{Profile: &strict, Unit: 1, Names: []string{"voltage", "frequency", "energy"}})
	require.NoError(t, err)
	_, err = r.Sense(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, [][2]uint16{{0, 2}, {0x46, 4}}, bus.requests, "nothing between neighbours is read where gaps are forbidden")
}

func TestBadReadings(t *testing.T) {
	p := profile(t, "sdm120")
	set := func(v float64) func(*metertest.Slave) {
		return func(s *metertest.Slave) { require.NoError(t, s.Set("power", v)) }
	}
	for _, c := range []struct {
		name string
		do   func(*metertest.Slave)
		text string
	}{
		{"NaN", set(math.NaN()), "power at register 0xc: NaN is outside"},
		{"infinity", set(math.Inf(1)), "+Inf is outside"},
		{"not plausible", set(1e30), "check the profile, the order of words and the wiring"},
		{"negative energy", func(s *metertest.Slave) { require.NoError(t, s.Set("energy", -5000)) }, "energy at register 0x48"},
		{"exception", func(s *metertest.Slave) { s.Fail(modbus.ErrServerDeviceFailure) }, "meter{sdm120(3)}: read 32 registers from 0x0: server device failure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			slave := metertest.NewSlave(p, 3)
			r, err := meter.New(slave, meter.Opts{Profile: p, Unit: 3})
			require.NoError(t, err)
			c.do(slave)
			got, err := r.Sense(t.Context(), nil)
			require.ErrorContains(t, err, c.text)
			require.Nil(t, got, "nothing of the block is used")
		})
	}
	_, err := p.Decode(0, []uint16{0x7FC0, 0, 0, 0, 0, 0, 0x4080, 0})
	require.ErrorContains(t, err, "voltage at register 0x0: NaN")

	slave := metertest.NewSlave(p, 3)
	r, err := meter.New(short{slave}, meter.Opts{Profile: p, Unit: 3})
	require.NoError(t, err)
	_, err = r.Sense(t.Context(), nil)
	require.ErrorContains(t, err, "32 registers from 0x0 asked, 31 came")
}

// short is a line that loses a register.
type short struct{ meter.Registers }

func (s short) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	regs, err := s.Registers.ReadInput(ctx, unit, addr, n)
	return regs[:len(regs)-1], err
}

func TestBadOptions(t *testing.T) {
	p := profile(t, "sdm120")
	for _, c := range []struct {
		o    meter.Opts
		text string
	}{
		{meter.Opts{Profile: p, Unit: 1, Words: "abcd"}, `words "abcd": use high-first, low-first or probe`},
		{meter.Opts{Unit: 1}, "no profile: use one of em2m, em4m, mfm383, pzem004t, sdm120, sdm630"},
		{meter.Opts{Profile: p}, "unit 0: a Modbus address is 1 to 247"},
		{meter.Opts{Profile: p, Unit: 248}, "unit 248"},
		{meter.Opts{Profile: p, Unit: 1, Names: []string{"voltag"}}, `sdm120 does not tell "voltag"; did you mean "voltage"?`},
	} {
		_, err := meter.New(metertest.NewSlave(p, 1), c.o)
		require.ErrorContains(t, err, c.text)
	}
	_, err := meter.NewClient(meter.Line{URL: "tcp://127.0.0.1:502", Parity: "evn"})
	require.ErrorContains(t, err, "use none, even or odd")
	_, err = meter.NewClient(meter.Line{URL: "127.0.0.1:502"})
	require.ErrorContains(t, err, "use tcp://host:502")
}

func TestBadProfiles(t *testing.T) {
	head := "name: x\ntitle: t\nsource: s\n"
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", head + "word: low-first\nrows:\n  - {name: power, at: 0, type: uint16}\n", "bad.yaml:4"},
		{"order of words", head + "words: dcba\nrows:\n  - {name: power, at: 0, type: uint16}\n", `bad.yaml:4: words "dcba": use high-first, low-first or probe`},
		{"table", head + "table: coils\nrows:\n  - {name: power, at: 0, type: uint16}\n", `bad.yaml:4: table "coils": use input or holding`},
		{"no rows", head, "a profile needs rows"},
		{"unknown quantity", head + "rows:\n  - {name: powr, at: 0, type: uint16}\n", `bad.yaml:5: unknown quantity "powr"; did you mean "power"?`},
		{"text quantity", head + "rows:\n  - {name: card, at: 0, type: uint16}\n", `unknown quantity "card"`},
		{"type", head + "rows:\n  - {name: power, at: 0, type: float16}\n", `type "float16": use uint16`},
		{"twice", head + "rows:\n  - {name: power, at: 0, type: uint16}\n  - {name: power, at: 1, type: uint16}\n", "bad.yaml:6: power stands twice"},
		{"past the end", head + "rows:\n  - {name: power, at: 0xffff, type: uint32}\n", "past register 0xffff"},
		{"negative factor", head + "rows:\n  - {name: power, at: 0, type: uint16, times: -1}\n", "must be positive"},
		{"block", head + "max_block: 200\nrows:\n  - {name: power, at: 0, type: uint16}\n", "a request holds 2 to 125"},
		{"parity", head + "parity: maybe\nrows:\n  - {name: power, at: 0, type: uint16}\n", "use none, even or odd"},
		{"no name", "rows:\n  - {name: power, at: 0, type: uint16}\n", "a profile needs a name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := meter.ParseProfile("bad.yaml", []byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// What a simulated meter holds comes out again, in every form and order.
func TestEncodeDecode(t *testing.T) {
	for _, words := range []meter.Words{meter.HighFirst, meter.LowFirst} {
		for _, typ := range []meter.Type{meter.Uint16, meter.Int16, meter.Uint32, meter.Int32, meter.Float32} {
			p, err := meter.ParseProfile("p.yaml", []byte("name: p\nwords: "+string(words)+"\nrows:\n  - {name: power, at: 2, type: "+string(typ)+", divide: 10}\n"))
			require.NoError(t, err)
			for _, v := range []float64{0, 1, 250.5, -250.5, 3000, 123456.5} {
				if v < 0 && (typ == meter.Uint16 || typ == meter.Uint32) || v > 3000 && (typ == meter.Uint16 || typ == meter.Int16) {
					continue
				}
				regs := make([]uint16, 4)
				p.Encode(p.Rows[0], v, regs[2:])
				got, err := p.Decode(0, regs)
				require.NoError(t, err)
				require.Equal(t, []meter.Value{{Name: "power", Number: v, Wire: true}}, got, "%s %s", typ, words)
			}
		}
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add([]byte("name: x\nrows:\n  - {name: power, at: 0, type: uint16}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := meter.ParseProfile("fuzz.yaml", data)
		if err != nil {
			return
		}
		_, err = meter.New(metertest.NewSlave(p, 1), meter.Opts{Profile: p, Unit: 1})
		require.NoError(t, err)
		regs := make([]uint16, 125)
		if _, err := p.Decode(0, regs); err != nil && errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func BenchmarkSense(b *testing.B) {
	p := profile(b, "sdm630")
	slave := metertest.NewSlave(p, 1)
	r, err := meter.New(slave, meter.Opts{Profile: p, Unit: 1, Names: []string{"voltage", "current", "power", "power_factor", "frequency", "energy"}})
	require.NoError(b, err)
	var into []meter.Value
	for b.Loop() {
		if into, err = r.Sense(b.Context(), into[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
