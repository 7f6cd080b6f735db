package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"karkhana/hardware/chip/max31855"
	"karkhana/hardware/meter"
	"karkhana/internal/lowport/lowporttest"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
)

// epoch is a local evening; thirty days later lies Diwali week.
var epoch = time.Date(2026, 10, 9, 12, 34, 56, 0, time.UTC)

func workshop(t testing.TB, seed uint64) *Workshop {
	t.Helper()
	w, err := New(Options{Seed: seed, Epoch: epoch})
	require.NoError(t, err)
	return w
}

func machine(t testing.TB, seed uint64, kind string) *Machine {
	t.Helper()
	m, err := workshop(t, seed).Machine(kind)
	require.NoError(t, err)
	return m
}

// truth looks at a machine every step from the epoch on.
func truth(t testing.TB, m *Machine, span, step time.Duration, look func(at time.Duration, tr Truth)) {
	t.Helper()
	for at := time.Duration(0); at <= span; at += step {
		tr, err := m.Truth(epoch.Add(at))
		if err != nil {
			t.Fatal(err)
		}
		look(at, tr)
	}
}

func sense(t testing.TB, m *Machine, at time.Duration) []wire.Sample {
	t.Helper()
	s, err := m.Sense(epoch.Add(at))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reading picks a quantity; NaN when it is not there.
func reading(samples []wire.Sample, name string) float64 {
	for _, s := range samples {
		if s.Quantity == name {
			return s.Number
		}
	}
	return math.NaN()
}

// The same seed and epoch give the same bytes; another seed does not.
func TestSameSeedSameBytes(t *testing.T) {
	record := func(seed uint64, kind string) []byte {
		var b bytes.Buffer
		m := machine(t, seed, kind)
		for at := time.Duration(0); at < 8*time.Hour; at += 17 * time.Second {
			require.NoError(t, json.NewEncoder(&b).Encode(sense(t, m, at)))
		}
		return b.Bytes()
	}
	for _, kind := range Kinds() {
		first := record(3, kind)
		require.True(t, bytes.Equal(first, record(3, kind)), kind)
		require.False(t, bytes.Equal(first, record(4, kind)), kind)
	}
}

// What is read at a time does not depend on who read when before, and no tap is lost or seen twice.
func TestReadingsDoNotDependOnCalls(t *testing.T) {
	const from, to = 50 * time.Hour, 53 * time.Hour
	type stamp struct {
		ms   int64
		name string
	}
	collect := func(kind string, start time.Duration, steps ...time.Duration) map[stamp]wire.Sample {
		m := machine(t, 11, kind)
		require.NoError(t, m.Seek(epoch.Add(start)))
		all := map[stamp]wire.Sample{}
		for i, at := 0, start; at <= to; i++ {
			for _, s := range sense(t, m, at) {
				k := stamp{s.TimeMs, s.Quantity}
				if _, twice := all[k]; twice {
					t.Fatalf("%s: %v came twice", kind, k)
				}
				all[k] = s
			}
			at += steps[i%len(steps)]
		}
		return all
	}
	for _, kind := range Kinds() {
		fine := collect(kind, from-time.Hour, 500*time.Millisecond)
		for name, other := range map[string]map[stamp]wire.Sample{
			"each minute from far": collect(kind, 0, time.Minute),
			"uneven":               collect(kind, from-30*time.Minute, 3*time.Second, 500*time.Millisecond, 121500*time.Millisecond),
		} {
			same := 0
			for k, s := range other {
				if k.ms < epoch.Add(from).UnixMilli() {
					continue
				}
				if fine[k] != s {
					t.Fatalf("%s %s: %v and %v", kind, name, fine[k], s)
				}
				same++
			}
			require.Greater(t, same, 100)
			for k := range fine {
				if k.name == quantity.Card && k.ms > epoch.Add(from).UnixMilli() && k.ms <= epoch.Add(to-3*time.Minute).UnixMilli() {
					_, there := other[k]
					require.True(t, there, "%s %s: a tap was lost", kind, name)
				}
			}
		}
	}
}

// A history instance and a live instance meet without a seam, each in its own goroutine.
func TestHistoryAndLiveAgree(t *testing.T) {
	w := workshop(t, 5)
	var wg sync.WaitGroup
	results := make([][]byte, 2*len(Kinds()))
	for i, kind := range Kinds() {
		for j := range 2 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				m, err := w.Machine(kind)
				if err != nil {
					return
				}
				if j == 0 {
					_ = m.Seek(epoch.Add(48 * time.Hour))
				} else {
					for at := time.Duration(0); at <= 48*time.Hour; at += 10 * time.Minute {
						_, _ = m.Sense(epoch.Add(at))
					}
				}
				s, _ := m.Sense(epoch.Add(48*time.Hour + 90*time.Second))
				results[2*i+j], _ = json.Marshal(s)
			}()
		}
	}
	wg.Wait()
	for i := range Kinds() {
		require.NotEmpty(t, results[2*i])
		require.Equal(t, string(results[2*i]), string(results[2*i+1]))
	}
}

