package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/secret"
	"karkhana/internal/sitefile"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// badTime is when the packs of the test were measured, in Unix seconds.
const badTime = 1_780_300_000

// packText is a pack in JSON as a gateway would write it, its samples given as records.
func packText(machine string, seq int, records string) string {
	return fmt.Sprintf(`[{"bn":"%s/%s/","bt":%d,"n":"seq","v":%d},{"n":"spool","vs":"s1"},{"n":"boot","vs":"b1"},{"n":"clock","vs":"synced"},%s]`,
		faultsSite, machine, badTime, seq, records)
}

// Packs that can't be stored are kept with their reason, shown and receipted as refused; what comes before and after them
// is stored. An unknown machine's packs are stored once it is registered.
func TestBadPacks(t *testing.T) {
	l := startLine(t, faultsSiteFile)
	key := secret.New()
	require.NoError(t, l.server.db.SetGatewayKey(context.Background(), faultsSite, "gw-1", registry.HashSecret(key)))
	c := l.client(t, faultsSite+".gw-1", key, "bad-packs")
	defer c.Disconnect(250)
	answers := listenForReceipts(t, c)

	bad := []struct{ machine, payload, reason, detail string }{
		{"press-1", "power is 5 kW today", "not-senml", "first byte 0x70 begins neither a JSON nor a CBOR array"},
		{"press-9", packText("press-9", 2, `{"n":"power","v":900}`), "unknown-machine", "machine press-9 is not registered at site faults: its packs are stored as soon as it is"},
		{"press-1", packText("press-1", 3, `{"n":"power","vs":"much"}`), "wrong-type", "power: want a number (v)"},
		{"press-1", strings.Replace(packText("press-1", 4, `{"n":"power","v":1}`), fmt.Sprint(badTime), "4000", 1), "absurd-time", "from a clock that stood at 1970: set bt to Unix seconds"},
		{"press-1", strings.Replace(packText("press-1", 5, `{"n":"power","v":1}`), fmt.Sprint(badTime), "500000000", 1), "absurd-time", "power at 1985-11-05T00:53:20Z is too old to be true: the gateway's clock was wrong"},
		{"press-1", strings.Replace(packText("press-1", 6, `{"n":"power","v":1}`), fmt.Sprint(badTime), "4102444800", 1), "absurd-time", "power at 2100-01-01T00:00:00Z lies in the future"},
		{"press-1", packText("press-1", 7, `{"n":"power","u":"hp","v":1}`), "unknown-unit", `"hp"`},
		{"press-1", packText("press-1", 8, `{"n":"powr","v":1}`), "unknown-quantity", `"powr" is not a quantity of this contract, see docs/wire.md`},
		{"press-1", packText("press-2", 9, `{"n":"power","v":1}`), "foreign-topic", "the pack is of faults/press-2 but came on the topic of faults/press-1"},
	}
	good := func(i int) string {
		return packText("press-1", 100+i, fmt.Sprintf(`{"n":"power","v":%d,"t":%d}`, 1000+i, i))
	}
	send := func(machine, payload string) {
		token := c.Publish(wire.PackTopic(faultsSite, "gw-1", machine, wire.LaneHistory), 1, false, payload)
		require.True(t, token.WaitTimeout(10*time.Second))
		require.NoError(t, token.Error())
	}
	require.True(t, waitFor(time.Minute, func() bool { // until ingest listens
		send("press-1", good(0))
		stored, _ := answers()
		return stored[100]
	}))
	for i, b := range bad {
		send("press-1", good(i))
		send(b.machine, b.payload)
	}
	send("press-1", good(len(bad)))

	wantRefused := map[uint64]string{}
	for i, b := range bad {
		if i > 0 { // of the first nobody can tell which pack it is
			wantRefused[uint64(i+1)] = b.reason
		}
	}
	require.True(t, waitFor(time.Minute, func() bool {
		stored, refused := answers()
		return len(stored) == len(bad)+1 && len(refused) == len(wantRefused)
	}), "not every pack has a receipt")
	stored, refused := answers()
	require.Equal(t, wantRefused, refused)
	for i := range len(bad) + 1 {
		require.Contains(t, stored, uint64(100+i))
	}
	require.Equal(t, len(bad)+1, l.values(t, "press-1"), "the good packs around them are stored, and nothing else")

	shown := l.quarantine(t)
	require.Len(t, shown, len(bad))
	for _, b := range bad {
		found := slices.IndexFunc(shown, func(q shownPack) bool { return string(q.Payload) == b.payload })
		require.GreaterOrEqual(t, found, 0, "not shown: %s", b.payload)
		require.Equal(t, b.reason, shown[found].Reason)
		require.Equal(t, b.machine, shown[found].Machine)
		require.Contains(t, shown[found].Detail, b.detail)
	}

	l.register(t, "press-9")
	require.True(t, waitFor(time.Minute, func() bool {
		return !slices.ContainsFunc(l.quarantine(t), func(q shownPack) bool { return q.Reason == "unknown-machine" })
	}), "an unknown machine's pack is not taken out when it is registered")
	require.Equal(t, 1, l.values(t, "press-9"))
	require.Len(t, l.quarantine(t), len(bad)-1)
}

