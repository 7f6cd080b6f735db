package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/sitefile"
	"karkhana/internal/wire"
)

const recordingsSite = "recordings"

var recordingsSiteFile = filepath.Join("testdata", "recordings.site.yaml")

// TestRecordings replays a month of recorded meters and four milling experiments at full speed through the gateway
// process, MQTT, ingest, InfluxDB and analytics, reads the results through the HTTP API and holds them against the
// ground truth. Then it delivers the same packs shuffled and twice to a fresh line and wants the same bytes.
func TestRecordings(t *testing.T) {
	data := recordingsFolder(t)
	recordings := prepareRecordings(t, data, t.TempDir())
	samples := 0
	for _, r := range recordings {
		samples += r.samples
	}

	first := startLine(t, recordingsSiteFile)
	packs := first.capture(t)
	began := time.Now()
	first.replay(t, recordings)
	replayed := time.Since(began)
	first.settle(t)
	settled := time.Since(began)
	answers := first.answers(t, recordings)
	sent := packs()
	t.Logf("%d values in %d packs", samples, len(sent))

	var f figures
	for _, r := range recordings {
		f.compare(t, r, answers)
	}

	second := startLine(t, recordingsSiteFile)
	second.deliver(t, shuffledTwice(sent))
	second.settle(t)
	identical := 1
	for path, want := range answers {
		if got, want := beforeNow(second.get(t, path)), beforeNow(want); got != want {
			identical = 0
			t.Errorf("reordered delivery changed %s:\n%s", path, firstDifference(want, got))
		}
	}

	require.LessOrEqual(t, f.dayErrorPct, 0.5, "kWh of a day")
	require.LessOrEqual(t, f.totalErrorPct, 0.1, "kWh in total")
	require.Zero(t, f.edgesOutside, "edges outside one sampling step")
	fmt.Printf("result: kwh_day_error_pct=%.4f kwh_total_error_pct=%.4f edges_outside_one_step=%d reordered_identical=%d edges=%d days=%d days_unsharp=%d unsharp_from_file_pct=%.1f samples=%d replay_samples_per_s=%.0f with_analytics_samples_per_s=%.0f\n",
		f.dayErrorPct, f.totalErrorPct, f.edgesOutside, identical, f.edges, f.days, f.unsharp, f.unsharpErrorPct, samples,
		float64(samples)/replayed.Seconds(), float64(samples)/settled.Seconds())
}

// openCause is why a hole is still open: that speaks of what the gateway says now, and only the first line has one.
var openCause = regexp.MustCompile(`"open":true,"cause":"[^"]*","evidence":"[^"]*"`)

// beforeNow is an answer without what speaks of the present.
func beforeNow(answer string) string { return openCause.ReplaceAllString(answer, `"open":true`) }

// figures gathers the worst deviations.
type figures struct {
	dayErrorPct, totalErrorPct float64
	edges, edgesOutside        int
	days, unsharp              int     // unsharp: the truth has an increment astride midnight
	unsharpErrorPct            float64 // worst difference from the file on those
}

func (f *figures) compare(t *testing.T, r recording, answers map[string]string) {
	energies := energyWh(t, answers[r.kpis("day", r.wholeDays())])
	total := 0.0
	for _, wh := range energies {
		total += wh
	}
	totalError := errorPct(total, r.wh)
	worst := 0.0
	for _, d := range r.days {
		got := energies[d.start.UTC().Format(time.RFC3339)]
		worst, f.days = max(worst, d.errorPct(got)), f.days+1
		if d.before+d.after > 0 {
			f.unsharp++
			f.unsharpErrorPct = max(f.unsharpErrorPct, errorPct(got, d.wh))
		}
	}
	f.dayErrorPct, f.totalErrorPct = max(f.dayErrorPct, worst), max(f.totalErrorPct, totalError)

	outside := 0
	if r.on != nil {
		outside = edgesOutside(r.on, r.runs(t, answers), r.stepMs)
		f.edges += 2 * len(r.on)
		f.edgesOutside += outside
	}
	t.Logf("%-10s %8d values %10.3f Wh, truth %10.3f (%.4f %%), worst day %.4f %%, %2d on-intervals, %d edges outside %d ms",
		r.machine, r.samples, total, r.wh, totalError, worst, len(r.on), outside, r.stepMs)
}

