// Package uplinktest plays the server's side of the uplink for tests: it takes packs, gives receipts when told to,
// and cuts the link.
package uplinktest

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/wire"
)

// Site, Gateway and Key are those of the one gateway that Users lets in.
const (
	Site    = "jodhpur-cfc"
	Gateway = "gw-1"
	Key     = "a-key"
)

// Users are the gateway and the server.
func Users() map[string]brokertest.User {
	return map[string]brokertest.User{
		wire.Username(Site, Gateway): {Password: Key, Rights: broker.GatewayRights(Site, Gateway)},
		"ingest":                     {Password: "secret", Rights: broker.IngestRights()},
	}
}

// Server takes packs and answers as it is told.
type Server struct {
	t      testing.TB
	client mqtt.Client

	mu      sync.Mutex
	packs   map[string][]byte // spool/seq → bytes of the last arrival
	decoded map[string]*wire.Pack
	samples map[string]map[wire.Sample]bool // of each machine
	lanes   []wire.Kind                     // of everything that the gateway sent
	changed []string                        // packs that came with other bytes than before
	answer  bool
	refuse  string
	status  []wire.Status
	waiting []*wire.Pack
}

// NewServer connects to the broker. It withholds receipts until Answer(true).
func NewServer(t *testing.T, b brokertest.Broker) *Server {
	t.Helper()
	s := &Server{t: t, packs: map[string][]byte{}, decoded: map[string]*wire.Pack{}, samples: map[string]map[wire.Sample]bool{}}
	s.Connect(t, b)
	return s
}

// Connect connects, again after the broker was away.
func (s *Server) Connect(t *testing.T, b brokertest.Broker) {
	t.Helper()
	s.client = brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "secret", "test-server").SetOrderMatters(false))
	// The newest status is the one that counts, so they are taken one after the other; packs may be taken all at a time.
	ordered := brokertest.Connect(t, brokertest.ClientOptions(b, "ingest", "secret", "test-status"))
	for _, filter := range broker.IngestRights().Subscribe {
		c := s.client
		if strings.HasSuffix(filter, "/status") {
			c = ordered
		}
		require.NoError(t, brokertest.Wait(c.Subscribe(filter, 1, s.take)))
	}
}

func (s *Server) take(_ mqtt.Client, m mqtt.Message) {
	topic, err := wire.ParseTopic(m.Topic())
	if err != nil {
		s.t.Errorf("topic: %v", err)
		return
	}
	switch topic.Kind {
	case wire.KindStatus:
		st, err := wire.DecodeStatus(m.Payload())
		if err != nil {
			s.t.Errorf("status: %v", err)
			return
		}
		if m.Duplicate() {
			return // an old one: the broker waited too long for our acknowledgement of it
		}
		s.mu.Lock()
		s.status = append(s.status, *st)
		s.mu.Unlock()
	case wire.KindTelemetry, wire.KindHistory:
		s.pack(topic, m.Payload(), m.Duplicate())
	}
}

func (s *Server) pack(topic wire.Topic, payload []byte, again bool) {
	p, err := wire.Decode(payload)
	if err != nil {
		s.t.Errorf("pack: %v", err)
		return
	}
	s.mu.Lock()
	key := fmt.Sprintf("%s/%d", p.Spool, p.Seq)
	old, known := s.packs[key]
	if known && string(old) != string(payload) {
		s.changed = append(s.changed, key)
	}
	s.packs[key] = append([]byte(nil), payload...)
	s.decoded[key] = p
	if s.samples[p.Machine] == nil {
		s.samples[p.Machine] = map[wire.Sample]bool{}
	}
	for _, sample := range p.Samples {
		s.samples[p.Machine][sample] = true
	}
	if !known || !again { // else the broker sent it again, which waited too long for our acknowledgement, and not the gateway
		s.lanes = append(s.lanes, topic.Kind)
	}
	s.waiting = append(s.waiting, p)
	s.mu.Unlock()
	s.flush()
}

// Answer switches receipts on or off. On, those that were withheld are given, too.
func (s *Server) Answer(on bool) {
	s.mu.Lock()
	s.answer = on
	s.mu.Unlock()
	s.flush()
}

// Refuse makes receipts refuse packs for this reason; "" stores them.
func (s *Server) Refuse(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = reason
}

func (s *Server) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.answer {
		return
	}
	for _, p := range s.waiting {
		r := wire.Receipt{Spool: p.Spool}
		if s.refuse != "" {
			r.Refused = []wire.Refusal{{Seq: p.Seq, Reason: s.refuse}}
		} else {
			r.Stored = [][2]uint64{{p.Seq, p.Seq}}
		}
		b, err := r.Encode()
		if err != nil {
			s.t.Errorf("receipt: %v", err)
			return
		}
		s.client.Publish(wire.ReceiptTopic(Site, Gateway), 1, false, b)
	}
	s.waiting = nil
}

// Packs is how many different packs came.
func (s *Server) Packs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.packs)
}

// Clocks counts the different packs by how far their time is trusted.
func (s *Server) Clocks() map[wire.Clock]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[wire.Clock]int{}
	for _, p := range s.decoded {
		n[p.Clock]++
	}
	return n
}

// Arrivals are the lanes of everything that the gateway sent, repeated packs included.
func (s *Server) Arrivals() []wire.Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]wire.Kind(nil), s.lanes...)
}

// Changed are the packs that came twice with different bytes: it must stay empty.
func (s *Server) Changed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.changed...)
}

// Count is how many different samples of a machine came.
func (s *Server) Count(machine string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.samples[machine])
}

// Samples are all different samples of a machine, by quantity and time.
func (s *Server) Samples(machine string) []wire.Sample {
	s.mu.Lock()
	out := slices.AppendSeq(make([]wire.Sample, 0, len(s.samples[machine])), maps.Keys(s.samples[machine]))
	s.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		if out[i].TimeMs != out[j].TimeMs {
			return out[i].TimeMs < out[j].TimeMs
		}
		return out[i].Quantity < out[j].Quantity
	})
	return out
}

// Status is the last status that came.
func (s *Server) Status() (wire.Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.status) == 0 {
		return wire.Status{}, false
	}
	return s.status[len(s.status)-1], true
}
