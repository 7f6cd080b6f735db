package sensor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

func TestMQTTMeters(t *testing.T) {
	b := brokertest.Embedded(t, map[string]brokertest.User{
		"gw":   {Password: "p", Rights: broker.Rights{Subscribe: []string{"tele/plug-3/SENSOR", "stat/plug-3/RESULT", "stat/plug-3/STATUS8", "stat/plug-3/STATUS10", "shellies/em3/emeter/+/+", "shellies/em3/relay/+/power", "shellies/em3/relay/+/energy"}}},
		"plug": {Password: "p", Rights: broker.Rights{Publish: []string{"tele/#", "shellies/#"}}},
	})
	at := "broker: \"" + b.URL() + "\", user: gw, password: p"
	s := start(t, Options{Buses: &buses{}, Machines: load(t,
		machine("a", "{mqtt_meter: tasmota, device: plug-3, "+at+"}")+machine("b", "{mqtt_meter: shelly-gen1, device: em3, channels: [\"emeter:0\", \"emeter:1\"], silent_after: 2s, "+at+"}"))})
	src, shelly := s.Source("a"), s.Source("b")
	plug := brokertest.Connect(t, brokertest.ClientOptions(b, "plug", "p", "plug"))
	got := wire.Sample{}
	send := func(topic, payload string) {
		require.NoError(t, brokertest.Wait(plug.Publish(topic, 0, false, payload)))
	}
	require.Eventually(t, func() bool {
		send("tele/plug-3/SENSOR", `{"Time":"2026-01-02T03:04:05","ENERGY":{"Total":1.861,"Today":0.1,"Power":441,"Voltage":231,"Current":1.95,"Factor":0.98}}`)
		x := sense(t, src)
		got = x["power"]
		return x["energy"].Number == 1861
	}, time.Minute, 50*time.Millisecond)
	require.InDelta(t, 441, got.Number, 0)
	require.WithinDuration(t, time.Now(), time.UnixMilli(got.TimeMs), 10*time.Second, "time of arrival")

	send("shellies/em3/emeter/0/power", "100.5")
	send("shellies/em3/emeter/1/power", "200")
	until(t, shelly, "power", near(300.5, 0.01))
	until(t, shelly, "power", fault(CauseSilent))
	require.ErrorContains(t, s.States()[1].Err, "is it on, and does it send to this broker?")

	// A device that has lost its measuring chip.
	require.Eventually(t, func() bool {
		send("tele/plug-3/SENSOR", `{"ENERGY":{"Total":1.861,"Today":0.1,"Power":0,"Voltage":0,"Current":0}}`)
		return sense(t, src)["power"].Quality == "fault:refused"
	}, time.Minute, 50*time.Millisecond)
}