// listenForReceipts gathers what ingest says of packs; a refused one stands with its reason.
func listenForReceipts(t *testing.T, c mqtt.Client) func() (stored map[uint64]bool, refused map[uint64]string) {
	t.Helper()
	var mu sync.Mutex
	stored, refused := map[uint64]bool{}, map[uint64]string{}
	token := c.Subscribe(wire.ReceiptTopic(faultsSite, "gw-1"), 1, func(_ mqtt.Client, m mqtt.Message) {
		r, err := wire.DecodeReceipt(m.Payload())
		if err != nil {
			t.Errorf("not a receipt: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, s := range r.Stored {
			for seq := s[0]; seq <= s[1]; seq++ {
				stored[seq] = true
			}
		}
		for _, x := range r.Refused {
			refused[x.Seq] = x.Reason
		}
	})
	require.True(t, token.WaitTimeout(10*time.Second))
	require.NoError(t, token.Error())
	return func() (map[uint64]bool, map[uint64]string) {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(stored), maps.Clone(refused)
	}
}

type shownPack struct {
	Reason, Detail, Machine string
	Payload                 []byte
}

func (l *line) quarantine(t *testing.T) []shownPack {
	t.Helper()
	var body struct{ Quarantined []shownPack }
	getJSON(t, l.base, l.token, "/api/v1/sites/"+faultsSite+"/quarantine", &body)
	return body.Quarantined
}

// values counts the stored powers of a machine.
func (l *line) values(t *testing.T, machine string) int {
	t.Helper()
	return len(powers(t, l.server.store, machine))
}

// powers returns the stored powers of a machine by time.
func powers(t *testing.T, store tsdb.Store, machine string) map[int64]any {
	t.Helper()
	out := map[int64]any{}
	err := store.Read(context.Background(), tsdb.Query{
		Measurement: tsdb.Telemetry, Site: faultsSite, Machine: machine, Fields: []string{"power_w"}, FromMs: 0, ToMs: 1 << 43,
	}, func(row tsdb.Row) error {
		out[row.TimeMs] = row.Values[0]
		return nil
	})
	require.NoError(t, err)
	return out
}

// register adds a machine to the site.
func (l *line) register(t *testing.T, machine string) {
	t.Helper()
	def, err := sitefile.Load(faultsSiteFile)
	require.NoError(t, err)
	added := def.Machines[0]
	added.Machine.ID, added.Machine.Position = machine, len(def.Machines)
	def.Machines = append(def.Machines, added)
	require.NoError(t, l.server.db.Apply(context.Background(), def, "test", time.Now().UnixMilli()))
}

// A spool cut in the middle of a record: the gateway says so, starts, and delivers the rest. What was written at once, in
// the last second, is lost together.
func TestTruncatedSpool(t *testing.T) {
	u := newUpServer(t, faultsSiteFile)
	p := play(t, "press-1", 5, time.Date(2026, 6, 3, 0, 0, 0, 0, time.UTC).UnixMilli(), 1000, 5000)
	config := u.gatewayFiles(t, faultsSite, "gw-1", p.config("2000x"))
	g := run(t, nil, gatewayBinary(t), "run", "--config", config) // no server yet: everything waits in the spool
	g.find(t, `(recording ended)`)
	g.end(t, syscall.SIGTERM)
	require.Zero(t, g.cmd.ProcessState.ExitCode(), g.out.tail())

	segments, err := filepath.Glob(filepath.Join(filepath.Dir(config), "spool", "spool", "*.seg"))
	require.NoError(t, err)
	require.NotEmpty(t, segments)
	newest := slices.Max(segments)
	info, err := os.Stat(newest)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(newest, info.Size()-100))
	out, code := command(t, nil, gatewayBinary(t), "spool", "verify", "--config", config)
	require.Equal(t, 1, code, out)
	require.Contains(t, out, filepath.Base(newest))

	u.start(t)
	out, code = command(t, nil, gatewayBinary(t), "run", "--config", config, "--exit-when-drained")
	require.Zero(t, code, out)
	require.Regexp(t, `level=WARN msg="spool: [^"]*torn[^"]*"`, out)
	stored := powers(t, u.store(t), "press-1")
	require.Less(t, len(stored), len(p.rows))
	require.Greater(t, len(stored), len(p.rows)/3, "more is missing than what was written together with the cut record")
	for i, r := range p.rows[:len(stored)] {
		require.Equal(t, any(r.power), stored[r.ms], "sample %d", i)
	}
	u.end(t, syscall.SIGTERM)
}

