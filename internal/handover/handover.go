// Package handover gives messages to MQTT clients. When a connection breaks at that very moment, nobody takes the message
// and paho's Publish waits for its write time-out, ten seconds as we set it; who hands the message over goes on at once.
package handover

import (
	"context"
	"fmt"
	"sync"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Hands give messages to clients. The zero value is ready; it may be used from many goroutines.
type Hands struct{ busy sync.WaitGroup }

// Publish is that of the client, unless link, which ends with the client's connection, ends before the client has taken the
// message: then the error is link's cause, and the message is not sent.
func (h *Hands) Publish(link context.Context, c mqtt.Client, topic string, qos byte, retain bool, payload []byte) (mqtt.Token, error) {
	taken := make(chan mqtt.Token, 1)
	h.busy.Go(func() { taken <- c.Publish(topic, qos, retain, payload) })
	select {
	case token := <-taken:
		return token, nil
	case <-link.Done():
		return nil, fmt.Errorf("publish to %s: the connection is lost: %w", topic, context.Cause(link))
	}
}

// Wait waits until clients have given up what they could not take.
func (h *Hands) Wait() { h.busy.Wait() }
