package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"karkhana/internal/wire"
)

// Reasons of quarantine that ingest finds, beside those of wire.DecodeError.
const (
	ReasonBadTopic       = "bad-topic"       // no topic of the contract
	ReasonForeignTopic   = "foreign-topic"   // the pack names another site or machine than its topic
	ReasonUnknownMachine = "unknown-machine" // not in the registry; stored once it is
	ReasonStoreRefused   = "store-refused"   // the store says that it can never keep a point of it
)

// Reasons are all codes by which a pack may be refused.
func Reasons() []string {
	return append(wire.Reasons(), ReasonBadTopic, ReasonForeignTopic, ReasonUnknownMachine, ReasonStoreRefused)
}

// refusal is why a pack goes to quarantine.
type refusal struct{ reason, detail string }

// checker decides whether a message is a pack that can be stored.
type checker struct {
	machines  *machines
	minTimeMs int64
	now       func() time.Time
}

// check reads the payload. The pack is never nil, but complete only when there is no refusal; it may then still hold
// the identity for the receipt. It is valid until d is used again. The error means that the registry could not be asked.
func (c *checker) check(ctx context.Context, d *wire.Decoder, topic wire.Topic, payload []byte) (*wire.Pack, *refusal, error) {
	p, err := d.Decode(payload)
	if err != nil {
		var bad *wire.DecodeError
		if errors.As(err, &bad) {
			return p, &refusal{bad.Reason, bad.Detail}, nil
		}
		return p, &refusal{wire.ReasonNotSenML, err.Error()}, nil
	}
	if p.Site != topic.Site || p.Machine != topic.Machine {
		return p, &refusal{ReasonForeignTopic, fmt.Sprintf("the pack is of %s/%s but came on the topic of %s/%s: let bn be %s/%s/",
			p.Site, p.Machine, topic.Site, topic.Machine, topic.Site, topic.Machine)}, nil
	}
	if r := c.times(p); r != nil {
		return p, r, nil
	}
	known, err := c.machines.known(ctx, p.Site, p.Machine)
	if err != nil {
		return p, nil, err
	}
	if !known {
		return p, &refusal{ReasonUnknownMachine, fmt.Sprintf("machine %s is not registered at site %s: its packs are stored as soon as it is", p.Machine, p.Site)}, nil
	}
	return p, nil, nil
}

func (c *checker) times(p *wire.Pack) *refusal {
	latest := c.now().Add(wire.MaxFuture).UnixMilli()
	for i := range p.Samples {
		t := p.Samples[i].TimeMs
		switch {
		case t < c.minTimeMs:
			return &refusal{wire.ReasonAbsurdTime, fmt.Sprintf("%s at %s is too old to be true: the gateway's clock was wrong", p.Samples[i].Quantity, rfc3339(t))}
		case t > latest:
			return &refusal{wire.ReasonAbsurdTime, fmt.Sprintf("%s at %s lies in the future: the gateway's clock or the server's is wrong", p.Samples[i].Quantity, rfc3339(t))}
		}
	}
	return nil
}

func rfc3339(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
