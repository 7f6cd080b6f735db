package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"karkhana/internal/wire"
)

// The NATS server keeps messages and sessions of MQTT clients in these streams and makes them, in files and without a
// bound, when the first client connects. See server/mqtt.go, mqttStreamName and mqttSessStreamName.
const (
	messagesStream   = "$MQTT_msgs"
	messagesPrefix   = "$MQTT.msgs."
	messagesSubjects = messagesPrefix + ">"
	sessionsStream   = "$MQTT_sess"
	retainedStream   = "$MQTT_rmsgs"
	retainedSubjects = "$MQTT.rmsgs.>"
)

// prepareStreams makes the stream of messages in memory with a bound, before any client connects, and forgets the
// sessions of the last run: what they were to get is gone, and a session that remembers a consumer which is not there
// would get nothing more.
// The connection is ours to look at the stream; it is to be closed.
func prepareStreams(ctx context.Context, s *server.Server, secret string, o Options) (nc *nats.Conn, stream jetstream.Stream, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("prepare the streams of messages and sessions: %w", err)
			nc.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	nc, err = nats.Connect("", nats.InProcessServer(s), nats.UserInfo(internalUser, secret), nats.NoReconnect(), nats.Timeout(10*time.Second))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to our own server: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nc, nil, err
	}
	for _, name := range []string{messagesStream, sessionsStream} { // an earlier version kept the messages in files
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return nc, nil, err
		}
	}
	stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name:      messagesStream,
		Subjects:  []string{messagesSubjects},
		Storage:   jetstream.MemoryStorage,
		Retention: jetstream.InterestPolicy,
		Replicas:  1,
		MaxBytes:  o.MaxMemory,
		Discard:   jetstream.DiscardNew,
	})
	if err == nil {
		err = boundRetained(ctx, js)
	}
	if err == nil && o.Prepare != nil {
		err = o.Prepare(ctx, js)
	}
	return nc, stream, err
}

// boundRetained makes the stream of retained messages as the server would, with bounds: a status fits.
func boundRetained(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:              retainedStream,
		Subjects:          []string{retainedSubjects},
		Storage:           jetstream.FileStorage,
		Retention:         jetstream.LimitsPolicy,
		Replicas:          1,
		MaxMsgsPerSubject: 1,
		MaxMsgSize:        wire.MaxStatusBytes + 1024, // and its header
		MaxBytes:          maxRetained,
		Discard:           jetstream.DiscardNew,
	})
	return err
}

// internalUser is us, connecting to our own server. No MQTT client knows the password: it is made at each start.
const internalUser = "karkhana-internal"

func newSecret() string { return rand.Text() }