// energyWh takes the energy out of an answer about KPIs, by the start of each piece.
func energyWh(t *testing.T, answer string) map[string]float64 {
	var body struct {
		KPIs []struct {
			From     string
			EnergyWh float64 `json:"energy_wh"`
		} `json:"kpis"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &body))
	out := map[string]float64{}
	for _, k := range body.KPIs {
		out[k.From] = k.EnergyWh
	}
	return out
}

// runs returns the machine's run intervals as the API tells them.
func (r recording) runs(t *testing.T, answers map[string]string) []span {
	var body struct {
		Intervals []struct {
			State      string
			Start, End time.Time
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answers[r.intervals()]), &body))
	var out []span
	for _, i := range body.Intervals {
		if i.State == "run" {
			out = append(out, span{i.Start.UnixMilli(), i.End.UnixMilli()})
		}
	}
	return out
}

// edgesOutside counts edges of the truth without an own edge within one step, and intervals that are not in the truth.
func edgesOutside(truth, got []span, stepMs int64) int {
	n := 0
	used := make([]bool, len(got))
	for _, want := range truth {
		best := -1
		for i, g := range got {
			if !used[i] && g.from < want.to && want.from < g.to {
				best = i
				break
			}
		}
		if best < 0 {
			n += 2
			continue
		}
		used[best] = true
		if abs(got[best].from-want.from) > stepMs {
			n++
		}
		if abs(got[best].to-want.to) > stepMs {
			n++
		}
	}
	for _, u := range used {
		if !u {
			n += 2
		}
	}
	return n
}

func abs(v int64) int64 { return max(v, -v) }

func errorPct(got, want float64) float64 {
	if want == 0 {
		if math.Abs(got) < 1 { // less than 1 Wh on a day without any
			return 0
		}
		return 100
	}
	return math.Abs(got-want) / want * 100
}

var ist = time.FixedZone("IST", 5*3600+1800)

func (r recording) intervals() string {
	q := url.Values{"from": {time.UnixMilli(r.fromMs).UTC().Format(time.RFC3339Nano)}, "to": {time.UnixMilli(r.toMs).UTC().Format(time.RFC3339Nano)}}
	return "/api/v1/sites/" + recordingsSite + "/machines/" + r.machine + "/intervals?" + q.Encode()
}

func (r recording) kpis(by string, s span) string {
	q := url.Values{"by": {by}, "from": {time.UnixMilli(s.from).UTC().Format(time.RFC3339Nano)}, "to": {time.UnixMilli(s.to).UTC().Format(time.RFC3339Nano)}}
	return "/api/v1/sites/" + recordingsSite + "/machines/" + r.machine + "/kpis?" + q.Encode()
}

// wholeDays of the site around the recording.
func (r recording) wholeDays() span {
	return span{dayStart(r.fromMs).UnixMilli(), dayStart(r.toMs).AddDate(0, 0, 1).UnixMilli()}
}

func dayStart(ms int64) time.Time {
	d := time.UnixMilli(ms).In(ist)
	return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, ist)
}

// line is a whole server in this process with its own InfluxDB, and gateways as processes.
type line struct {
	server *server
	base   string
	token  string
	dir    string
}

// startLine starts the server on free ports with a site. It stops with the test.
func startLine(t *testing.T, siteFile string) *line {
	t.Helper()
	dir := t.TempDir()
	logFile, err := os.Create(filepath.Join(dir, "server.log"))
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			b, _ := os.ReadFile(logFile.Name())
			t.Logf("server log (end):\n%s", b[max(0, len(b)-4000):])
		}
		logFile.Close()
	})
	ctx, cancel := context.WithCancel(context.Background())
	s, err := newServer(ctx, serverOptions{
		Stores: storeFlags{Data: filepath.Join(dir, "data")}, Listen: "127.0.0.1:0", Broker: brokerListen{MQTTListen: "127.0.0.1:0"},
		Log: slog.New(slog.NewTextHandler(logFile, nil)),
	})
	require.NoError(t, err)
	def, err := sitefile.Load(siteFile)
	require.NoError(t, err)
	require.NoError(t, s.db.Apply(ctx, def, "test", time.Now().UnixMilli()))
	l := &line{server: s, base: "http://" + s.pages.Addr().String(), token: secret.New(), dir: dir}
	require.NoError(t, s.db.AddToken(ctx, registry.Token{Hash: registry.HashSecret(l.token), Name: "test", Role: registry.RoleAdmin}))

	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return l
}

// replay runs one gateway process that replays all recordings at full speed and ends when every pack has its receipt.
func (l *line) replay(t *testing.T, recordings []recording) {
	t.Helper()
	config := l.gatewayConfig(t, recordings)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, gatewayBinary(t), "run", "--config", config, "--exit-when-drained")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "gateway: %s", out[max(0, len(out)-3000):])
}

func (l *line) gatewayConfig(t *testing.T, recordings []recording) string {
	t.Helper()
	dir := filepath.Join(l.dir, "gw-1")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	key := secret.New()
	require.NoError(t, l.server.db.SetGatewayKey(context.Background(), recordingsSite, "gw-1", registry.HashSecret(key)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gateway.key"), []byte(key), 0o600))
	var b strings.Builder
	fmt.Fprintf(&b, "site: %s\ngateway: gw-1\nbroker: %s\nkey_file: gateway.key\ncard_salt_file: gateway.key\ndata: spool\nhistory_packs_per_s: 0\nmachines:\n", recordingsSite, l.server.broker.URL())
	for _, r := range recordings {
		path, err := filepath.Abs(r.csv)
		require.NoError(t, err)
		fmt.Fprintf(&b, "  - id: %s\n    source: replay\n    replay: {file: %s, speed: max, shift: none}\n", r.machine, path)
	}
	config := filepath.Join(dir, "gateway.yaml")
	require.NoError(t, os.WriteFile(config, []byte(b.String()), 0o600))
	return config
}

// settle waits until analytics has rebuilt everything that was touched.
func (l *line) settle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		rows, err := l.server.db.TouchedRows(context.Background())
		return err == nil && len(rows) == 0
	}, 2*time.Minute, 100*time.Millisecond, "analytics did not finish")
}

// answers asks the API for everything that the comparison needs, by path.
func (l *line) answers(t *testing.T, recordings []recording) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range recordings {
		for _, path := range []string{r.intervals(), r.kpis("hour", r.wholeDays()), r.kpis("day", r.wholeDays())} {
			out[path] = l.get(t, path)
		}
	}
	return out
}

func (l *line) get(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, l.base+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+l.token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", path, b)
	return string(b)
}

// message is a pack as it went over MQTT.
type message struct {
	topic   string
	payload []byte
	id      packID
}

type packID struct {
	spool string
	seq   uint64
}

// client connects to the line's broker.
func (l *line) client(t *testing.T, user, password, id string) mqtt.Client {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker(strings.Replace(l.server.broker.URL(), "mqtt://", "tcp://", 1)).
		SetUsername(user).SetPassword(password).SetClientID(id).SetOrderMatters(false)
	c := mqtt.NewClient(o)
	token := c.Connect()
	require.True(t, token.WaitTimeout(10*time.Second))
	require.NoError(t, token.Error())
	return c
}

// capture listens to all packs beside ingest; the returned function ends it and gives what came.
func (l *line) capture(t *testing.T) func() []message {
	t.Helper()
	var mu sync.Mutex
	var got []message
	c := l.client(t, ingestUser, l.server.secret, "capture")
	for _, lane := range []string{"telemetry", "history"} {
		token := c.Subscribe("cfc/v1/+/+/+/"+lane, 1, func(_ mqtt.Client, m mqtt.Message) {
			pack, err := wire.Decode(m.Payload())
			if err != nil {
				t.Errorf("the gateway sent a pack that can't be read: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, message{m.Topic(), append([]byte(nil), m.Payload()...), packID{pack.Spool, pack.Seq}})
		})
		require.True(t, token.WaitTimeout(10*time.Second))
		require.NoError(t, token.Error())
	}
	return func() []message {
		c.Disconnect(250)
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

// shuffledTwice puts every message in twice, in an order of its own.
func shuffledTwice(in []message) []message {
	out := append(append([]message(nil), in...), in...)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// deliveredAtOnce is how many packs are on their way, as a gateway has it: 16 MB at once are more than its share of the broker.
const deliveredAtOnce = 500

// deliver publishes packs in the given order and, like a gateway, sends again what has no receipt, until each pack has
// one.
func (l *line) deliver(t *testing.T, messages []message) {
	t.Helper()
	key := secret.New()
	require.NoError(t, l.server.db.SetGatewayKey(context.Background(), recordingsSite, "gw-1", registry.HashSecret(key)))
	c := l.client(t, recordingsSite+".gw-1", key, "shuffled")
	defer c.Disconnect(250)
	receipted := l.receipts(t, c)
	for end := time.Now().Add(3 * time.Minute); len(messages) > 0; {
		var missing []message
		for part := range slices.Chunk(messages, deliveredAtOnce) {
			require.True(t, time.Now().Before(end), "%d packs without a receipt", len(messages))
			publish(t, c, part)
			var late []message
			waitFor(5*time.Second, func() bool {
				late = late[:0]
				for _, m := range part {
					if !receipted(m.id) {
						late = append(late, m)
					}
				}
				return len(late) == 0
			})
			missing = append(missing, late...)
		}
		messages = missing
	}
}

// publish sends messages in order, some at a time, and waits until the broker has them.
func publish(t *testing.T, c mqtt.Client, messages []message) {
	t.Helper()
	var sending []mqtt.Token
	for i, m := range messages {
		sending = append(sending, c.Publish(m.topic, 1, false, m.payload))
		if len(sending) == 64 || i == len(messages)-1 {
			for _, token := range sending {
				require.True(t, token.WaitTimeout(time.Minute), "the broker does not answer")
				require.NoError(t, token.Error())
			}
			sending = sending[:0]
		}
	}
}

// receipts listens to what ingest says is stored.
func (l *line) receipts(t *testing.T, c mqtt.Client) func(packID) bool {
	t.Helper()
	var mu sync.Mutex
	stored := map[packID]bool{}
	token := c.Subscribe(wire.ReceiptTopic(recordingsSite, "gw-1"), 1, func(_ mqtt.Client, m mqtt.Message) {
		r, err := wire.DecodeReceipt(m.Payload())
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, s := range r.Stored {
			for seq := s[0]; seq <= s[1]; seq++ {
				stored[packID{r.Spool, seq}] = true
			}
		}
	})
	require.True(t, token.WaitTimeout(10*time.Second))
	require.NoError(t, token.Error())
	return func(id packID) bool {
		mu.Lock()
		defer mu.Unlock()
		return stored[id]
	}
}

// waitFor asks until ok or the time is up.
func waitFor(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

func firstDifference(want, got string) string {
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, min(i, len(s))-80):min(len(s), i+80)] }
	return fmt.Sprintf("at byte %d\n  in order: …%s…\n  shuffled: …%s…", i, cut(want), cut(got))
}
