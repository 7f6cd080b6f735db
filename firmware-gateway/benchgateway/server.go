package main

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/klauspost/compress/zstd"

	"karkhana/internal/broker"
	"karkhana/internal/wire"
)

const site, gatewayID, key = "bench", "gw-1", "a-key-that-is-long-enough-0123456789"

// server is a broker and an ingest that gives a receipt for every pack and counts.
type server struct {
	broker *broker.Broker
	client mqtt.Client

	mu     sync.Mutex
	n      counted
	stream *flate.Writer // all packs, one behind the other
	flowed count
}

// count counts what is written to it.
type count int

func (c *count) Write(b []byte) (int, error) {
	*c += count(len(b))
	return len(b), nil
}

func serve(ctx context.Context, dir string) (*server, error) {
	b, err := broker.New(broker.Options{
		DataDir: dir, Listen: "127.0.0.1:0", Logger: quiet,
		Authenticate: func(user, _ string) (broker.Rights, bool) {
			if user == "ingest" {
				return broker.IngestRights(), true
			}
			return broker.GatewayRights(site, gatewayID), true
		},
	})
	if err != nil {
		return nil, err
	}
	if err := b.Start(ctx); err != nil {
		return nil, err
	}
	s := &server{broker: b}
	if s.stream, err = flate.NewWriter(&s.flowed, flate.BestCompression); err != nil {
		b.Stop()
		return nil, err
	}
	s.client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(b.URL()).SetUsername("ingest").SetPassword("x").SetClientID("bench_ingest").SetOrderMatters(false))
	if t := s.client.Connect(); !t.WaitTimeout(10*time.Second) || t.Error() != nil {
		b.Stop()
		return nil, fmt.Errorf("connect to the broker: %w", t.Error())
	}
	for _, filter := range broker.IngestRights().Subscribe {
		if t := s.client.Subscribe(filter, 1, s.take); !t.WaitTimeout(10*time.Second) || t.Error() != nil {
			s.stop()
			return nil, fmt.Errorf("subscribe: %w", t.Error())
		}
	}
	return s, nil
}

func (s *server) url() string { return s.broker.URL() }

func (s *server) stop() {
	s.client.Disconnect(100)
	s.broker.Stop()
}

func (s *server) take(c mqtt.Client, m mqtt.Message) {
	p, err := wire.Decode(m.Payload())
	if err != nil {
		return // a status
	}
	s.mu.Lock()
	s.n.samples += len(p.Samples)
	s.n.packs++
	s.n.payload += len(m.Payload())
	s.n.deflated += deflated(m.Payload())
	s.n.zstd += len(zstandard.EncodeAll(m.Payload(), nil))
	_, _ = s.stream.Write(m.Payload()) // into memory
	_ = s.stream.Flush()               // each pack has to leave at once
	s.n.stream = int(s.flowed)
	s.mu.Unlock()
	b, err := (&wire.Receipt{Spool: p.Spool, Stored: [][2]uint64{{p.Seq, p.Seq}}}).Encode()
	if err == nil {
		c.Publish(wire.ReceiptTopic(site, gatewayID), 1, false, b)
	}
}

// deflated is how long a pack would be, compressed.
func deflated(b []byte) int {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return len(b)
	}
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Len()
}

// zstandard is safe for concurrent use.
var zstandard, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))

// counted is what came so far: numbers, bytes, and what compressed packs would have.
type counted struct{ samples, packs, payload, deflated, zstd, stream int }

func (c counted) minus(o counted) counted {
	return counted{c.samples - o.samples, c.packs - o.packs, c.payload - o.payload, c.deflated - o.deflated, c.zstd - o.zstd, c.stream - o.stream}
}

func (s *server) counts() counted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}
