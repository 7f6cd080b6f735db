package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/energy"
	"karkhana/internal/electricity"
)

// What a register that ran backwards gives, and an order number that a spreadsheet would run, stand in the table as text.
func TestEnergyTableCells(t *testing.T) {
	require.Equal(t, "-1.500000", kilowattHours(-1_500_000))
	require.Equal(t, "-0.000001", kilowattHours(-1))
	require.Equal(t, "2.000003", kilowattHours(2_000_003))
	order := electricity.Tariff{Order: "=HYPERLINK(1)", Bands: []electricity.Band{{ID: "day"}}}
	programs, err := tableIn("", time.UTC, energyColumns...)
	require.NoError(t, err)
	require.Contains(t, string(programs.energy([]energy.SiteUse{{Main: &energy.Use{Bands: []energy.BandUse{{Tariff: &order}}}}})), ",'=HYPERLINK(1),day,")
}
