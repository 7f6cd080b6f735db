package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	natsPullMessages  = 512     // asked for in advance by a consumer, beside what the intake holds,
	natsPullBytes     = 5 << 18 // and no more than this of them: packs may be half a megabyte, and a broker's message one
	natsPullExpires   = 30 * time.Second
	natsPullHeartbeat = 5 * time.Second
	natsPullAgain     = time.Second // after the server took a request back
	// natsPullSlack are the places for what a server says beside messages. A request is made when at most half of the messages are
	// still to come, so that two are open at most; each is told as ended once and gives a heartbeat each natsPullHeartbeat.
	natsPullSlack = 2 * (1 + int(natsPullExpires/natsPullHeartbeat))
)

// natsPull asks a durable consumer for messages in advance and keeps its books of them: there is a place for each that may
// come. jetstream.MessagesContext has none for what the server says beside messages, and with a limit of bytes the server
// says "Batch Completed" after each request; while the store was slow, messages were dropped there and came again only when
// the consumer's AckWait was over.
// Its methods are for one goroutine.
type natsPull struct {
	nc      *nats.Conn
	subject string // of requests (NATS ADR-13)

	got     chan *nats.Msg
	sub     *nats.Subscription
	due     int  // messages asked for that have not come
	refused bool // requests were taken back by the server: they are made anew
}

func newNATSPull(nc *nats.Conn, stream, consumer string) (*natsPull, error) {
	p := &natsPull{nc: nc, subject: "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer}
	return p, p.renew()
}

// renew begins with a new inbox. What is still on its way to the old one is given out again when AckWait is over.
func (p *natsPull) renew() error {
	p.stop()
	p.got, p.due, p.refused = make(chan *nats.Msg, natsPullMessages+natsPullSlack), 0, false
	var err error
	if p.sub, err = p.nc.ChanSubscribe(p.nc.NewInbox(), p.got); err != nil {
		return fmt.Errorf("ask for messages: %w", err)
	}
	return nil
}

// stop ends the asking and gives back what was not taken, for another ingest process to take at once.
func (p *natsPull) stop() {
	if p.sub == nil {
		return
	}
	_ = p.sub.Unsubscribe() // fails only where the connection is gone, and the subscription with it
	for {
		select {
		case m := <-p.got:
			if m.Reply != "" {
				_ = p.nc.Publish(m.Reply, natsNak)
			}
		default:
			return
		}
	}
}

// next waits for a message.
func (p *natsPull) next(ctx context.Context) (*nats.Msg, error) {
	for {
		if err := p.ask(); err != nil {
			return nil, err
		}
		m, err := p.receive(ctx)
		if err != nil {
			return nil, err
		}
		switch {
		case m == nil: // no sign of the server, or it took requests back
			if err := p.renew(); err != nil {
				return nil, err
			}
		case len(m.Data) > 0 || m.Header.Get("Status") == "":
			p.due--
			return m, nil
		default:
			if err := p.status(m.Header); err != nil {
				return nil, err
			}
		}
	}
}

// ask makes a request when no more than half of the messages are still to come.
func (p *natsPull) ask() error {
	if p.refused || p.due > natsPullMessages/2 {
		return nil
	}
	request, err := json.Marshal(struct {
		Expires   time.Duration `json:"expires"`
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{natsPullExpires, natsPullMessages - p.due, natsPullBytes, natsPullHeartbeat})
	if err != nil {
		return fmt.Errorf("ask for messages: %w", err)
	}
	if err := p.nc.PublishRequest(p.subject, p.sub.Subject, request); err != nil {
		return fmt.Errorf("ask for messages: %w", err)
	}
	p.due = natsPullMessages
	return nil
}

// receive takes what comes next, nil where nothing came for so long that the requests are to be made anew.
func (p *natsPull) receive(ctx context.Context) (*nats.Msg, error) {
	select {
	case m := <-p.got:
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	default:
	}
	wait := 2 * natsPullHeartbeat
	if p.refused {
		wait = natsPullAgain
	}
	silence := time.NewTimer(wait)
	defer silence.Stop()
	select {
	case m := <-p.got:
		return m, nil
	case <-silence.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// status takes up what the server says of a request: that it waits for messages, that it is over with so many of them not
// sent, that it is to be made anew, or that there is no such consumer any more.
func (p *natsPull) status(h nats.Header) error {
	code, said := h.Get("Status"), h.Get("Description")
	if left, err := strconv.Atoi(h.Get("Nats-Pending-Messages")); err == nil {
		p.due = max(p.due-left, 0)
		return nil
	}
	switch {
	case code == "100":
	case code == "400", said == "Consumer Deleted":
		return fmt.Errorf("the broker gives no messages: %s %s", code, said)
	default: // another server leads the consumer now, or none does just now
		p.refused = true
	}
	return nil
}
