package meter_test

import (
	"math"
	"testing"

	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
)

// supply fills a meter with what an ordinary load looks like.
func supply(t *testing.T, p *meter.Profile, unit byte) *metertest.Slave {
	t.Helper()
	s := metertest.NewSlave(p, unit)
	for name, v := range map[string]float64{
		"voltage": 230, "voltage_l1": 231, "voltage_l2": 229.4, "voltage_l3": 230,
		"current": 5, "current_l1": 5, "current_l2": 5.1, "current_l3": 4.9,
		"power": 977.5, "power_l1": 982, "power_l2": 994, "power_l3": 958,
		"power_factor": 0.85, "power_factor_l1": 0.85, "power_factor_l2": 0.85, "power_factor_l3": 0.85,
		"frequency": 50.02, "energy": 123456000, "energy_export": 0,
	} {
		if _, ok := p.Row(name); ok {
			require.NoError(t, s.Set(name, v))
		}
	}
	return s
}

func TestProbeFindsTheOrderOfWords(t *testing.T) {
	for _, name := range []string{"em2m", "em4m", "mfm383", "sdm120", "sdm630"} {
		for _, words := range []meter.Words{meter.HighFirst, meter.LowFirst} {
			t.Run(name+" "+string(words), func(t *testing.T) {
				p := profile(t, name)
				slave := supply(t, p.In(words), 3)
				found, err := meter.Probe(t.Context(), slave, p, 3)
				require.NoError(t, err)
				require.Equal(t, words, found)

				r, err := meter.New(slave, meter.Opts{Profile: p, Unit: 3, Words: meter.ByProbe})
				require.NoError(t, err)
				require.Equal(t, meter.ByProbe, r.Words())
				values, err := r.Sense(t.Context(), nil)
				require.NoError(t, err)
				require.Equal(t, words, r.Words())
				got := numbers(values)
				require.InDelta(t, 977.5, got["power"], 0.01, "kW on the meter, W here")
				require.InDelta(t, 123456000, got["energy"], 4, "kWh on the meter, Wh here, as fine as float32 holds it")

				// An installer who knows the order need not have it probed: right, or refused.
				r, err = meter.New(slave, meter.Opts{Profile: p, Unit: 3, Words: words})
				require.NoError(t, err)
				_, err = r.Sense(t.Context(), nil)
				require.NoError(t, err)
			})
		}
	}
}

func TestProbeRefuses(t *testing.T) {
	p := profile(t, "mfm383")
	for _, c := range []struct {
		name string
		set  map[string]float64
		text string
	}{
		{"no supply", map[string]float64{"voltage_l1": 0, "voltage_l2": 0, "voltage_l3": 0, "current_l1": 0, "current_l2": 0, "current_l3": 0}, "no phase has voltage"},
		{"60 Hz", map[string]float64{"frequency": 60}, "frequency 60 Hz is outside 45 … 55"},
		{"line voltage in place of phase voltage", map[string]float64{"voltage_l2": 398}, "voltage_l2 398 V is outside 150 … 300"},
		{"power factor", map[string]float64{"power_factor_l3": 1.005}, "power_factor_l3 1.005 is outside"},
		{"watts that stand as kilowatts", map[string]float64{"power_l1": 0.982}, "power_l1 0.982 W does not go with 231 V × 5 A × 0.85"},
		{"power of another phase", map[string]float64{"power_l1": 700}, "does not go with"},
		{"not a number", map[string]float64{"power_l2": math.NaN()}, "NaN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			slave := supply(t, p.In(meter.HighFirst), 1)
			for n, v := range c.set {
				require.NoError(t, slave.Set(n, v))
			}
			r, err := meter.New(slave, meter.Opts{Profile: p, Unit: 1})
			require.NoError(t, err)
			values, err := r.Sense(t.Context(), nil)
			require.Nil(t, values)
			require.ErrorContains(t, err, "no order is plausible: high-first: ")
			require.ErrorContains(t, err, "; low-first: ")
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "is the supply on, and the profile that of this meter?")
			require.Equal(t, meter.ByProbe, r.Words(), "probed again at the next reading")
		})
	}
	t.Run("all zero", func(t *testing.T) {
		_, err := meter.Probe(t.Context(), metertest.NewSlave(p, 1), p, 1)
		require.ErrorContains(t, err, "frequency 0 Hz")
	})
	t.Run("exception", func(t *testing.T) {
		slave := metertest.NewSlave(p, 1)
		slave.Fail(modbus.ErrIllegalDataAddress)
		_, err := meter.Probe(t.Context(), slave, p, 1)
		require.ErrorIs(t, err, modbus.ErrIllegalDataAddress)
	})
	t.Run("both orders", func(t *testing.T) {
		p, err := meter.ParseProfile("p.yaml", []byte("name: p\nrows:\n  - {name: voltage, at: 0, type: uint16}\n"))
		require.NoError(t, err)
		slave := metertest.NewSlave(p, 1)
		require.NoError(t, slave.Set("voltage", 230))
		_, err = meter.Probe(t.Context(), slave, p, 1)
		require.ErrorContains(t, err, "both orders are plausible")
	})
	_, err := p.Decode(0, make([]uint16, 60))
	require.ErrorContains(t, err, "the order of words is not known")
}

