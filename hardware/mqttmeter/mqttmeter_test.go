package mqttmeter_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"karkhana/hardware/meter"
	"karkhana/hardware/mqttmeter"

	"github.com/stretchr/testify/require"
)

type values = map[string]float64

func numbers(c mqttmeter.Channel) values {
	out := values{}
	for _, v := range c.Values {
		out[v.Name] = v.Number
	}
	return out
}

func same(t *testing.T, want, got values) {
	t.Helper()
	require.Len(t, got, len(want), "%v", got)
	for name, v := range want {
		require.Contains(t, got, name)
		require.InDelta(t, v, got[name], 1e-9, name)
	}
}

// golden are messages in every form the package knows, and what they tell.
var golden = []struct {
	name, kind, topic, payload string
	timeMs                     int64
	want                       map[string]values
	refused                    map[string]string // name: part of the reason
}{
	{
		"Tasmota 8, PZEM", mqttmeter.Tasmota, "tele/m/SENSOR",
		`{"Time":"2020-02-11T07:38:00","ENERGY":{"TotalStartTime":"2020-02-10T14:45:14","Total":1.861,"Yesterday":1.858,"Today":0.003,"Period":1,"Power":241,"ApparentPower":325,"ReactivePower":219,"Factor":0.74,"Frequency":50,"Voltage":235,"Current":1.383}}`,
		0, map[string]values{"energy": {"energy": 1861, "power": 241, "apparent_power": 325, "reactive_power": 219, "power_factor": 0.74, "frequency": 50, "voltage": 235, "current": 1.383}}, nil,
	},
	{
		"Tasmota 5, numbers in quotes", mqttmeter.Tasmota, "sonoff/tele/m/SENSOR",
		`{"Time":"2018-02-01T10:00:00","ENERGY":{"Total":"3.185","Yesterday":"3.058","Today":"0.127","Period":0,"Power":4,"Factor":"0.05","Voltage":221,"Current":"0.359"}}`,
		0, map[string]values{"energy": {"energy": 3185, "power": 4, "power_factor": 0.05, "voltage": 221, "current": 0.359}}, nil,
	},
	{
		"Tasmota 5, topic ENERGY", mqttmeter.Tasmota, "tele/m/ENERGY",
		`{"Time":"2017-02-01T10:00:00","Total":0.052,"Yesterday":0,"Today":0.052,"Period":0,"Power":0,"Factor":0,"Voltage":198,"Current":0}`,
		0, map[string]values{"energy": {"energy": 52, "power": 0, "power_factor": 0, "voltage": 198, "current": 0}}, nil,
	},
	{
		"Tasmota, three phases", mqttmeter.Tasmota, "tele/m/SENSOR",
		`{"ENERGY":{"Total":10.5,"Today":1.25,"ExportActive":0.004,"Power":[1000,900,800],"ApparentPower":[1100,1000,900],"ReactivePower":[1,2,3],"Factor":[0.91,0.9,0.89],"Frequency":50,"Voltage":[230,231,232],"Current":[4.8,4.3,3.8]}}`,
		0, map[string]values{"energy": {
			"energy": 10500, "energy_export": 4, "power": 2700, "power_l1": 1000, "power_l2": 900, "power_l3": 800, "apparent_power": 3000, "reactive_power": 6,
			"power_factor": 0.9, "power_factor_l1": 0.91, "power_factor_l2": 0.9, "power_factor_l3": 0.89, "frequency": 50,
			"voltage": 231, "voltage_l1": 230, "voltage_l2": 231, "voltage_l3": 232, "current": 4.3, "current_l1": 4.8, "current_l2": 4.3, "current_l3": 3.8,
		}}, nil,
	},
	{
		"Tasmota, three phases with a total each", mqttmeter.Tasmota, "tele/m/SENSOR",
		`{"ENERGY":{"Total":[1.5,2.5,3.001],"Today":[0.1,0.1,0.1],"Power":[-100,200,300],"Voltage":[230,0,0]}}`,
		0, map[string]values{"energy": {"energy": 7001, "power": 400, "power_l1": -100, "power_l2": 200, "power_l3": 300, "voltage": 230.0 / 3, "voltage_l1": 230, "voltage_l2": 0, "voltage_l3": 0}}, nil,
	},
	{
		"Tasmota, answer to Status 8", mqttmeter.Tasmota, "stat/m/STATUS8",
		`{"StatusSNS":{"Time":"2022-01-01T00:00:00","ENERGY":{"Total":1.234567,"Power":5,"Voltage":230}}}`,
		0, map[string]values{"energy": {"energy": 1234.567, "power": 5, "voltage": 230}}, nil,
	},
	{
		"Tasmota, the counter ran over", mqttmeter.Tasmota, "tele/m/SENSOR",
		`{"ENERGY":{"Total":1.858,"Yesterday":1.858,"Today":42949.672,"Power":413,"Voltage":232,"Current":2.01}}`,
		0, map[string]values{"energy": {"power": 413, "voltage": 232, "current": 2.01}},
		map[string]string{"energy": "today alone is 42949.672 kWh of a total of 1.858 kWh: the counter ran over"},
	},
	{
		"Tasmota, total below zero", mqttmeter.Tasmota, "tele/m/SENSOR",
		`{"ENERGY":{"Total":-1.5,"Today":-2,"Power":-20,"Voltage":232,"Factor":1.5,"Frequency":null}}`,
		0, map[string]values{"energy": {"power": -20, "voltage": 232}}, map[string]string{"energy": "-1500 is outside 0", "power_factor": "1.5 is outside"},
	},
	{"Gen1 power", mqttmeter.ShellyGen1, "shellies/shellyem3-AA/emeter/0/power", "1234.56", 0, map[string]values{"emeter:0": {"power": 1234.56}}, nil},
	{"Gen1 total, Wh", mqttmeter.ShellyGen1, "shellies/shellyem3-AA/emeter/2/total", "500000.3", 0, map[string]values{"emeter:2": {"energy": 500000.3}}, nil},
	{"Gen1 returned", mqttmeter.ShellyGen1, "shellies/x/emeter/1/total_returned", "8000", 0, map[string]values{"emeter:1": {"energy_export": 8000}}, nil},
	{"Gen1 voltage", mqttmeter.ShellyGen1, "shellies/x/emeter/0/voltage", "242.27", 0, map[string]values{"emeter:0": {"voltage": 242.27}}, nil},
	{"Gen1 current", mqttmeter.ShellyGen1, "shellies/x/emeter/0/current", "5.1", 0, map[string]values{"emeter:0": {"current": 5.1}}, nil},
	{"Gen1 factor", mqttmeter.ShellyGen1, "shellies/x/emeter/0/pf", "-0.98", 0, map[string]values{"emeter:0": {"power_factor": -0.98}}, nil},
	{"Gen1 reactive power", mqttmeter.ShellyGen1, "shellies/x/emeter/0/reactive_power", "-40", 0, map[string]values{"emeter:0": {"reactive_power": -40}}, nil},
	{"Gen1 relay power", mqttmeter.ShellyGen1, "shellies/shellypm/relay/0/power", "60.00", 0, map[string]values{"relay:0": {"power": 60}}, nil},
	{"Gen1 relay energy, watt-minutes", mqttmeter.ShellyGen1, "shellies/shellypm/relay/0/energy", "3600", 0, map[string]values{"relay:0": {"energy": 60}}, nil},
	{
		"Gen2 plug, status", mqttmeter.ShellyGen2, "shellyplus1pm-aa/status/switch:0",
		`{"id":0,"source":"init","output":true,"apower":918.63,"voltage":232.7,"current":3.98,"pf":0.99,"freq":50.01,"aenergy":{"total":1234.567,"by_minute":[1,2,3],"minute_ts":1661517385},"ret_aenergy":{"total":0.5},"temperature":{"tC":42.1,"tF":107.8}}`,
		0, map[string]values{"switch:0": {"power": 918.63, "voltage": 232.7, "current": 3.98, "power_factor": 0.99, "frequency": 50.01, "energy": 1234.567, "energy_export": 0.5}}, nil,
	},
	{
		"Gen2 notification of a change", mqttmeter.ShellyGen2, "shellyplus1pm-aa/events/rpc",
		`{"src":"shellyplus1pm-aa","dst":"shellyplus1pm-aa/events","method":"NotifyStatus","params":{"ts":1708326852.50,"switch:0":{"id":0,"apower":1800.50}}}`,
		1708326852500, map[string]values{"switch:0": {"power": 1800.5}}, nil,
	},
	{
		"Gen2 notification before the clock is set", mqttmeter.ShellyGen2, "x/events/rpc",
		`{"method":"NotifyStatus","params":{"ts":1.61,"pm1:0":{"id":0,"apower":-3.5,"voltage":230}}}`,
		0, map[string]values{"pm1:0": {"power": -3.5, "voltage": 230}}, nil,
	},
	{
		"Gen2 three phases", mqttmeter.ShellyGen2, "x/events/rpc",
		`{"method":"NotifyFullStatus","params":{"ts":1757060280.21,"em:0":{"id":0,"a_current":4.029,"a_voltage":236.1,"a_act_power":951.2,"a_aprt_power":951.9,"a_pf":1,"a_freq":50,"b_current":4.027,"b_voltage":236.2,"b_act_power":-951.1,"b_aprt_power":951.8,"b_pf":1,"b_freq":50,"c_current":3.03,"c_voltage":236.4,"c_act_power":715.4,"c_aprt_power":716.2,"c_pf":1,"c_freq":50,"n_current":null,"total_current":11.086,"total_act_power":715.5,"total_aprt_power":2619.9,"user_calibrated_phase":[]},"emdata:0":{"id":0,"a_total_act_energy":0.06,"total_act":26289.57,"total_act_ret":131881.86}}}`,
		1757060280210, map[string]values{"em:0": {
			"power": 715.5, "power_l1": 951.2, "power_l2": -951.1, "power_l3": 715.4, "power_factor": 0.273, "power_factor_l1": 1, "power_factor_l2": 1, "power_factor_l3": 1,
			"voltage": 236.233, "voltage_l1": 236.1, "voltage_l2": 236.2, "voltage_l3": 236.4, "current": 3.695, "current_l1": 4.029, "current_l2": 4.027, "current_l3": 3.03,
			"frequency": 50, "energy": 26289.57, "energy_export": 131881.86,
		}}, nil,
	},
	{
		"Gen2 answer to a request", mqttmeter.ShellyGen2, "reader/rpc",
		`{"id":1,"src":"x","dst":"reader","result":{"em1:0":{"id":0,"act_power":85.3},"em1data:0":{"id":0,"total_act_energy":123456.4},"em1data:2":{"total_act_energy":7}}}`,
		0, map[string]values{"em1:0": {"power": 85.3, "energy": 123456.4}, "em1:2": {"energy": 7}}, nil,
	},
	{
		"Gen2 meter failed, its memory is good", mqttmeter.ShellyGen2, "x/status",
		`{"switch:0":{"id":0,"apower":0,"voltage":230,"errors":["power_meter_failure"],"aenergy":{"total":12}},"switch:1":{"id":1,"apower":10,"errors":["overtemp"]}}`,
		0, map[string]values{"switch:0": {"energy": 12}, "switch:1": {"power": 10}}, map[string]string{"power": "its power meter has failed", "voltage": "its power meter has failed"},
	},
	{
		"Gen2 one phase out of range", mqttmeter.ShellyGen2, "x/status/em:0",
		`{"id":0,"a_voltage":230,"a_act_power":100,"b_voltage":231,"b_act_power":30000,"b_errors":["out_of_range:act_power"],"c_voltage":229,"c_act_power":100,"total_act_power":30200}`,
		0, map[string]values{"em:0": {"voltage_l1": 230, "voltage_l2": 231, "voltage_l3": 229, "power_l1": 100, "power_l3": 100}}, map[string]string{"power": "out of its range", "power_l2": "out of its range"},
	},
	{
		"Gen2 no volts, the register stands", mqttmeter.ShellyGen2, "x/status",
		`{"em1:0":{"id":0,"current":0,"voltage":0,"act_power":0,"pf":0,"freq":0},"em1data:0":{"id":0,"total_act_energy":9671.54}}`,
		0, map[string]values{"em1:0": {"energy": 9671.54}}, map[string]string{"voltage": "no data"},
	},
}