func TestEverySampleFitsTheWire(t *testing.T) {
	want := map[string][]string{
		Furnace:   {quantity.Temperature, quantity.Setpoint},
		Polishing: {quantity.Vibration, quantity.Accel, quantity.Crest, quantity.Kurtosis, quantity.Temperature},
		MainMeter: {quantity.Supply},
		Cutting:   nil, Hammering: nil, Designing: nil,
	}
	for kind, more := range want {
		m := machine(t, 2, kind)
		seen := map[string]int{}
		last := int64(0)
		for at := time.Duration(0); at < 24*time.Hour; at += 20 * time.Second {
			for _, s := range sense(t, m, at) {
				q, ok := quantity.Get(s.Quantity)
				require.True(t, ok, s.Quantity)
				if q.Kind == quantity.KindNumber {
					require.NoError(t, q.Check(s.Number))
				}
				require.Empty(t, s.Quality)
				if s.Quantity == quantity.Card {
					require.Greater(t, s.TimeMs, last)
					last = s.TimeMs
				} else {
					require.Equal(t, epoch.Add(at).UnixMilli(), s.TimeMs)
				}
				seen[s.Quantity]++
			}
		}
		for _, q := range append(more, quantity.Power, quantity.Energy, quantity.Current, quantity.Voltage, quantity.PowerFactor, quantity.Frequency) {
			require.NotZero(t, seen[q], "%s %s", kind, q)
		}
		if kind == MainMeter {
			require.Zero(t, seen[quantity.Card], "the machines behind the main meter have their own readers")
		} else {
			require.NotZero(t, seen[quantity.Card], kind)
		}
	}
}

// The energy register is the integral of power, within its resolution and the meter's gain.
func TestEnergyRegister(t *testing.T) {
	for _, kind := range Kinds() {
		m := machine(t, 6, kind)
		const span = 6 * time.Hour
		first := reading(sense(t, m, 0), quantity.Energy)
		var trueWh, lastRegister float64
		lastRegister = first
		for at := 100 * time.Millisecond; at <= span; at += 100 * time.Millisecond {
			tr, err := m.Truth(epoch.Add(at - 100*time.Millisecond))
			require.NoError(t, err)
			trueWh += tr.PowerW / 36000 // the step rule is exact but for segments that end inside a tenth of a second
			if at%time.Minute == 0 {
				register := reading(sense(t, m, at), quantity.Energy)
				require.GreaterOrEqual(t, register, lastRegister, "a register never goes back")
				lastRegister = register
			}
		}
		tr, err := m.Truth(epoch.Add(span))
		require.NoError(t, err)
		require.Greater(t, trueWh, 300.0, kind)
		require.InEpsilon(t, trueWh, tr.EnergyWh, 0.002, kind)
		step := meterSpecs[kind].step
		require.InDelta(t, tr.EnergyWh, lastRegister-first, 2*step+0.005*tr.EnergyWh, kind)
		require.InDelta(t, 0, math.Remainder(lastRegister, step), 1e-6, "%s: resolution", kind)
	}
}

// Power, current, voltage and power factor of one reading belong together, and the voltage sags with load.
func TestElectricalSense(t *testing.T) {
	for _, kind := range Kinds() {
		m := machine(t, 8, kind)
		phases := meterSpecs[kind].phases
		for at := time.Duration(0); at < 12*time.Hour; at += 13 * time.Second {
			s := sense(t, m, at)
			p, v, i := reading(s, quantity.Power), reading(s, quantity.Voltage), reading(s, quantity.Current)
			if p == 0 {
				require.Zero(t, i)
				continue
			}
			require.InDelta(t, 231, v, 23, "within ±10 %%")
			require.InDelta(t, 50, reading(s, quantity.Frequency), 0.3)
			if p > 100 {
				require.InEpsilon(t, p, phases*v*i*reading(s, quantity.PowerFactor), 0.06, kind)
			}
		}
	}
}

