package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/influxd/influxdtest"
	"karkhana/internal/pgtest"
)

// TestServicesApart runs ingest, analytics and dashboards as processes of their own between a Mosquitto, an InfluxDB and
// a PostgreSQL that somebody else runs, as a larger place would, and follows an hour of a machine to the API.
func TestServicesApart(t *testing.T) {
	const site, gateway, key = "recordings", "gw-1", "a-key-for-the-gateway"
	dir := t.TempDir()
	secretFile := func(name, secret string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(secret), 0o600))
		return path
	}
	mosquitto := brokertest.Mosquitto(t, map[string]brokertest.User{
		ingestUser:           {Password: "a-password-for-ingest", Rights: broker.IngestRights()},
		site + "." + gateway: {Password: key, Rights: broker.GatewayRights(site, gateway)},
	})
	influx := influxdtest.Start(t, filepath.Join(dir, "influxdb"))
	stores := []string{
		"--data", filepath.Join(dir, "data"), "--database", pgtest.URL(t),
		"--influx-url", influx.URL(), "--influx-token-file", secretFile("influx.token", influx.Token()),
	}
	with := func(args ...string) []string { return append(args, stores...) }

	out, code := command(t, nil, serverBinary(t), with("admin", "apply", "--file", "testdata/recordings.site.yaml")...)
	require.Zero(t, code, out)
	token, code := command(t, nil, serverBinary(t), with("admin", "token", "--role", "viewer")...)
	require.Zero(t, code, token)

	run(t, nil, serverBinary(t), with("ingest", "--broker", mosquitto.URL(), "--broker-password-file", secretFile("ingest.password", "a-password-for-ingest"))...)
	run(t, nil, serverBinary(t), with("analytics")...)
	pages := run(t, nil, serverBinary(t), with("dashboards", "--listen", "127.0.0.1:0")...)
	base := pages.find(t, `pages +(http://\S+)`)

	// An hour at 30 s: 20 minutes off, 30 minutes at 1 kW with a register, off again.
	start := time.Date(2026, 6, 1, 6, 30, 0, 0, time.UTC)
	var rows strings.Builder
	rows.WriteString("time,machine,power[W],energy[kWh]\n")
	wh := 5000.0
	for i := range 121 {
		at := start.Add(time.Duration(i) * 30 * time.Second)
		power := 0
		if i >= 40 && i < 100 {
			power = 1000
		}
		fmt.Fprintf(&rows, "%s,ahu-0,%d,%.6f\n", at.Format(time.RFC3339), power, wh/1000)
		if power > 0 {
			wh += 1000.0 / 120
		}
	}
	replay := secretFile("ahu-0.csv", rows.String())
	secretFile("gateway.key", key)
	config := secretFile("gateway.yaml", fmt.Sprintf(`site: %s
gateway: %s
broker: %s
key_file: gateway.key
data: spool
machines:
  - id: ahu-0
    source: replay
    replay: {file: %s, speed: max}
`, site, gateway, mosquitto.URL(), replay))
	out, code = command(t, nil, gatewayBinary(t), "run", "--config", config, "--exit-when-drained")
	require.Zero(t, code, out)

	q := url.Values{"from": {start.Format(time.RFC3339)}, "to": {start.Add(time.Hour).Format(time.RFC3339)}}
	path := "/api/v1/sites/" + site + "/machines/ahu-0/intervals?" + q.Encode()
	var body struct {
		Intervals []struct {
			State      string
			Start, End time.Time
			EnergyWh   float64 `json:"energy_wh"`
		}
	}
	require.Eventually(t, func() bool {
		getJSON(t, base, strings.TrimSpace(token), path, &body)
		return len(body.Intervals) == 3
	}, time.Minute, 200*time.Millisecond, "analytics did not come to its result")
	ran := body.Intervals[1]
	require.Equal(t, "run", ran.State)
	require.Equal(t, start.Add(20*time.Minute), ran.Start)
	require.Equal(t, start.Add(50*time.Minute), ran.End)
	require.InDelta(t, 500, ran.EnergyWh, 0.001)
}
