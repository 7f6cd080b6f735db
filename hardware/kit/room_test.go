package kit_test

import (
	"testing"

	"karkhana/hardware/kit"

	"github.com/stretchr/testify/require"
)

// Beside whatever stands there a kit finds room, or there is none; what Room says fits.
func TestRoom(t *testing.T) {
	for _, first := range kit.Classes() {
		for _, second := range kit.Classes() {
			a := kit.Placed{Machine: "a", Kit: load(t, first)}
			c, ok := kit.Room(load(t, second), a)
			if both := first + " " + second; both == "polishing furnace" || both == "furnace polishing" || both == "polishing polishing" {
				require.False(t, ok, "no third chip select of spi0")
				continue
			}
			require.True(t, ok, "%s beside %s", second, first)
			b, problems := load(t, second).Apply(c)
			require.Nil(t, problems, "%s beside %s", second, first)
			_, err := kit.Combine(a, kit.Placed{Machine: "b", Kit: b})
			require.NoError(t, err, "%s beside %s", second, first)
		}
	}
	c, ok := kit.Room(load(t, "furnace"))
	require.True(t, ok)
	require.Empty(t, c.Sensors, "alone nothing moves")

	var placed []kit.Placed
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		c, ok := kit.Room(load(t, "cutting"), placed...)
		if !ok {
			require.Len(t, placed, 3, "as many readers as 3V3 feeds")
			return
		}
		k, problems := load(t, "cutting").Apply(c)
		require.Nil(t, problems)
		placed = append(placed, kit.Placed{Machine: id, Kit: k})
	}
	t.Fatal("room for more readers than 3V3 feeds")
}
