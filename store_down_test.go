package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"karkhana/internal/influxd"
	"karkhana/internal/wire"
)

// ingestLimitMB is what ingest may take at its peak beside its program's own pages, whatever the load and the store do.
// Those (29 to 36 MB, as the kernel maps them) can be dropped at any time. Seen: 33 to 38 MB.
const ingestLimitMB = 48

// While the store hangs or is gone, packs pile up: what ingest holds stays within its bound, and when the store is back
// all that was sent is stored, once. The packs are small on the live lane and as large as they may be on the other.
func TestIngestWhileTheStoreIsDown(t *testing.T) {
	for name, outage := range map[string]struct {
		begin, end func(t *testing.T, db *bareInflux)
	}{
		"stopped": {
			func(_ *testing.T, db *bareInflux) { db.signal(syscall.SIGSTOP) },
			func(_ *testing.T, db *bareInflux) { db.signal(syscall.SIGCONT) },
		},
		"killed": {
			func(t *testing.T, db *bareInflux) { db.end(t, syscall.SIGKILL) },
			func(t *testing.T, db *bareInflux) { db.start(t) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := newBareInflux(t, filepath.Join(dir, "influxdb"))
			data := []string{"--data", filepath.Join(dir, "data")}
			with := func(args ...string) []string { return append(args, data...) }
			out, code := command(t, nil, serverBinary(t), with("admin", "apply", "--file", faultsSiteFile)...)
			require.Zero(t, code, out)
			key, code := command(t, nil, serverBinary(t), with("admin", "gateway-key", faultsSite, "gw-1")...)
			require.Zero(t, code, key)
			token := filepath.Join(dir, "influx.token")
			require.NoError(t, os.WriteFile(token, []byte(db.token), 0o600))
			broker := run(t, nil, serverBinary(t), with("broker", "--mqtt-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")...)
			gateways, source := broker.find(t, `gateways +mqtt://(\S+)`), broker.find(t, `ingest +(nats://\S+)`)
			ingest := run(t, nil, serverBinary(t), with("ingest", "--broker", source, "--broker-password-file", filepath.Join(dir, "data", "ingest.key"),
				"--influx-url", db.url, "--influx-token-file", token)...)
			metrics := ingest.find(t, `metrics (http://\S+)`)
			require.True(t, waitFor(time.Minute, func() bool { return status(strings.TrimSuffix(metrics, "metrics")+"readyz") == http.StatusOK }), ingest.out.tail())

			c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + gateways).SetUsername(faultsSite + ".gw-1").SetPassword(strings.TrimSpace(key)).
				SetClientID("store-down").SetWriteTimeout(time.Minute).
				SetCleanSession(false).SetMaxReconnectInterval(2 * time.Second)) // what is sent again may be more than its share of the broker, which then ends the connection
			connected := c.Connect()
			require.True(t, connected.WaitTimeout(30*time.Second))
			require.NoError(t, connected.Error())
			defer c.Disconnect(100)
			answers := listenForReceipts(t, c)

			outage.begin(t, db)
			packs := outagePacks(t)
			send := func(known map[uint64]bool) {
				for seq, p := range packs {
					if !known[seq] {
						c.Publish(wire.PackTopic(faultsSite, "gw-1", p.machine, p.lane), 1, false, p.payload)
					}
				}
			}
			send(nil)
			const held = `karkhana_ingest_held_bytes{lane="%s"} `
			require.True(t, waitFor(2*time.Minute, func() bool {
				text := body(metrics)
				return metricValue(text, fmt.Sprintf(held, wire.LaneLive)) > 5<<20 && metricValue(text, fmt.Sprintf(held, wire.LaneHistory)) > 5<<20
			}), "%s", ingest.out.tail())
			stored, _ := answers()
			require.Less(t, len(stored), len(packs))
			away, _ := memory(t, ingest.pid())
			outage.end(t, db)

			sentAgain := time.Now()
			require.True(t, waitFor(4*time.Minute, func() bool {
				stored, refused := answers()
				require.Empty(t, refused)
				if len(stored) < len(packs) && time.Since(sentAgain) > 20*time.Second { // as a gateway does
					sentAgain = time.Now()
					send(stored)
				}
				return len(stored) == len(packs)
			}), "%s", ingest.out.tail())
			values, sum := 0, 0.0
			for _, p := range packs {
				values += p.values
				sum += p.sum
			}
			gotValues, gotSum := db.total(t)
			require.Equal(t, values, gotValues)
			require.InDelta(t, sum, gotSum, sum*1e-9)
			peak, program := memory(t, ingest.pid())
			t.Logf("%d packs, %d values, peak of ingest %.1f MB with %.1f MB of its program; %.1f MB before the store was back", len(packs), values, peak, program, away)
			require.Less(t, peak-program, float64(ingestLimitMB))
		})
	}
}

