package broker

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The NATS server keeps the messages of all MQTT sessions in this stream and makes it without a bound when the first
// client connects. See server/mqtt.go, mqttStreamName.
const (
	messagesStream   = "$MQTT_msgs"
	messagesSubjects = "$MQTT.msgs.>"
)

// boundMessages makes the stream of messages with a bound, before any client connects. The rest of the store stays
// free for sessions and retained messages: were it full too, ingest could not even connect to empty it.
func boundMessages(ctx context.Context, s *server.Server, user, password string, maxBytes int64) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(user, password), nats.NoReconnect(), nats.Timeout(10*time.Second))
	if err != nil {
		return fmt.Errorf("connect to our own server: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("bound the stored messages: %w", err)
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:      messagesStream,
		Subjects:  []string{messagesSubjects},
		Storage:   jetstream.FileStorage,
		Retention: jetstream.InterestPolicy,
		Replicas:  1,
		MaxBytes:  maxBytes,
		Discard:   jetstream.DiscardNew,
	})
	if err != nil {
		return fmt.Errorf("bound the stored messages: %w", err)
	}
	return nil
}

// internalUser is us, connecting to our own server. No MQTT client knows the password: it is made at each start.
const internalUser = "karkhana-internal"

func newSecret() string { return rand.Text() }
