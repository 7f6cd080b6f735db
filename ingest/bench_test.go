package ingest

import (
	"context"
	"fmt"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// tenSeconds is a pack of ten seconds of six quantities at 1 Hz.
func tenSeconds(seq uint64, machine string) *wire.Pack {
	p := &wire.Pack{Site: "s", Machine: machine, Spool: "sp", Seq: seq, Boot: "b", Clock: wire.ClockSynced}
	for i := range int64(10) {
		at := baseMs + int64(seq%300)*10_000 + i*1000
		for k, q := range []string{"power", "energy", "voltage", "current", "power_factor", "frequency"} {
			p.Samples = append(p.Samples, wire.Sample{TimeMs: at, Quantity: q, Number: float64(float32(0.5 + 0.01*float64(i) + 0.001*float64(k)))})
		}
	}
	p.Sort()
	return p
}

// BenchmarkDecodeAndBatch is all that ingest computes itself for a pack: decoding, checking, points.
func BenchmarkDecodeAndBatch(b *testing.B) {
	for name, f := range map[string]wire.Format{"cbor": wire.FormatCBOR, "json": wire.FormatJSON} {
		b.Run(name, func(b *testing.B) {
			in, err := New(Options{
				Source: "mqtt://127.0.0.1:1", ClientID: "b", Store: tsdb.NewMemory(), Registry: newFakeRegistry("m1"),
				Logger: quiet(), Registerer: prometheus.NewRegistry(), Now: func() time.Time { return time.UnixMilli(baseMs + 3_600_000) },
			})
			require.NoError(b, err)
			var payloads [][]byte
			for seq := range uint64(300) {
				payloads = append(payloads, encode(b, tenSeconds(seq+1, "m1"), f))
			}
			topic := wire.PackTopic("s", "gw-1", "m1", wire.LaneLive)
			c := newCollector(in, in.lanes[0].counted, nil)
			t := in.lanes[0].intake
			values := 0
			b.ReportAllocs()
			bt := &batch{}
			for i := 0; b.Loop(); i++ {
				if bt.values >= in.opts.BatchValues {
					bt = &batch{}
				}
				before := bt.values
				c.add(context.Background(), bt, &delivery{topic: topic, payload: payloads[i%300], intake: t})
				values += bt.values - before
			}
			require.Equal(b, b.N*60, values, fmt.Sprint(bt.items[0].refusal))
			b.ReportMetric(float64(values)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}

// discard is a store that acknowledges at once and keeps nothing.
type discard struct{ *tsdb.Memory }

func (discard) WriteLines(context.Context, *tsdb.Lines) error { return nil }

// BenchmarkThroughBroker sends packs through the embedded broker (in this process, as is the sender) and waits until
// ingest has acknowledged them.
func BenchmarkThroughBroker(b *testing.B) {
	b.Run("mqtt", func(b *testing.B) {
		throughBroker(b, func(br *broker.Broker, o *Options) { o.Source = br.URL() })
	})
	b.Run("nats", func(b *testing.B) { throughBroker(b, func(br *broker.Broker, o *Options) { o.InProcess = br }) })
}

func throughBroker(b *testing.B, reach func(*broker.Broker, *Options)) {
	dir := b.TempDir()
	br, err := broker.New(broker.Options{DataDir: dir, Listen: "127.0.0.1:0", Logger: quiet(), Authenticate: func(user, _ string) (broker.Rights, bool) {
		if user == "ingest" {
			return broker.IngestRights(), true
		}
		return broker.GatewayRights("s", "gw-1"), true
	}})
	require.NoError(b, err)
	require.NoError(b, br.Start(b.Context()))
	defer br.Stop()
	o := Options{
		Username: "ingest", ClientID: "b", Store: discard{tsdb.NewMemory()}, Registry: newFakeRegistry("m1"),
		Logger: quiet(), Registerer: prometheus.NewRegistry(), Now: func() time.Time { return time.UnixMilli(baseMs + 3_600_000) },
	}
	reach(br, &o)
	in, err := New(o)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	require.NoError(b, in.WaitReady(ctx))
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(br.URL()).SetClientID("g").SetUsername("g"))
	require.NoError(b, brokertest.Wait(client.Connect()))
	var payloads [][]byte
	for seq := range uint64(300) {
		payloads = append(payloads, encode(b, tenSeconds(seq+1, "m1"), wire.FormatCBOR))
	}
	topic := wire.PackTopic("s", "gw-1", "m1", wire.LaneLive)
	stored := func() float64 { return sum(b, in, "karkhana_ingest_packs_stored_total") }
	b.ResetTimer()
	for i := range b.N {
		client.Publish(topic, 1, false, payloads[i%300])
	}
	for stored() < float64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*60)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
	client.Disconnect(100)
	cancel()
	require.NoError(b, <-done)
}
