package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"karkhana/firmware-gateway/spool"
	"karkhana/internal/wire"
)

// ackLimit is how long the broker may take to acknowledge what was sent before the connection counts as dead.
const ackLimit = 30 * time.Second

// farewell is how long the last status may take to leave.
const farewell = 2 * time.Second

// session is one connection from dialling to its loss. All its state belongs to the goroutine of Run.
type session struct {
	*Uplink
	client   mqtt.Client
	receipts chan []byte
	link     context.Context // ends with the connection, its cause says why
	lost     context.CancelCauseFunc
	done     chan struct{}
	due      []spool.Ref // to be sent again
	next     time.Time   // when the history lane may send again
	answered bool        // a receipt came
	allowed  int         // packs that may be on their way on this connection
}

// slowStart is how many packs a new connection may have on their way, and one that waited for a receipt in vain. Each
// receipt allows as many more as it names, up to the windows: so a thousand gateways that come back together, or wait for
// a store that is down, don't fill the broker with packs sent again.
const slowStart = 16

// session connects and works until the connection is lost or ctx ends. worked tells that the connection was good for
// something: a broker that is full lets everybody in and closes the connection with the first pack, and when a thousand
// gateways come again at once each time it does nothing else.
func (u *Uplink) session(ctx context.Context) (worked bool, err error) {
	s := &session{Uplink: u, allowed: slowStart, receipts: make(chan []byte, 64), done: make(chan struct{})}
	defer close(s.done)
	s.link, s.lost = context.WithCancelCause(context.WithoutCancel(ctx)) // a farewell goes out after ctx has ended
	defer s.lost(nil)
	if err := s.connect(ctx); err != nil {
		return false, err
	}
	defer s.leave()
	u.count(func(st *Stats) {
		st.Connected, st.Since, st.Failure, st.Trouble = true, time.Now(), "", ""
		st.Connections++
	})
	defer u.count(func(st *Stats) { st.Connected, st.Since = false, time.Now() })
	u.o.Logger.Info("connected to the broker", "broker", u.o.URL)
	u.flight.restart()
	began := time.Now()
	err = s.work(ctx)
	return s.answered || time.Since(began) > s.o.RetryMax, err
}

func (s *session) options() *mqtt.ClientOptions {
	o := mqtt.NewClientOptions()
	o.AddBroker(s.o.URL)
	o.SetUsername(wire.Username(s.o.Site, s.o.Gateway)).SetPassword(s.o.Key)
	// One id per gateway: a new connection ends a dead one. NATS takes no dot in it; no id of ours has an underscore.
	o.SetClientID(s.o.Site + "_" + s.o.Gateway).SetProtocolVersion(4)
	// A session of the broker holds nothing that we need: what it lost is sent again. So each connection is new.
	o.SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false)
	o.SetConnectTimeout(10 * time.Second).SetWriteTimeout(10 * time.Second)
	o.SetKeepAlive(20 * time.Second).SetPingTimeout(10 * time.Second)
	o.SetOrderMatters(false)
	will, err := (&wire.Status{}).Encode()
	if err == nil {
		o.SetBinaryWill(wire.StatusTopic(s.o.Site, s.o.Gateway), will, 1, true)
	}
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.lost(err) })
	return o
}

func (s *session) connect(ctx context.Context) error {
	s.client = mqtt.NewClient(s.options())
	if err := wait(ctx, s.client.Connect()); err != nil {
		s.client.Disconnect(0)
		return fmt.Errorf("connect: %w", err)
	}
	topic := wire.ReceiptTopic(s.o.Site, s.o.Gateway)
	// QoS 0: a lost receipt costs a repeated pack, and with QoS 1 the NATS server keeps a consumer for each gateway.
	token := s.client.Subscribe(topic, 0, func(_ mqtt.Client, m mqtt.Message) {
		select {
		case s.receipts <- m.Payload():
		case <-s.done:
		}
	})
	err := wait(ctx, token)
	if st, ok := token.(*mqtt.SubscribeToken); err == nil && ok && st.Result()[topic] > 2 { // MQTT 3.1.1 §3.9.3
		err = fmt.Errorf("the broker does not let this gateway read %s", topic)
	}
	if err != nil {
		s.leave()
		return fmt.Errorf("subscribe to receipts: %w", err)
	}
	return s.subscribeCommands(ctx)
}

// leave says that the gateway is offline, then closes the connection. It ends every connection, however short and
// whatever ended it: a proper goodbye takes the Will back, and a new connection takes that of the one before back with
// some brokers (NATS), so without it a gateway that is gone may stand as online for ever.
func (s *session) leave() {
	s.sayStatus(false).WaitTimeout(farewell) // at once when the connection is lost: then the broker says it
	s.client.Disconnect(100)
}

// wait waits for a token, or until ctx ends or ackLimit has passed.
func wait(ctx context.Context, token mqtt.Token) error {
	t := time.NewTimer(ackLimit)
	defer t.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return fmt.Errorf("no answer within %v", ackLimit)
	}
}

