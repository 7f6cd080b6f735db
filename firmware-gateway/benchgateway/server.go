package main

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"karkhana/internal/broker"
	"karkhana/internal/wire"
)

const site, gatewayID, key = "bench", "gw-1", "a-key-that-is-long-enough-0123456789"

// server is a broker and an ingest that gives a receipt for every pack and counts.
type server struct {
	broker *broker.Broker
	client mqtt.Client

	mu                      sync.Mutex
	samples, packs, payload int
	zipped                  int // payload, each pack compressed by itself
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
	s.samples += len(p.Samples)
	s.packs++
	s.payload += len(m.Payload())
	s.zipped += deflated(m.Payload())
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

// counted is what came so far.
type counted struct{ samples, packs, payload, zipped int }

func (s *server) counts() counted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return counted{s.samples, s.packs, s.payload, s.zipped}
}
