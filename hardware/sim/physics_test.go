package sim

import (
	"math"
	"testing"
	"time"

	"karkhana/internal/quantity"

	"github.com/stretchr/testify/require"
)

// The furnace heats up in a plausible time, holds its setpoint by switching, dips when the door opens, and cools.
func TestFurnace(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		m := machine(t, seed, Furnace)
		f := m.furnace
		var heatStart, soak, doors, offs time.Duration
		var soakWh, lastWh, heatWh, heatStored, deepest float64
		var heatUps []time.Duration
		var edges []time.Duration
		last := furnaceOff
		element, spoilt := false, false
		deepest = furnaceSoak
		truth(t, m, 4*24*time.Hour, time.Second, func(at time.Duration, tr Truth) {
			stored := heatChamber*f.chamber + heatLining*f.lining
			// A power cut spoils the programme: look at the next one.
			spoilt = !tr.Supply || spoilt && f.stage != furnaceOff
			if spoilt {
				last, lastWh = furnaceOff, tr.EnergyWh
				return
			}
			switch f.stage {
			case furnaceHeating:
				if last == furnaceLoading {
					heatStart, heatWh, heatStored = at, tr.EnergyWh, stored
				}
			case furnaceSoaking:
				if last == furnaceHeating {
					heatUps = append(heatUps, at-heatStart)
					in, kept := (tr.EnergyWh-heatWh)*3600, stored-heatStored
					require.Less(t, kept, in, "no more heat is kept than came in")
					require.Greater(t, kept, 0.55*in, "most of it is kept while heating")
				}
				if last != furnaceSoaking {
					edges = nil
					break
				}
				soak += time.Second
				soakWh += tr.EnergyWh - lastWh
				deepest = min(deepest, tr.TemperatureC)
				if math.Abs(tr.TemperatureC-furnaceSoak) > 120 {
					t.Fatalf("seed %d after %v: %v °C at soak", seed, at, tr.TemperatureC)
				}
				if f.door {
					doors += time.Second
					edges = nil
				}
				if f.element != element {
					edges = append(edges, at)
				}
				if n := len(edges); n > 2 && !f.door && math.Abs(tr.TemperatureC-furnaceSoak) < 12 {
					require.Less(t, edges[n-1]-edges[n-3], 2*time.Minute, "a cycle of the elements")
				}
			case furnaceOff:
				offs += time.Second
			}
			last, lastWh, element = f.stage, tr.EnergyWh, f.element
		})
		require.Greater(t, len(heatUps), 8)
		for _, h := range heatUps {
			require.Greater(t, h, 15*time.Minute)
			require.Less(t, h, 75*time.Minute)
		}
		mean := soakWh / soak.Hours()
		require.Greater(t, mean, 2000.0, "W to hold 850 °C")
		require.Less(t, mean, 6000.0)
		require.Less(t, deepest, furnaceSoak-20.0, "the door dips the temperature")
		require.Greater(t, doors, time.Minute)
		require.Less(t, doors, soak/10)
		require.NotZero(t, offs)
	}
	// From cold, at full power, the first heat-up takes the better part of an hour.
	m := machine(t, 1, Furnace)
	require.InDelta(t, 30, m.furnace.chamber, 8)
}

// The probe lags, the chip has steps, the driver linearises: what is read is near the truth.
func TestThermocoupleReading(t *testing.T) {
	m := machine(t, 3, Furnace)
	for at := time.Duration(0); at < 24*time.Hour; at += 11 * time.Second {
		s := sense(t, m, at)
		require.InDelta(t, m.furnace.probe, reading(s, quantity.Temperature), 1.2)
		if sp := reading(s, quantity.Setpoint); !math.IsNaN(sp) {
			require.Contains(t, []float64{50, 850}, sp)
			require.Greater(t, reading(s, quantity.Power), 50.0)
		}
	}
}

// A power cut takes everything off: three in thirty days, none on the first and last day of ten.
func TestPowerCuts(t *testing.T) {
	m := machine(t, 5, MainMeter)
	cuts := 0
	for block := range int64(6) {
		c := m.grid.cut(block)
		day := c.from / msDay
		require.GreaterOrEqual(t, day, block*cutDays+1)
		require.LessOrEqual(t, day, block*cutDays+8)
		require.Greater(t, c.to-c.from, 4*msMinute-msSecond)
		require.LessOrEqual(t, c.to-c.from, 70*msMinute)
		cuts++
	}
	require.Equal(t, 6, cuts)
	c := m.grid.cut(0)
	from, to := time.Duration(c.from)*time.Millisecond, time.Duration(c.to)*time.Millisecond
	for _, kind := range Kinds() {
		m := machine(t, 5, kind)
		before := reading(sense(t, m, from-time.Second), quantity.Voltage)
		require.Greater(t, before, 200.0)
		s := sense(t, m, from)
		energy := reading(s, quantity.Energy)
		for _, at := range []time.Duration{from, (from + to) / 2, to - time.Millisecond} {
			s = sense(t, m, at)
			for _, q := range []string{quantity.Power, quantity.Voltage, quantity.Current, quantity.Frequency, quantity.PowerFactor} {
				require.Zero(t, reading(s, q), "%s %s", kind, q)
			}
			require.InDelta(t, energy, reading(s, quantity.Energy), 0)
			tr, err := m.Truth(epoch.Add(at))
			require.NoError(t, err)
			require.Equal(t, "off", tr.State)
			require.False(t, tr.Supply)
		}
		if kind == MainMeter {
			require.Equal(t, quantity.Supply, s[len(s)-1].Quantity)
			require.False(t, s[len(s)-1].Bool)
			s = sense(t, m, to)
			require.True(t, s[len(s)-1].Bool)
		}
		require.Greater(t, reading(sense(t, m, to), quantity.Voltage), 200.0)
	}
}