const brokenSite = `site:
  id: jodhpur-cfc
  name: {hi: जोधपुर, en: Jodhpur}
machines:
  - id: furnace-1
    class: furnance
    name: {hi: भट्ठी, en: Furnace}
    settings: [{idle_above: 40, run_above: 2000}]
  - id: furnace-1
    class: furnace
    name: {hi: भट्ठी, en: Furnace}
    settings: [{idle_above: 4000, run_above: 2000}]
gateways:
  - id: Gateway 1
`

const brokenGateway = `site: jodhpur-cfc
gateway: gw-1
broker: mqtt://127.0.0.1:1883
key: secret
machines:
  - id: press-1
    source: replai
  - id: press-1
    source: replay
    replay: {file: nowhere.csv, speed: fast}
`

// Broken files are answered with file, line and remedy, exit code 1, and nothing is done.
func TestBrokenFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	refused := func(want string, path string, args ...string) {
		t.Helper()
		out, code := command(t, nil, path, args...)
		require.Equal(t, 1, code)
		require.Equal(t, want, strings.ReplaceAll(out, dir+"/", ""))
	}
	site, data := file("site.yaml", brokenSite), filepath.Join(dir, "data")
	siteWords := `karkhana: site.yaml:6: unknown class "furnance"; did you mean "furnace"?
site.yaml:9: machine furnace-1 is given twice, first in line 5
site.yaml:12: idle_above (4000 W) lies above run_above (2000 W); a machine idles on less than it runs on
site.yaml:14: gateway id "Gateway 1": use 1–40 lower-case letters, digits and hyphens, first one a letter or digit
`
	refused(siteWords, serverBinary(t), "check", site)
	refused(siteWords, serverBinary(t), "admin", "apply", "--file", site, "--data", data)
	require.NoDirExists(t, data, "nothing was applied")
	refused(`karkhana: key.yaml:8: machines[0].settings[0]: unknown key "idle_abov"; did you mean "idle_above"?
`, serverBinary(t), "check", file("key.yaml", strings.Replace(brokenSite, "idle_above", "idle_abov", 1)))

	refused(`karkhana-gateway: configuration is not right:
gateway.yaml:7: unknown source "replai"; did you mean "replay"?
gateway.yaml:8: machine "press-1" is there twice, first in line 6
gateway.yaml:10: speed "fast": write 1x, 60x or max
gateway.yaml:10: file: nowhere.csv: no such file or directory
`, gatewayBinary(t), "check", "--config", file("gateway.yaml", brokenGateway))
	refused(`karkhana-gateway: configuration is not right:
unit.yaml:7: machines[0].every: expected a duration such as 5s, 15m or 720h, got "1 minute"
`, gatewayBinary(t), "check", "--config", file("unit.yaml", strings.Replace(brokenGateway, "source: replai", "every: 1 minute", 1)))

	// A file that is right but for its second half is not applied by half.
	out, code := command(t, nil, serverBinary(t), "admin", "apply", "--file", faultsSiteFile, "--data", data)
	require.Zero(t, code, out)
	faults, err := os.ReadFile(faultsSiteFile)
	require.NoError(t, err)
	broken := strings.NewReplacer("en: Press 1", "en: Press One", "id: press-3", "id: press 3").Replace(string(faults))
	out, code = command(t, nil, serverBinary(t), "admin", "apply", "--file", file("half.yaml", broken), "--data", data)
	require.Equal(t, 1, code, out)
	db := registrytest.OpenAt(t, "sqlite://"+filepath.Join(data, "registry.db"))
	machines, err := db.Machines(t.Context(), faultsSite)
	require.NoError(t, err)
	require.Len(t, machines, 3)
	require.Equal(t, "Press 1", machines[0].Name.En)
}

