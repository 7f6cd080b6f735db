package mqttmeter_test

import (
	"strconv"
	"testing"

	"karkhana/hardware/meter"
	"karkhana/hardware/mqttmeter"

	"github.com/stretchr/testify/require"
)

func take(t *testing.T, j *mqttmeter.Joint, atMs int64, kind, topic, payload string) values {
	t.Helper()
	r, err := mqttmeter.Parse(kind, topic, []byte(payload))
	require.NoError(t, err)
	got, _ := j.Take(atMs, r)
	return numbers(mqttmeter.Channel{Values: got})
}

// The three channels of a first-generation Shelly 3EM are the phases of one machine; each value has its own topic.
func TestJointPhases(t *testing.T) {
	j, err := mqttmeter.NewJoint("emeter:0", "emeter:1", "emeter:2")
	require.NoError(t, err)
	phase := func(atMs int64, n int, what, v string) values {
		return take(t, j, atMs, mqttmeter.ShellyGen1, "shellies/x/emeter/"+strconv.Itoa(n)+"/"+what, v)
	}
	same(t, values{"power_l1": 100}, phase(1000, 0, "power", "100"))
	same(t, values{"power_l2": 200}, phase(1100, 1, "power", "200"))
	same(t, values{"power_l3": -50, "power": 250}, phase(1200, 2, "power", "-50"))
	same(t, values{"power_l1": 150, "power": 300}, phase(2000, 0, "power", "150"))
	same(t, values{}, phase(2000, 0, "total", "1000"))
	same(t, values{}, phase(2000, 1, "total", "2000"))
	same(t, values{"energy": 6000}, phase(2000, 2, "total", "3000"))
	same(t, values{"energy": 6001}, phase(10_000_000, 0, "total", "1001"))
	same(t, values{"power_l1": 150}, phase(10_000_000, 0, "power", "150"))
	phase(1, 0, "voltage", "230")
	phase(1, 1, "voltage", "232")
	same(t, values{"voltage_l3": 231, "voltage": 231}, phase(1, 2, "voltage", "231"))
	same(t, values{"power_factor_l2": 0.9}, phase(1, 1, "pf", "0.9"))
}

func TestJointOneChannel(t *testing.T) {
	j, err := mqttmeter.NewJoint("em1:1")
	require.NoError(t, err)
	status := `{"em1:0":{"act_power":5},"em1:1":{"act_power":6769.3,"pf":0.99}}`
	same(t, values{"power": 6769.3, "power_factor": 0.99}, take(t, j, 1, mqttmeter.ShellyGen2, "x/status", status))
	same(t, values{}, take(t, j, 1, mqttmeter.ShellyGen2, "x/status", `{"em1:0":{"act_power":5}}`))

	j, err = mqttmeter.NewJoint("energy")
	require.NoError(t, err)
	r, err := mqttmeter.Parse(mqttmeter.Tasmota, "stat/m/RESULT", []byte(`{"EnergyTotal":{"Total":0}}`))
	require.NoError(t, err)
	_, findings := j.Take(1, r)
	require.Len(t, findings, 1)
	require.Equal(t, meter.FindingReset, findings[0].Kind)
}

func TestBadJoint(t *testing.T) {
	for _, channels := range [][]string{nil, {"a", "b", "c", "d"}, {"a", "a"}, {""}} {
		_, err := mqttmeter.NewJoint(channels...)
		require.Error(t, err)
	}
}
