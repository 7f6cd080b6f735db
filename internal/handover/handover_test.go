package handover

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"
)

// slow is a client that takes a message after a while; when its connection is lost that is its write time-out.
type slow struct {
	mqtt.Client
	takes time.Duration
}

func (s slow) Publish(string, byte, bool, any) mqtt.Token {
	time.Sleep(s.takes)
	return &mqtt.DummyToken{}
}

func TestALostConnectionHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link, lose := context.WithCancelCause(t.Context())
		torn := errors.New("torn")
		time.AfterFunc(time.Second, func() { lose(torn) })
		var h Hands
		began := time.Now()
		token, err := h.Publish(link, slow{takes: 100 * time.Millisecond}, "topic", 1, false, nil)
		require.NoError(t, err)
		require.NotNil(t, token)
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		_, err = h.Publish(link, slow{takes: 10 * time.Second}, "topic", 1, false, nil)
		require.ErrorIs(t, err, torn)
		require.Equal(t, time.Second, time.Since(began))
		h.Wait()
		require.Equal(t, 10*time.Second+100*time.Millisecond, time.Since(began))
	})
}
