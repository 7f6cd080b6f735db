package ingest

import (
	"context"
	"sync"
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

// Receipts for all gateways go out one after the other: one that nobody takes must not hold up those behind it.
func TestALostConnectionHoldsNoReceiptUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link, lost := context.WithCancel(t.Context())
		var handing sync.WaitGroup
		c := &mqttConn{deaf{}, link, &handing}
		time.AfterFunc(time.Second, lost)
		began := time.Now()
		_, err := c.hand("topic", 0, false, nil)
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, err, errNotConnected)
		handing.Wait()
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}
