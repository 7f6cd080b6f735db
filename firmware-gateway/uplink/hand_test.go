package uplink

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"
)

// deaf is a client whose connection takes nothing: Publish waits out its write time-out.
type deaf struct{ mqtt.Client }

func (deaf) Publish(string, byte, bool, any) mqtt.Token {
	time.Sleep(10 * time.Second)
	return &mqtt.DummyToken{}
}

func TestALostConnectionHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &session{Uplink: &Uplink{}, client: deaf{}}
		s.link, s.lost = context.WithCancelCause(t.Context())
		torn := errors.New("torn")
		time.AfterFunc(time.Second, func() { s.lost(torn) })
		began := time.Now()
		token := s.hand("topic", false, nil)
		require.Equal(t, time.Second, time.Since(began))
		require.True(t, token.WaitTimeout(time.Hour))
		require.ErrorIs(t, token.Error(), torn)
		s.handing.Wait()
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}
