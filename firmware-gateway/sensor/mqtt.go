package sensor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"karkhana/hardware/meter"
	"karkhana/hardware/mqttmeter"
	"karkhana/internal/quantity"
)

// mqttBroker is one connection to a broker with the meters behind it.
type mqttBroker struct {
	url, user, password string
	seats               []*mqttSeat
}

// mqttSeat is one meter behind a broker.
type mqttSeat struct {
	seat
	joint   *mqttmeter.Joint
	watch   meter.Watch
	filters []string

	mu    sync.Mutex
	heard time.Time
}

func (s *Set) addBrokers() error {
	for _, m := range s.items {
		if m.MQTTMeter == "" {
			continue
		}
		joint, err := mqttmeter.NewJoint(m.Channels...)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(s.brokers, func(b *mqttBroker) bool { return b.url == m.Broker && b.user == m.User })
		if i < 0 {
			s.brokers = append(s.brokers, &mqttBroker{url: m.Broker, user: m.User, password: m.Password})
			i = len(s.brokers) - 1
		}
		b := s.brokers[i]
		b.seats = append(b.seats, &mqttSeat{seat: seat{item: m}, joint: joint, filters: mqttmeter.Topics(m.MQTTMeter, m.Device)})
	}
	return nil
}

// runBroker listens until ctx ends. A broker that is away is tried again; until it is back its meters fall silent.
func (s *Set) runBroker(ctx context.Context, b *mqttBroker) {
	filters := map[string]byte{}
	for _, m := range b.seats {
		m.heard = time.Now()
		for _, f := range m.filters {
			filters[f] = 0
		}
	}
	o := mqtt.NewClientOptions().AddBroker(strings.Replace(b.url, "mqtt://", "tcp://", 1)).
		SetClientID(fmt.Sprintf("karkhana-meters-%08x", rand.Uint32())).SetUsername(b.user).SetPassword(b.password).
		SetConnectRetry(true).SetConnectRetryInterval(5 * time.Second).SetMaxReconnectInterval(30 * time.Second).
		SetOrderMatters(true)
	log := s.log.With("broker", b.url)
	o.SetDefaultPublishHandler(func(_ mqtt.Client, msg mqtt.Message) { s.message(b, msg) })
	o.SetOnConnectHandler(func(c mqtt.Client) {
		log.Info("broker of meters reached")
		token := c.SubscribeMultiple(filters, nil)
		go func() { // the handler must not wait for its own client
			if token.WaitTimeout(time.Minute) && token.Error() != nil {
				log.Error("broker of meters refuses the subscription: look at the user's rights", "err", token.Error())
			}
		}()
	})
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { log.Warn("broker of meters lost", "err", err) })
	client := mqtt.NewClient(o)
	client.Connect()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			client.Disconnect(250)
			return
		case <-tick.C:
			for _, m := range b.seats {
				s.silence(m, client.IsConnectionOpen())
			}
		}
	}
}

// message gives a message to the meters that it is of.
func (s *Set) message(b *mqttBroker, msg mqtt.Message) {
	if msg.Retained() {
		return // said before we listened, nobody knows when
	}
	for _, m := range b.seats {
		if !slices.ContainsFunc(m.filters, func(f string) bool { return matches(f, msg.Topic()) }) {
			continue
		}
		r, err := mqttmeter.Parse(m.MQTTMeter, msg.Topic(), msg.Payload())
		if errors.Is(err, mqttmeter.ErrOther) {
			continue
		}
		now := s.now().UnixMilli()
		m.mu.Lock()
		m.heard = time.Now()
		m.mu.Unlock()
		if err != nil {
			m.note(&causedError{err, CauseRefused})
			m.inbox.put(now, true, faults(m.basic(), CauseRefused))
			continue
		}
		values, findings := m.joint.Take(now, r)
		if len(values) == 0 && len(findings) == 0 {
			continue
		}
		findings = append(findings, m.watch.Check(now, values)...)
		m.note(nil)
		// A device may send each value in a message of its own: all are kept.
		m.inbox.put(now, true, m.samples(values, findings))
	}
}

// silence tells when nothing was heard of a meter for long, and again each such time.
func (s *Set) silence(m *mqttSeat, connected bool) {
	m.mu.Lock()
	since := time.Since(m.heard)
	silent := since >= m.SilentAfter.Std()
	if silent {
		m.heard = time.Now()
	}
	m.mu.Unlock()
	if !silent {
		return
	}
	err := fmt.Errorf("%w %s for %v: is it on, and does it send to this broker?", errSilent, m.Device, m.SilentAfter)
	if !connected {
		err = fmt.Errorf("%w %s for %v: the broker %s can't be reached", errSilent, m.Device, m.SilentAfter, m.Broker)
	}
	m.note(&causedError{err, CauseSilent})
	m.inbox.put(s.now().UnixMilli(), true, faults(m.basic(), CauseSilent))
}

var errSilent = errors.New("no message from")

// basic are the quantities that a fault is told of: what every device gives.
func (m *mqttSeat) basic() []string {
	return slices.DeleteFunc([]string{quantity.Power, quantity.Energy}, func(q string) bool { return !slices.Contains(m.Quantities, q) })
}

// matches tells whether a topic fits a filter with single-level wildcards.
func matches(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if len(f) != len(t) {
		return false
	}
	for i := range f {
		if f[i] != "+" && f[i] != t[i] {
			return false
		}
	}
	return true
}