// outagePack is one pack of the load and what it adds to the store.
type outagePack struct {
	machine string
	lane    wire.Lane
	payload []byte
	values  int
	sum     float64
}

// outagePacks are more than ingest holds on both lanes and less than one gateway may have waiting in the broker, by sequence
// number: small packs on the live one, packs of nearly 512 KiB on the other.
func outagePacks(t *testing.T) map[uint64]outagePack {
	t.Helper()
	packs := map[uint64]outagePack{}
	add := func(machine string, lane wire.Lane, f wire.Format, count, samples int, value func(i int) float64) {
		at := time.Now().Add(-24 * time.Hour).UnixMilli()
		for range count {
			seq := uint64(len(packs) + 1)
			p := wire.Pack{Site: faultsSite, Machine: machine, Spool: "s1", Boot: "b1", Clock: wire.ClockSynced, Seq: seq}
			sum := 0.0
			for i := range samples {
				v := value(i)
				p.Samples = append(p.Samples, wire.Sample{TimeMs: at, Quantity: "power", Number: v})
				sum += v
				at++
			}
			payload, err := p.Encode(f)
			require.NoError(t, err)
			packs[seq] = outagePack{machine, lane, payload, samples, sum}
		}
	}
	add("press-1", wire.LaneLive, wire.FormatCBOR, 5_500, 5, func(i int) float64 { return float64(i) })
	add("press-2", wire.LaneHistory, wire.FormatJSON, 18, 14_000, func(i int) float64 { return 1000 + float64(i%1000)/8 })
	return packs
}

// bareInflux is an influxd that nobody starts again.
type bareInflux struct {
	*process
	binary, conf, url, token string
}

func newBareInflux(t *testing.T, dir string) *bareInflux {
	t.Helper()
	binary, err := influxd.Find()
	require.NoError(t, err)
	s, err := influxd.New(influxd.Options{Binary: binary, DataDir: dir})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	err = s.WaitReady(ctx) // with user and database
	cancel()
	<-done
	require.NoError(t, err)
	db := &bareInflux{binary: binary, conf: filepath.Join(dir, "influxd.conf"), url: s.URL(), token: s.Token()}
	db.start(t)
	return db
}

func (b *bareInflux) start(t *testing.T) {
	t.Helper()
	b.process = run(t, nil, b.binary, "run", "-config", b.conf)
	require.True(t, waitFor(time.Minute, func() bool { return status(b.url+"/ping") == http.StatusNoContent }), b.out.tail())
}

// total counts and sums what is stored.
func (b *bareInflux) total(t *testing.T) (count int, sum float64) {
	t.Helper()
	q := url.Values{"db": {influxd.Database}, "q": {"SELECT count(power_w), sum(power_w) FROM telemetry"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/query?"+q.Encode(), nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Token "+b.token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var answer struct {
		Results []struct{ Series []struct{ Values [][]any } }
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	row := answer.Results[0].Series[0].Values[0]
	return int(row[1].(float64)), row[2].(float64)
}

// body is a page, "" when there is no answer.
func body(url string) string {
	res, err := (&http.Client{Timeout: 5 * time.Second}).Get(url)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// status is the status code of a page, 0 when there is no answer.
func status(url string) int {
	res, err := (&http.Client{Timeout: 5 * time.Second}).Get(url)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// metricValue reads one value of a page of metrics, 0 when it is not there.
func metricValue(text, name string) float64 {
	for line := range strings.Lines(text) {
		if number, ok := strings.CutPrefix(line, name); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(number), 64)
			return v
		}
	}
	return 0
}

// memory is the largest resident size that a process has had, and what its program's file takes of it now, in MB.
func memory(t *testing.T, pid int) (peak, program float64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	mb := func(name string) float64 {
		found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(b)
		require.NotNil(t, found, "%s in %s", name, b)
		kb, err := strconv.Atoi(string(found[1]))
		require.NoError(t, err)
		return float64(kb) / 1024
	}
	return mb("VmHWM"), mb("RssFile")
}