// Addresses one lower than the profile's, as one document lists them, give no reading rather than a wrong one.
func TestProbeRefusesShiftedAddresses(t *testing.T) {
	p := profile(t, "mfm383")
	for _, words := range []meter.Words{meter.HighFirst, meter.LowFirst} {
		shifted := *p.In(words)
		shifted.Rows = append([]meter.Row(nil), p.Rows...)
		for i := range shifted.Rows {
			if i > 0 {
				shifted.Rows[i].Address--
			}
		}
		_, err := meter.Probe(t.Context(), supply(t, &shifted, 1), p, 1)
		require.ErrorContains(t, err, "no order is plausible")
	}
}

// A three-phase meter on one phase, and one whose transformer is reversed, are plausible; the sign is for the watch.
func TestPlausible(t *testing.T) {
	one := map[string]float64{"voltage_l1": 230, "voltage_l2": 0, "voltage_l3": 0, "voltage": 76.7, "current_l1": 2, "power_l1": 460, "power_factor_l1": 1, "frequency": 50}
	require.NoError(t, meter.Plausible(one))
	one["power_l1"], one["power_factor_l1"] = -460, 1
	require.NoError(t, meter.Plausible(one))
	one["voltage_l2"] = 2.4e-41 // 230 V in the wrong order of words
	require.ErrorContains(t, meter.Plausible(one), "voltage_l2")
	require.Error(t, meter.Plausible(nil))
	require.Error(t, meter.Plausible(map[string]float64{"voltage": math.NaN()}))
}

// A meter whose values stand in holding registers is read with function 3.
func TestHoldingRegisters(t *testing.T) {
	p, err := meter.ParseProfile("p.yaml", []byte("name: p\ntable: holding\nrows:\n  - {name: power, at: 4, type: uint16}\n"))
	require.NoError(t, err)
	slave := metertest.NewSlave(p, 1)
	require.NoError(t, slave.Set("power", 1500))
	url, server := start(t, slave)
	defer func() { _ = server.Stop() }()
	line, err := meter.NewClient(meter.Line{URL: url})
	require.NoError(t, err)
	defer line.Close()
	r, err := meter.New(line, meter.Opts{Profile: p, Unit: 1})
	require.NoError(t, err)
	values, err := r.Sense(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"power": 1500}, numbers(values))

	input := *p
	input.Table = meter.Input
	r, err = meter.New(line, meter.Opts{Profile: &input, Unit: 1})
	require.NoError(t, err)
	_, err = r.Sense(t.Context(), nil)
	require.ErrorIs(t, err, modbus.ErrIllegalFunction)
	require.Zero(t, slave.Writes())
}
