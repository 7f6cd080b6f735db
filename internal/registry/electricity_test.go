package registry

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/electricity"
)

func TestElectricity(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		none, err := d.Electricity(ctx, site)
		require.NoError(t, err)
		require.Equal(t, electricity.Config{}, none)

		def := definition()
		def.Machines[0].Machine.RatedW = 12_000
		def.Electricity = electricity.Config{
			Tariffs: []electricity.Tariff{
				{ValidFromMs: 900_000, Order: "first", Basis: electricity.BasisKWh, Energy: 650_000,
					Bands: []electricity.Band{{ID: "all-day", Hi: "दिन", En: "Day", Quarters: []int{0, 1}, Percent: -1000}},
					Fixed: electricity.Fixed{Per: electricity.PerKVA, Paise: 30_000, Load: 60_000, Least: 7500, DemandMinutes: 15}},
				{ValidFromMs: 1_800_000, Order: "second", DutyOn: []string{electricity.OnEnergy}, PowerFactor: []electricity.Step{{To: 1000}}},
			},
			Emission: []electricity.Emission{{Year: 2023, MicroKgPerKWh: 727_000, Version: "v20"}, {Year: 2024, MicroKgPerKWh: 710_000, Version: "v21"}},
			Metals:   []electricity.Metal{{ID: "brass", Solid: 380, Melts: 930}},

			ColdStarts: []electricity.ColdStart{{ValidFromMs: 5, AfterMs: 9 * 3600_000, Source: "test"}},
		}
		require.NoError(t, d.Apply(ctx, def, "asha", 5))
		got, err := d.Electricity(ctx, site)
		require.NoError(t, err)
		require.Equal(t, def.Electricity, got)
		ms, err := d.Machines(ctx, site)
		require.NoError(t, err)
		require.Equal(t, int64(12_000), ms[0].RatedW)

		// A row left out stays, a changed one is replaced, by its day.
		changed := def.Electricity.Tariffs[1]
		changed.Order = "second, corrected"
		def.Electricity = electricity.Config{Tariffs: []electricity.Tariff{changed}}
		require.NoError(t, d.Apply(ctx, def, "asha", 6))
		got, err = d.Electricity(ctx, site)
		require.NoError(t, err)
		require.Equal(t, []string{"first", "second, corrected"}, []string{got.Tariffs[0].Order, got.Tariffs[1].Order})
		require.Len(t, got.Emission, 2)
		elsewhere, err := d.Electricity(ctx, "nowhere")
		require.NoError(t, err)
		require.Empty(t, elsewhere.Tariffs)
	})
}