func TestGolden(t *testing.T) {
	for _, c := range golden {
		t.Run(c.name, func(t *testing.T) {
			r, err := mqttmeter.Parse(c.kind, c.topic, []byte(c.payload))
			require.NoError(t, err)
			require.Equal(t, c.timeMs, r.TimeMs)
			require.Len(t, r.Channels, len(c.want))
			refused := map[string]string{}
			for name, want := range c.want {
				ch, ok := r.Channel(name)
				require.True(t, ok, name)
				same(t, want, numbers(ch))
				for _, x := range ch.Refused {
					refused[x.Name] = x.Reason
				}
				require.Empty(t, ch.Findings)
				for _, v := range ch.Values {
					_, _, wire, ok := meter.Range(v.Name)
					require.True(t, ok)
					require.Equal(t, wire, v.Wire)
				}
			}
			require.Len(t, refused, len(c.refused), "%v", refused)
			for name, text := range c.refused {
				require.Contains(t, refused[name], text)
			}
			_, ok := r.Channel("none")
			require.False(t, ok)
		})
	}
}

func TestBad(t *testing.T) {
	for _, c := range []struct {
		name, kind, topic, payload string
		want                       error
		text                       string
	}{
		{"kind", "tasmotta", "tele/m/SENSOR", `{}`, mqttmeter.ErrUnknown, `"tasmotta"; did you mean "tasmota"?`},
		{"too long", mqttmeter.Tasmota, "tele/m/SENSOR", `{"x":"` + strings.Repeat("a", 70_000) + `"}`, mqttmeter.ErrDamaged, "64 KiB"},
		{"Tasmota, empty", mqttmeter.Tasmota, "tele/m/SENSOR", ``, mqttmeter.ErrDamaged, ""},
		{"Tasmota, cut", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Total":1.`, mqttmeter.ErrDamaged, "tasmota tele/m/SENSOR"},
		{"Tasmota, nan", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Power":nan}}`, mqttmeter.ErrDamaged, ""},
		{"Tasmota, a word for a number", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Power":"nan"}}`, mqttmeter.ErrDamaged, `"nan" is not a number`},
		{"Tasmota, hexadecimal", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Power":"0x10"}}`, mqttmeter.ErrDamaged, "is not a number"},
		{"Tasmota, too large for a float", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Power":1e999}}`, mqttmeter.ErrDamaged, ""},
		{"Tasmota, a truth for a number", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Power":true}}`, mqttmeter.ErrDamaged, "is not a number"},
		{"Tasmota, four phases", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Power":[1,2,3,4]}}`, mqttmeter.ErrDamaged, "more than three phases"},
		{"Tasmota, nested lists", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Power":[[1],2]}}`, mqttmeter.ErrDamaged, "is not a number"},
		{"Tasmota, a hole", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Power":[1,null,3]}}`, mqttmeter.ErrOther, "no measured value"},
		{"Tasmota, no data", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Total":12.5,"Power":0,"Voltage":0,"Current":0}}`, mqttmeter.ErrRefused, "zero volts on every phase: the device has no data"},
		{"Tasmota, thermometer", mqttmeter.Tasmota, "tele/m/SENSOR", `{"Time":"x","DS18B20":{"Temperature":20}}`, mqttmeter.ErrOther, "no ENERGY"},
		{"Tasmota, only a bad total", mqttmeter.Tasmota, "tele/m/SENSOR", `{"ENERGY":{"Total":1,"Today":2}}`, mqttmeter.ErrRefused, "energy: energy: today alone is 2.000 kWh"},
		{"Tasmota, other command", mqttmeter.Tasmota, "stat/m/RESULT", `{"POWER":"ON"}`, mqttmeter.ErrOther, ""},
		{"Tasmota, state", mqttmeter.Tasmota, "tele/m/STATE", `{"POWER":"ON"}`, mqttmeter.ErrOther, ""},
		{"Tasmota, last will", mqttmeter.Tasmota, "tele/m/LWT", `Offline`, mqttmeter.ErrOther, ""},
		{"Gen1, other value", mqttmeter.ShellyGen1, "shellies/x/emeter/0/energy", `12`, mqttmeter.ErrOther, "energy of emeter is not used"},
		{"Gen1, relay state", mqttmeter.ShellyGen1, "shellies/x/relay/0", `on`, mqttmeter.ErrOther, ""},
		{"Gen1, announcement", mqttmeter.ShellyGen1, "shellies/announce", `{}`, mqttmeter.ErrOther, ""},
		{"Gen1, channel", mqttmeter.ShellyGen1, "shellies/x/emeter/00/power", `1`, mqttmeter.ErrOther, ""},
		{"Gen1, words", mqttmeter.ShellyGen1, "shellies/x/emeter/0/power", `overpower`, mqttmeter.ErrDamaged, "is not a number"},
		{"Gen1, nan", mqttmeter.ShellyGen1, "shellies/x/emeter/0/power", `nan`, mqttmeter.ErrDamaged, ""},
		{"Gen1, empty", mqttmeter.ShellyGen1, "shellies/x/emeter/0/power", ``, mqttmeter.ErrDamaged, ""},
		{"Gen1, null", mqttmeter.ShellyGen1, "shellies/x/emeter/0/power", `null`, mqttmeter.ErrRefused, "power is null"},
		{"Gen1, no volts", mqttmeter.ShellyGen1, "shellies/x/emeter/0/voltage", `0.00`, mqttmeter.ErrRefused, "no data"},
		{"Gen1, energy below zero", mqttmeter.ShellyGen1, "shellies/x/emeter/0/total", `-4`, mqttmeter.ErrRefused, "-4 is outside"},
		{"Gen2, not JSON", mqttmeter.ShellyGen2, "x/events/rpc", `online`, mqttmeter.ErrDamaged, ""},
		{"Gen2, a list", mqttmeter.ShellyGen2, "x/events/rpc", `[1]`, mqttmeter.ErrDamaged, ""},
		{"Gen2, event", mqttmeter.ShellyGen2, "x/events/rpc", `{"method":"NotifyEvent","params":{"ts":1,"events":[]}}`, mqttmeter.ErrOther, "is not a status"},
		{"Gen2, method", mqttmeter.ShellyGen2, "x/events/rpc", `{"method":7}`, mqttmeter.ErrDamaged, ""},
		{"Gen2, no params", mqttmeter.ShellyGen2, "x/events/rpc", `{"method":"NotifyStatus"}`, mqttmeter.ErrDamaged, ""},
		{"Gen2, input", mqttmeter.ShellyGen2, "x/status/input:0", `{"id":0,"state":true}`, mqttmeter.ErrOther, ""},
		{"Gen2, switch without a meter", mqttmeter.ShellyGen2, "x/status/switch:0", `{"id":0,"output":true,"temperature":{"tC":31}}`, mqttmeter.ErrOther, ""},
		{"Gen2, text for a number", mqttmeter.ShellyGen2, "x/status/switch:0", `{"apower":"high"}`, mqttmeter.ErrDamaged, "switch:0"},
		{"Gen2, nothing but null", mqttmeter.ShellyGen2, "x/status/em1:0", `{"act_power":null,"voltage":null}`, mqttmeter.ErrOther, ""},
		{"Gen2, beyond any meter", mqttmeter.ShellyGen2, "x/status/em1:0", `{"act_power":1e12}`, mqttmeter.ErrRefused, "em1:0: power"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := mqttmeter.Parse(c.kind, c.topic, []byte(c.payload))
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			require.Empty(t, r.Channels)
		})
	}
}

// Somebody sets the counter to zero: the register goes out as it is, and the message says what happened.
func TestTasmotaReset(t *testing.T) {
	for _, command := range []string{"EnergyTotal", "EnergyReset", "EnergyToday"} {
		r, err := mqttmeter.Parse(mqttmeter.Tasmota, "stat/m/RESULT", []byte(`{"`+command+`":{"Total":0.0,"Yesterday":0.0,"Today":0.0}}`))
		require.NoError(t, err)
		c, ok := r.Channel("energy")
		require.True(t, ok)
		same(t, values{"energy": 0}, numbers(c))
		require.Len(t, c.Findings, 1)
		require.Equal(t, meter.FindingReset, c.Findings[0].Kind)
		require.Contains(t, c.Findings[0].Detail, command)
	}
}

func TestTopics(t *testing.T) {
	require.Equal(t, []string{"tele/lathe/SENSOR", "stat/lathe/RESULT", "stat/lathe/STATUS8", "stat/lathe/STATUS10"}, mqttmeter.Topics(mqttmeter.Tasmota, "lathe"))
	require.Equal(t, "cfc/lathe/tele/SENSOR", mqttmeter.Topics(mqttmeter.Tasmota, "cfc/lathe/%prefix%")[0])
	require.Equal(t, []string{"shellies/shellyem-AA/emeter/+/+", "shellies/shellyem-AA/relay/+/power", "shellies/shellyem-AA/relay/+/energy"}, mqttmeter.Topics(mqttmeter.ShellyGen1, "shellyem-AA"))
	require.Equal(t, []string{"cfc/hammer/events/rpc", "cfc/hammer/status/+"}, mqttmeter.Topics(mqttmeter.ShellyGen2, "cfc/hammer"))
	for _, device := range []string{"", "#", "a/+", "a\x00"} {
		require.Nil(t, mqttmeter.Topics(mqttmeter.Tasmota, device))
	}
	require.Nil(t, mqttmeter.Topics("zigbee", "x"))
	for _, kind := range mqttmeter.Kinds() {
		require.NotEmpty(t, mqttmeter.Topics(kind, "x"))
	}
}

// The messages that people posted from real devices: each decodes to what it states, or is refused for the reason that
// its note gives.
func TestRecordedMessages(t *testing.T) {
	const file = "../../../shared/data/mqtt-meter-payloads/payloads.jsonl"
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("recordings are not here: %s", file)
	}
	require.NoError(t, err)
	defer f.Close()
	relay := values{"energy": 52, "power": 0, "power_factor": 0, "voltage": 198, "current": 0}
	want := []struct {
		values  map[string]values
		err     error
		refused string // energy, for a reason that holds this
		finding string
	}{
		{err: mqttmeter.ErrOther},
		{values: map[string]values{"energy": {"energy": 1861, "power": 241, "apparent_power": 325, "reactive_power": 219, "power_factor": 0.74, "frequency": 50, "voltage": 235, "current": 1.383}}},
		{values: map[string]values{"energy": {"power": 413, "apparent_power": 466, "reactive_power": 215, "power_factor": 0.89, "frequency": 50, "voltage": 232, "current": 2.01}}, refused: "42949.672 kWh"},
		{values: map[string]values{"energy": {"energy": 1_066_000, "power": 0, "apparent_power": 0, "reactive_power": 0, "power_factor": 0, "voltage": 227.7, "current": 0}}},
		{values: map[string]values{"energy": {"energy": 0}}, finding: meter.FindingReset},
		{values: map[string]values{"energy": relay}},
		{err: mqttmeter.ErrOther},
		{values: map[string]values{"energy": relay}},
		{err: mqttmeter.ErrOther},
		{values: map[string]values{"energy": relay}},
		{err: mqttmeter.ErrOther},
		{values: map[string]values{"energy": relay}},
		{err: mqttmeter.ErrRefused}, // zeros that mean no data
		{values: map[string]values{
			"em1:0": {"energy": 0, "energy_export": 0, "power": 0, "voltage": 221.3, "current": 0.02, "power_factor": 0, "frequency": 50},
			"em1:1": {"energy": 9671.54, "energy_export": 2595.26, "power": 6769.3, "voltage": 221.4, "current": 30.665, "power_factor": 0.99, "frequency": 50},
		}},
	}
	i := 0
	watches := map[string]*meter.Watch{}
	var found []string
	for lines := bufio.NewScanner(f); lines.Scan(); i++ {
		var m struct {
			Topic   string
			Payload json.RawMessage
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &m))
		kind := mqttmeter.Tasmota
		if strings.Contains(m.Topic, "Shelly") {
			kind = mqttmeter.ShellyGen2
		}
		require.Less(t, i, len(want))
		w := want[i]
		r, err := mqttmeter.Parse(kind, m.Topic, m.Payload)
		if w.err != nil {
			require.ErrorIs(t, err, w.err, "message %d", i+1)
			continue
		}
		require.NoError(t, err, "message %d", i+1)
		require.Len(t, r.Channels, len(w.values), "message %d", i+1)
		for name, v := range w.values {
			c, ok := r.Channel(name)
			require.True(t, ok)
			same(t, v, numbers(c))
			if w.refused != "" {
				require.Len(t, c.Refused, 1)
				require.Equal(t, "energy", c.Refused[0].Name)
				require.Contains(t, c.Refused[0].Reason, w.refused)
			}
			if w.finding != "" {
				require.Equal(t, w.finding, c.Findings[0].Kind)
			}
			device, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(m.Topic, "tele/"), "stat/"), "/")
			device += " " + name
			if watches[device] == nil {
				watches[device] = &meter.Watch{}
			}
			for _, x := range watches[device].Check(int64(i+1)*10_000, c.Values) {
				found = append(found, device+" "+x.Kind)
			}
		}
		if kind == mqttmeter.ShellyGen2 {
			require.Equal(t, int64(1707932870000), r.TimeMs)
		}
	}
	require.Equal(t, len(want), i)
	require.Equal(t, []string{"athomspv3a energy reset"}, found, "the faulty reading is no jump: it never came this far")
}

func FuzzParse(f *testing.F) {
	for i, c := range golden {
		f.Add(uint8(i), c.topic, []byte(c.payload))
	}
	f.Add(uint8(2), "stat/m/RESULT", []byte(`{"EnergyTotal":{"Total":0.0}}`))
	f.Fuzz(func(t *testing.T, k uint8, topic string, payload []byte) {
		kind := mqttmeter.Kinds()[int(k)%len(mqttmeter.Kinds())]
		r, err := mqttmeter.Parse(kind, topic, payload)
		if err != nil {
			require.Empty(t, r.Channels)
			known := errors.Is(err, mqttmeter.ErrOther) || errors.Is(err, mqttmeter.ErrRefused) || errors.Is(err, mqttmeter.ErrDamaged)
			require.True(t, known, "%v", err)
			return
		}
		total := 0
		for _, c := range r.Channels {
			require.NotEmpty(t, c.Name)
			total += len(c.Values)
			seen := map[string]bool{}
			for _, v := range c.Values {
				low, high, _, ok := meter.Range(v.Name)
				require.True(t, ok && v.Number >= low && v.Number <= high, "%v", v)
				require.False(t, seen[v.Name])
				seen[v.Name] = true
			}
		}
		require.Positive(t, total)
	})
}