// The main meter shows the sum of the machines and the building.
func TestMainMeterIsTheSum(t *testing.T) {
	const span = 5 * 24 * time.Hour
	main := machine(t, 9, MainMeter)
	house := main.plants[0]
	var energy, power float64
	firstSum, lastSum := 0.0, 0.0
	for _, kind := range Kinds()[:5] {
		m := machine(t, 9, kind)
		firstSum += reading(sense(t, m, 0), quantity.Energy)
		lastSum += reading(sense(t, m, span), quantity.Energy)
		tr, err := m.Truth(epoch.Add(span))
		require.NoError(t, err)
		energy += tr.EnergyWh
		power += tr.PowerW
	}
	first := reading(sense(t, main, 0), quantity.Energy)
	last := reading(sense(t, main, span), quantity.Energy)
	tr, err := main.Truth(epoch.Add(span))
	require.NoError(t, err)
	lights := float64(house.energyAt(main.now)) / milliWmsPerWh
	require.InDelta(t, tr.EnergyWh, energy+lights, 1e-3, "truth adds up exactly")
	require.InDelta(t, tr.PowerW, power+float64(house.seg.milliW)/1000, 1e-6)
	require.InEpsilon(t, last-first, lastSum-firstSum+lights, 0.01, "registers add up within the meters' accuracy")
	require.Greater(t, lights, 0.05*energy)
	require.Less(t, lights, 0.4*energy)
}

// Through Modbus TCP the meter tells what Sense told.
func TestMeterOverModbusTCP(t *testing.T) {
	m := machine(t, 1, Furnace)
	want := sense(t, m, time.Hour)
	url := "tcp://" + lowporttest.Address(t) // the server does not tell its port
	server, err := modbus.NewServer(&modbus.ServerConfiguration{URL: url, Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}, m.Meter())
	require.NoError(t, err)
	require.NoError(t, server.Start())
	defer func() { _ = server.Stop() }()
	line, err := meter.NewClient(meter.Line{URL: url})
	require.NoError(t, err)
	defer line.Close()
	profile, err := meter.LoadProfile("sdm630")
	require.NoError(t, err)
	r, err := meter.New(line, meter.Opts{Profile: profile, Unit: 1})
	require.NoError(t, err)
	values, err := r.Sense(t.Context(), nil)
	require.NoError(t, err)
	got := map[string]float64{}
	for _, v := range values {
		got[v.Name] = v.Number
	}
	for _, q := range []string{quantity.Power, quantity.Energy, quantity.Current, quantity.Voltage, quantity.PowerFactor, quantity.Frequency} {
		require.InDelta(t, reading(want, q), got[q], 0, q)
	}
	require.InEpsilon(t, got["power"], got["power_l1"]+got["power_l2"]+got["power_l3"], 1e-5)
	require.Zero(t, m.Meter().Writes())
}

// Through the furnace's SPI port another driver reads the same chip.
func TestThermocoupleOverSPI(t *testing.T) {
	m := machine(t, 1, Furnace)
	s := sense(t, m, 2*time.Hour)
	dev, err := max31855.New(m.Thermocouple(), nil)
	require.NoError(t, err)
	r, err := dev.Sense(context.Background())
	require.NoError(t, err)
	require.InDelta(t, reading(s, quantity.Temperature), r.Temperature.Celsius(), 0.006)
	require.Nil(t, machine(t, 1, Cutting).Thermocouple())

	// A fault of the probe is an error of the reading, not a number.
	m.Thermocouple().SetFault(1)
	_, err = dev.Sense(context.Background())
	require.ErrorIs(t, err, max31855.ErrOpen)
}

func TestBadInput(t *testing.T) {
	_, err := New(Options{})
	require.ErrorContains(t, err, "no epoch")
	_, err = New(Options{Epoch: epoch, Shifts: []Shift{{From: 25 * time.Hour}}})
	require.ErrorContains(t, err, "shifts[0]")
	_, err = workshop(t, 1).Machine("lathe")
	require.ErrorContains(t, err, `no machine of kind "lathe": use one of furnace, cutting`)
	m := machine(t, 1, Cutting)
	_, err = m.Sense(epoch.Add(-time.Second))
	require.ErrorContains(t, err, "the simulated world begins at 2026-10-09T12:34:56Z")
	sense(t, m, time.Hour)
	sense(t, m, time.Hour)
	_, err = m.Sense(epoch.Add(time.Minute))
	require.ErrorContains(t, err, "can't go back")
	_, err = m.Truth(epoch.Add(time.Minute))
	require.Error(t, err)
	require.Error(t, m.Seek(epoch.Add(time.Minute)))
	require.Equal(t, Cutting, m.Kind())
}

func TestCards(t *testing.T) {
	groups, uids := map[string]int{}, map[string]bool{}
	for _, c := range Cards() {
		groups[c.Group]++
		require.Len(t, c.UID, 8)
		require.Equal(t, strings.ToUpper(c.UID), c.UID)
		require.False(t, uids[c.UID])
		uids[c.UID] = true
	}
	require.Len(t, groups, 5)
}
