package broker

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons for which the broker itself refuses something, so that it never reaches ingest.
const (
	refusedSignIn   = "sign-in"   // unknown user or wrong key
	refusedClientID = "client-id" // the MQTT client id or the protocol is not for this user
	refusedPublish  = "publish"   // to a topic that is not the client's own
	refusedRead     = "subscribe" // to a topic that is not the client's own
	refusedTopic    = "bad-topic" // characters that no topic may have
	refusedLarge    = "too-large" // more than maxPayload
	refusedFull     = "full"      // the messages that wait for ingest fill the memory
	// More of the client's messages wait for ingest than its share of the memory.
	refusedShare       = "share"
	refusedConnections = "connections" // more than maxConnections of a user
	refusedQoS2        = "qos2"        // a publish of QoS 2
	refusedRetain      = "retain"      // a message that is larger than a status is delivered, but not retained
)

// refusedTexts tell reasons by what the NATS server logs: it has no other sign of them.
var refusedTexts = []struct{ text, reason string }{
	{"Publish Violation - ", refusedPublish},
	{"Subscription Violation - ", refusedRead},
	{"character not supported for MQTT topics", refusedTopic},
	{"maximum payload exceeded", refusedLarge},
	{"unable to store retained message", refusedRetain},
	{"QoS=2 is disabled", refusedQoS2},
	{"maximum bytes exceeded", refusedFull},
}

// refusals counts what the broker refuses, and keeps its log readable when a client is refused a thousand times a second.
type refusals struct {
	total *prometheus.CounterVec
	now   func() time.Time

	mu   sync.Mutex
	said map[string]*saying // by reason and client
}

// saying is when a reason was last told of a client, and how often it was not since.
type saying struct {
	at   time.Time
	kept int
}

const (
	sayEvery  = 10 * time.Second // at most so often a client's reason stands in the log
	maxSaying = 1000             // bounds the memory that names from outside can take
)

func newRefusals(r prometheus.Registerer) (*refusals, error) {
	f := &refusals{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "karkhana_broker_refused_total", Help: "What the broker refused of clients, before ingest.",
		}, []string{"reason"}),
		now: time.Now, said: map[string]*saying{},
	}
	for _, reason := range []string{refusedSignIn, refusedClientID, refusedPublish, refusedRead, refusedTopic, refusedLarge, refusedFull, refusedShare, refusedConnections, refusedQoS2, refusedRetain} {
		f.total.WithLabelValues(reason) // at zero from the start: else the first refusal is no increase
	}
	if r == nil {
		return f, nil
	}
	if err := r.Register(f.total); err != nil {
		return nil, fmt.Errorf("broker: register metrics: %w", err)
	}
	return f, nil
}

// count counts a refusal.
func (f *refusals) count(reason string) { f.total.WithLabelValues(reason).Inc() }

// say reports whether a refusal is to be logged, and how many of this reason and client were not since the last time.
func (f *refusals) say(reason, client string) (say bool, before int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, key := f.now(), reason+" "+client
	s := f.said[key]
	if s == nil {
		if len(f.said) >= maxSaying {
			clear(f.said)
		}
		f.said[key] = &saying{at: now}
		return true, 0
	}
	if now.Sub(s.at) < sayEvery {
		s.kept++
		return false, 0
	}
	before, s.at, s.kept = s.kept, now, 0
	return true, before
}

// reasonOf is the reason of a text of the server's log; "" when it is about something else.
func reasonOf(text string) string {
	for _, r := range refusedTexts {
		if strings.Contains(text, r.text) {
			return r.reason
		}
	}
	return ""
}

// clientOf is the MQTT client id in a text of the server's log: 127.0.0.1:1234 - mid:5 - "the-id" - what happened.
func clientOf(text string) string {
	_, rest, _ := strings.Cut(text, `"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}