// What stands in the way of a start is said in one line, with what to do.
func TestUpSaysWhatIsInTheWay(t *testing.T) {
	u := newUpServer(t, faultsSiteFile)
	u.start(t)
	pages := strings.TrimPrefix(u.base, "http://")
	other := filepath.Join(t.TempDir(), "other")
	refused := func(env []string, pattern, data, listen, mqttListen string) {
		t.Helper()
		out, code := command(t, env, serverBinary(t), "up", "--log-level", "error", "--data", data, "--listen", listen, "--mqtt-listen", mqttListen)
		require.Equal(t, 1, code, out)
		require.Regexp(t, "^karkhana: "+pattern+"\n$", out)
	}
	const free = "127.0.0.1:0"
	refused(influxEnv(t), fmt.Sprintf(`%s\S+: the directory is in use by another running influxd \(started by process %d\): stop it or name another data directory`, u.data, u.pid()), u.data, free, free)
	refused(influxEnv(t), `listen on `+pages+`: another program has the port: stop it or choose another one with --listen HOST:PORT`, other, pages, free)
	refused(influxEnv(t), `broker: cannot listen for MQTT on `+u.mqtt+`: another program has the port\?.*address already in use`, other, free, u.mqtt)
	refused(influxEnv(t), `listen on "nowhere": .*want --listen HOST:PORT, for example 127\.0\.0\.1:8080`, other, "nowhere", free)
	require.NotEmpty(t, u.get(t, "/api/v1/sites"), "the one that runs is not disturbed")
	u.end(t, syscall.SIGTERM)
	require.Zero(t, u.cmd.ProcessState.ExitCode())

	// The program alone, far from any bin folder.
	alone := filepath.Join(t.TempDir(), "karkhana")
	program, err := os.ReadFile(serverBinary(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(alone, program, 0o700))
	t.Chdir(filepath.Dir(alone))
	out, code := command(t, []string{"KARKHANA_INFLUXD="}, alone, "up", "--data", other, "--listen", free, "--mqtt-listen", free)
	require.Equal(t, 1, code, out)
	require.Equal(t, "karkhana: influxd is missing: run make build, or name the program in KARKHANA_INFLUXD\n", out)
}

// The token is all that is printed, so that a script can take it.
func TestTokenIsOneLine(t *testing.T) {
	out, code := command(t, nil, serverBinary(t), "admin", "token", "--role", "technician", "--data", t.TempDir())
	require.Zero(t, code, out)
	require.Regexp(t, `^[A-Za-z0-9_-]{43}\n$`, out)
}