func (s *session) work(ctx context.Context) error {
	status := time.NewTicker(s.o.StatusEvery)
	defer status.Stop()
	second := time.NewTicker(min(time.Second, s.o.Resend))
	defer second.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	s.due = s.flight.due(time.Now())
	s.sayStatus(true)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.link.Done():
			return fmt.Errorf("connection lost: %w", context.Cause(s.link))
		case payload := <-s.receipts:
			s.receipt(payload)
			s.drainReceipts()
		case r := <-s.again:
			r.answer <- s.sendAgain(r)
		case <-s.say:
			s.sayStatus(true)
		case <-status.C:
			s.sayStatus(true)
		case <-second.C:
			now := time.Now()
			if s.flight.stuck(now, ackLimit) {
				return fmt.Errorf("the broker has acknowledged nothing for %v", ackLimit)
			}
			if len(s.due) == 0 {
				if s.due = s.flight.due(now); s.flight.lost(s.due) {
					s.allowed = slowStart
				}
			}
		case <-s.wake:
		case <-pause.C:
		}
		next, err := s.send()
		if err != nil {
			return err
		}
		if next > 0 {
			pause.Reset(next)
		}
	}
}

// drainReceipts takes what waits before anything more is sent: each waiting receipt holds a goroutine.
func (s *session) drainReceipts() {
	for {
		select {
		case payload := <-s.receipts:
			s.receipt(payload)
		default:
			return
		}
	}
}

// sayStatus publishes the retained status.
func (s *session) sayStatus(online bool) mqtt.Token {
	st := s.o.Status()
	st.Online = online
	payload, err := st.Encode()
	if err != nil {
		s.o.Logger.Error("status can't be sent", "err", err)
		return &mqtt.DummyToken{}
	}
	return s.hand(wire.StatusTopic(s.o.Site, s.o.Gateway), true, payload)
}

// hand gives a message to the client; the token of one that it had no connection for any more says so.
func (s *session) hand(topic string, retain bool, payload []byte) mqtt.Token {
	token, err := s.hands.Publish(s.link, s.client, topic, 1, retain, payload)
	if err != nil {
		return untaken{s.link}
	}
	return token
}

// untaken is the token of a message that the client had no connection for any more.
type untaken struct{ link context.Context }

func (untaken) Wait() bool                     { return true }
func (untaken) WaitTimeout(time.Duration) bool { return true }
func (u untaken) Error() error                 { return context.Cause(u.link) }
func (u untaken) Done() <-chan struct{}        { return u.link.Done() }

// atOnce is how many packs are sent before receipts are looked at again.
const atOnce = 32

// send sends what may be sent now: fresh packs, then those due again, then the backlog. It returns after how long it
// wants to be called again, 0 when something else must happen first.
func (s *session) send() (time.Duration, error) {
	for range atOnce {
		if s.flight.out >= s.allowed {
			return 0, nil // until a receipt comes
		}
		ok, err := s.sendFresh()
		if err != nil {
			return 0, err
		}
		if !ok {
			if wait := s.historyWait(); wait > 0 {
				return wait, nil
			}
			if ok, err = s.sendDue(); err == nil && !ok {
				ok, err = s.sendBacklog()
			}
		}
		if err != nil || !ok {
			return 0, err
		}
	}
	return time.Nanosecond, nil
}

func (s *session) sendFresh() (bool, error) {
	for s.flight.live < s.o.Window {
		ref, ok := s.nextFresh()
		if !ok {
			return false, nil
		}
		if s.flight.has(ref.Seq) {
			continue
		}
		r, err := s.o.Queue.Read(ref)
		if err != nil { // gone, or the disk fails: the cursor comes by
			continue
		}
		return true, s.publish(r)
	}
	return false, nil
}

// sendDue sends one pack again.
func (s *session) sendDue() (bool, error) {
	for len(s.due) > 0 {
		ref := s.due[0]
		s.due = s.due[1:]
		if !s.flight.has(ref.Seq) {
			continue
		}
		r, err := s.o.Queue.Read(ref)
		if errors.Is(err, spool.ErrGone) {
			s.flight.land(ref.Seq)
			continue
		}
		if err != nil {
			s.o.Logger.Error("pack can't be read now, trying again later", "seq", ref.Seq, "err", err)
			continue
		}
		s.count(func(st *Stats) { st.Resent++ })
		return true, s.publish(r)
	}
	return false, nil
}

// sendBacklog sends the next pack that the cursor finds.
func (s *session) sendBacklog() (bool, error) {
	for s.flight.history < s.o.Window && s.flight.live < 2*s.o.Window {
		r, err := s.cursor.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			s.o.Logger.Error("spool can't be read now, trying again later", "err", err)
			return false, nil
		}
		if s.flight.has(r.Seq) {
			continue
		}
		return true, s.publish(r)
	}
	return false, nil
}

// historyWait is how long the history lane must still wait for its rate.
func (s *session) historyWait() time.Duration {
	if s.o.HistoryPerS == 0 {
		return 0
	}
	return time.Until(s.next)
}

// publish sends a pack on the lane of its age.
func (s *session) publish(r spool.Record) error {
	now, lane := time.Now(), wire.LaneHistory
	if s.isLive(r.TimeMs) {
		lane = wire.LaneLive
	} else if s.o.HistoryPerS > 0 {
		// Late by up to 50 ms is made up for: timers are not finer than that on a busy computer.
		earliest := now.Add(-50 * time.Millisecond)
		if s.next.Before(earliest) {
			s.next = earliest
		}
		s.next = s.next.Add(time.Second / time.Duration(s.o.HistoryPerS))
	}
	token := s.hand(wire.PackTopic(s.o.Site, s.o.Gateway, r.Key, lane), false, r.Payload)
	s.flight.launch(r.Ref(), lane, now, token)
	s.count(func(st *Stats) {
		if lane == wire.LaneLive {
			st.SentLive++
		} else {
			st.SentHistory++
		}
	})
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return fmt.Errorf("send pack %d: %w", r.Seq, err)
		}
	default:
	}
	return nil
}