// The hammer strikes for two seconds about every ten, from no-load.
func TestHammerPulses(t *testing.T) {
	m := machine(t, 4, Hammering)
	var starts []time.Duration
	var width, total time.Duration
	high, working := false, time.Duration(0)
	const step = 50 * time.Millisecond
	truth(t, m, 8*time.Hour, step, func(at time.Duration, tr Truth) {
		total += step
		if tr.State == "run" {
			working += step
		}
		if tr.PowerW > 4000 {
			if !high {
				starts = append(starts, at)
			}
			width += step
			require.Equal(t, "run", tr.State)
		} else if tr.State == "run" {
			require.InDelta(t, 1050, tr.PowerW, 60, "flywheel between the blows")
		}
		high = tr.PowerW > 4000
	})
	require.Greater(t, len(starts), 500)
	require.InDelta(t, 2.05, width.Seconds()/float64(len(starts)), 0.1)
	require.InDelta(t, 10.1, working.Seconds()/float64(len(starts)), 0.6)
}

// Switching a motor on shows a short peak well above its rating; between cuts it runs at no-load.
func TestStartUpPeak(t *testing.T) {
	for kind, least := range map[string]float64{Cutting: 6000, Polishing: 4000, Hammering: 2000} {
		m := machine(t, 4, kind)
		last := "off"
		peaks := 0
		var began time.Duration
		truth(t, m, 10*time.Hour, 100*time.Millisecond, func(at time.Duration, tr Truth) {
			if last == "off" && tr.State == "idle" {
				require.Greater(t, tr.PowerW, least, kind)
				peaks++
				began = at
			}
			if tr.State == "idle" && at > began+2*time.Second {
				require.Less(t, tr.PowerW, 1200.0, kind)
				require.Greater(t, tr.PowerW, 300.0, kind)
			}
			last = tr.State
		})
		require.Greater(t, peaks, 2, kind)
	}
}

func TestWorkstation(t *testing.T) {
	m := machine(t, 4, Designing)
	truth(t, m, 24*time.Hour, time.Second, func(_ time.Duration, tr Truth) {
		switch tr.State {
		case "off":
			require.Less(t, tr.PowerW, 5.0)
		case "idle":
			require.InDelta(t, 125, tr.PowerW, 10)
		case "run":
			require.Greater(t, tr.PowerW, 145.0)
			require.LessOrEqual(t, tr.PowerW, 350.0)
		}
	})
}

// The lathe's bearing wears: about 1.5 times the first week's vibration after three weeks, over 2.5 times in the fifth.
func TestBearingWear(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 7, 42} {
		m := machine(t, seed, Polishing)
		sum, n := map[int]float64{}, map[int]float64{}
		hottest := 0.0
		for at := time.Duration(0); at < 35*24*time.Hour; at += 5 * time.Minute {
			s := sense(t, m, at)
			v := reading(s, quantity.Vibration)
			hottest = max(hottest, reading(s, quantity.Temperature))
			if reading(s, quantity.Power) > 850 {
				day := int(at / (24 * time.Hour))
				sum[day] += v
				n[day]++
			} else if reading(s, quantity.Power) == 0 {
				require.Less(t, v, 0.0001, "a standing lathe hardly shakes")
			}
		}
		week := func(from, to int) float64 {
			var s, k float64
			for d := from; d < to; d++ {
				s, k = s+sum[d], k+n[d]
			}
			return s / k
		}
		first := week(0, 7)
		require.InDelta(t, 1.2e-3, first, 0.15e-3, "m/s RMS")
		require.InDelta(t, 1.0, week(7, 10)/first, 0.06)
		require.InDelta(t, 1.5, week(20, 22)/first, 0.25, "seed %d", seed)
		for _, span := range [][2]int{{28, 30}, {30, 32}, {32, 34}} {
			require.Greater(t, week(span[0], span[1])/first, 2.5, "seed %d", seed)
		}
		require.Greater(t, hottest, 50.0)
		require.Less(t, hottest, 85.0, "below the kit's limit")
	}
}

// A worn-out bearing is changed, so a year of history does not run away.
func TestBearingIsChanged(t *testing.T) {
	m := machine(t, 1, Polishing)
	changes, last := 0, 1.0
	truth(t, m, 120*24*time.Hour, time.Hour, func(_ time.Duration, tr Truth) {
		if tr.Wear < last-1 {
			changes++
		}
		last = tr.Wear
		require.Less(t, tr.Wear, 8.0)
	})
	require.InDelta(t, 3, changes, 1)
}
