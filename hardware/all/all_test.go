package all_test

import (
	"testing"

	"karkhana/hardware/all"
	"karkhana/hardware/chip/ads1115/ads1115test"
	"karkhana/hardware/chip/max31855/max31855test"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
	"karkhana/hardware/kit"
	"karkhana/internal/quantity"

	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/spi/spitest"
)

// What a kit may name and what there is are the same, and no quantity is made up.
func TestTable(t *testing.T) {
	require.Equal(t, kit.Drivers(), all.Names())
	for _, name := range all.Names() {
		d, ok := all.Get(name)
		require.True(t, ok)
		require.NotEmpty(t, d.Text, name)
		for _, q := range d.Gives {
			_, ok := quantity.Get(q)
			require.True(t, ok, "%s: %s", name, q)
		}
	}
	_, ok := all.Get("max31586")
	require.False(t, ok)
	require.Equal(t, `; did you mean "max31856"?`, all.DidYouMean("max31586"))
}

// A dead bus gives an error and no device.
func TestDeadBuses(t *testing.T) {
	for _, name := range all.Names() {
		d, _ := all.Get(name)
		if d.SPI != nil && name != "max31855" { // that chip can't be asked anything
			dev, err := d.SPI(&spitest.Playback{Playback: conntest.Playback{DontPanic: true}})
			require.Error(t, err, name)
			require.Nil(t, dev, name)
		}
		if d.I2C != nil {
			dev, err := d.I2C(&i2ctest.Playback{DontPanic: true})
			require.Error(t, err, name)
			require.Nil(t, dev, name)
		}
	}
}

func TestOpen(t *testing.T) {
	get := func(name string) all.Info {
		d, ok := all.Get(name)
		require.True(t, ok)
		return d
	}
	dev, err := get("ctclamp").I2C(&ads1115test.Chip{})
	require.NoError(t, err)
	require.Equal(t, "ctclamp{ads1115{I2Csim(72)} A0-A1}", dev.String())
	dev, err = get("mfrc522").SPI(&mfrc522test.Chip{})
	require.NoError(t, err)
	require.Equal(t, "mfrc522{SPIsim}", dev.String())
	dev, err = get("max31855").SPI(&max31855test.Chip{})
	require.NoError(t, err)
	require.Equal(t, "max31855{SPIsim}", dev.String())
	for _, name := range []string{"s0", "supply"} {
		dev, err = get(name).Pin(&gpiotest.Pin{N: "GPIO17", Num: 17, EdgesChan: make(chan gpio.Level)})
		require.NoError(t, err)
		require.Contains(t, dev.String(), "GPIO17")
	}
}
