package kit_test

import (
	"testing"

	"karkhana/hardware/kit"

	"github.com/stretchr/testify/require"
)

// Every shipped kit loads.
func TestShippedKits(t *testing.T) {
	require.Equal(t, []string{"cutting", "designing", "furnace", "hammering", "kiln", "main-meter", "polishing"}, kit.Classes())
	for _, class := range kit.Classes() {
		k, err := kit.Load(class)
		require.NoError(t, err)
		require.Equal(t, class, k.Class)
		require.Positive(t, k.Settings.Alarms.SilentAfter, class)
		require.NotEmpty(t, k.Maintenance, class)
		require.Positive(t, k.Bill().Rupees, class)
	}
	_, err := kit.Load("furnce")
	require.ErrorContains(t, err, `did you mean "furnace"?`)
}
