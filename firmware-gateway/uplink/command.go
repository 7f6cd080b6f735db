package uplink

import (
	"context"
	"fmt"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"karkhana/internal/wire"
)

// subscribeCommands subscribes to the command topic. A broker that does not allow it costs the commands, not the samples.
//
// QoS 0: the broker need not keep commands for a gateway, because the server sends a command until its status answers it.
func (s *session) subscribeCommands(ctx context.Context) error {
	if s.o.Command == nil {
		return nil
	}
	topic := wire.CommandTopic(s.o.Site, s.o.Gateway)
	token := s.client.Subscribe(topic, 0, func(_ mqtt.Client, m mqtt.Message) { s.o.Command(m.Payload()) })
	if err := wait(ctx, token); err != nil {
		s.client.Disconnect(0)
		return fmt.Errorf("subscribe to commands: %w", err)
	}
	if st, ok := token.(*mqtt.SubscribeToken); ok && st.Result()[topic] > 2 { // MQTT 3.1.1 §3.9.3
		s.o.Logger.Warn("the broker does not let this gateway read its commands: samples are sent all the same", "topic", topic)
	}
	return nil
}

// SayStatus lets the status be said now and not at its next time. It does not wait.
func (u *Uplink) SayStatus() {
	select {
	case u.say <- struct{}{}:
	default:
	}
}

// sendAgain asks for packs to be sent again.
type sendAgain struct {
	fromMs, toMs int64
	answer       chan int
}

// SendAgain sends every pack again at once that was sent, has no receipt and whose newest sample lies from fromMs to
// toMs (0: open end), without the wait that has grown between sendings. It returns how many they are. Without a
// connection it waits for one until ctx ends.
func (u *Uplink) SendAgain(ctx context.Context, fromMs, toMs int64) (int, error) {
	r := sendAgain{fromMs, toMs, make(chan int, 1)}
	select {
	case u.again <- r:
		return <-r.answer, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("there is no connection to the broker: %w", ctx.Err())
	}
}

func (s *session) sendAgain(r sendAgain) (n int) {
	for _, p := range s.flight.packs {
		if at := p.ref.TimeMs; at >= r.fromMs && (r.toMs == 0 || at <= r.toMs) {
			p.at, p.token, p.tries = time.Time{}, nil, 0
			n++
		}
	}
	s.due = s.flight.due(time.Now())
	return n
}
