package enrol

import (
	"context"
	"errors"
	"fmt"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"karkhana/internal/wire"
)

// brokerLimit is how long the broker may take.
const brokerLimit = 10 * time.Second

// tryBroker signs in at the broker with the new key and asks for the gateway's receipts, as the gateway will.
func tryBroker(ctx context.Context, broker, site, gateway, key string) error {
	ctx, cancel := context.WithTimeout(ctx, brokerLimit)
	defer cancel()
	o := mqtt.NewClientOptions().AddBroker(broker)
	o.SetUsername(wire.Username(site, gateway)).SetPassword(key).SetProtocolVersion(4)
	o.SetClientID(site + "_" + gateway + "_enrol") // not the gateway's own, which may be connected
	o.SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(brokerLimit)
	client := mqtt.NewClient(o)
	defer client.Disconnect(100)
	if err := wait(ctx, client.Connect()); err != nil {
		if errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) || errors.Is(err, packets.ErrorRefusedNotAuthorised) {
			return fmt.Errorf("it refuses this gateway's key (%w): is it the broker of the server that the code is from?", err)
		}
		return explain(err)
	}
	topic := wire.ReceiptTopic(site, gateway)
	token := client.Subscribe(topic, 0, nil)
	if err := wait(ctx, token); err != nil {
		return explain(err)
	}
	if st, ok := token.(*mqtt.SubscribeToken); ok && st.Result()[topic] > 2 { // MQTT 3.1.1 §3.9.3
		return fmt.Errorf("it does not let this gateway read its receipts (%s)", topic)
	}
	return nil
}

func wait(ctx context.Context, t mqtt.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}
