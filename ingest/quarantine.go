package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"karkhana/internal/registry"
	"karkhana/internal/repeat"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// maxTopicBytes is how much of a topic that is none of the contract is kept.
const maxTopicBytes = 512

// keptOfTooLong is how much is kept of a message that is longer than a pack can be: enough to see what it was. It can't
// be tried again.
const keptOfTooLong = 4 << 10

// quarantined is a message that cannot be stored as it is kept, with its reason.
func (in *Ingest) quarantined(it *item) registry.Quarantined {
	payload, rawTopic := it.delivery.payload, it.delivery.topic
	q := registry.Quarantined{
		ReceivedMs: in.opts.Now().UnixMilli(), Topic: rawTopic[:min(len(rawTopic), maxTopicBytes)],
		Site: it.topic.Site, Gateway: it.topic.Gateway, Machine: it.topic.Machine,
		Reason: it.refusal.reason, Detail: it.refusal.detail, Payload: payload,
	}
	if len(payload) > wire.MaxPackBytes {
		sum := sha256.Sum256(payload)
		q.Payload, q.Length, q.SHA256 = bytes.Clone(payload[:keptOfTooLong]), int64(len(payload)), hex.EncodeToString(sum[:])
	}
	return q
}

// refuse puts messages into quarantine, together, and acknowledges them. When ctx ends before, the broker sends them again.
func (in *Ingest) refuse(ctx context.Context, refused []*item) {
	if len(refused) == 0 {
		return
	}
	packs := make([]registry.Quarantined, len(refused))
	for i, it := range refused {
		packs[i] = in.quarantined(it)
	}
	if in.untilDone(ctx, "put packs into quarantine", func() error { return in.opts.Registry.Quarantine(ctx, packs...) }) != nil {
		return
	}
	for _, it := range refused {
		in.metrics.refused.WithLabelValues(it.refusal.reason).Inc()
		in.receipts.refused(it)
		it.acknowledge()
	}
}

// replayLoop stores from quarantine the packs of machines that have been registered since.
func (in *Ingest) replayLoop(ctx context.Context) {
	repeat.Every(ctx, in.opts.ReplayEvery, func(ctx context.Context) {
		err := errors.Join(in.replay(ctx), in.replayAsked(ctx), in.fill.update(ctx, in.opts.Registry, in.opts.Now()))
		if err != nil && ctx.Err() == nil {
			in.opts.Logger.Warn("quarantine could not be looked through: it is tried again", "err", err)
		}
	})
}

// replay stores the quarantined packs of machines that are registered now. The registry is asked once: to ask for each
// machine took a third of ingest's CPU with 20,000 of them.
func (in *Ingest) replay(ctx context.Context) error {
	machines, err := in.opts.Registry.RegisteredInQuarantine(ctx, ReasonUnknownMachine)
	if err != nil {
		return fmt.Errorf("look through the quarantine: %w", err)
	}
	for _, m := range machines {
		if err := in.replayMachine(ctx, m.Site, m.Machine); err != nil {
			return err
		}
	}
	return nil
}

// replayAtOnce bounds the memory of a replay: packs of at most wire.MaxPackBytes.
const replayAtOnce = 16

func (in *Ingest) replayMachine(ctx context.Context, site, machine string) error {
	for stored := 0; ; {
		packs, err := in.opts.Registry.QuarantinedFor(ctx, site, machine, ReasonUnknownMachine, replayAtOnce)
		if err != nil {
			return fmt.Errorf("quarantine of %s/%s: %w", site, machine, err)
		}
		if len(packs) == 0 {
			if stored > 0 {
				in.opts.Logger.Info("stored packs from quarantine: their machine is registered now", "site", site, "machine", machine, "packs", stored)
			}
			return nil
		}
		for _, q := range packs {
			if err := in.release(ctx, q); err != nil {
				return fmt.Errorf("store pack %d from quarantine: %w", q.ID, err)
			}
		}
		stored += len(packs)
	}
}

// release stores one pack of a machine that is registered now. If something else is wrong with it, it goes back under
// that reason.
func (in *Ingest) release(ctx context.Context, q registry.Quarantined) error {
	topic := wire.Topic{Site: q.Site, Gateway: q.Gateway, Machine: q.Machine}
	p, r, err := in.checker.check(ctx, &wire.Decoder{}, topic, q.Payload)
	if err != nil {
		return err
	}
	if r != nil && r.reason == ReasonUnknownMachine {
		r = nil // the cache has not heard of the registration yet
	}
	if r == nil {
		if r, err = in.storeReleased(ctx, topic, p); err != nil {
			return err
		}
	}
	if r != nil {
		return in.opts.Registry.Replayed(ctx, registry.QuarantineReplay{
			ID: q.ID, AtMs: in.opts.Now().UnixMilli(), Outcome: registry.ReplayRefused, Reason: r.reason, Detail: r.detail,
		})
	}
	in.metrics.released.Inc()
	return in.opts.Registry.DeleteQuarantined(ctx, q.ID)
}

func (in *Ingest) storeReleased(ctx context.Context, topic wire.Topic, p *wire.Pack) (*refusal, error) {
	var builder lineBuilder
	var lines tsdb.Lines
	values := builder.append(&lines, p)
	if values == 0 {
		return nil, nil
	}
	refused, err := in.write(ctx, &lines)
	if err != nil {
		return nil, err
	}
	it := item{topic: topic, touched: stretch(p), boot: p.Boot, values: values}
	if err := in.noteBoots(ctx, []item{it}); err != nil {
		return nil, err
	}
	if err := in.touch(ctx, []registry.Touched{it.touched}); err != nil {
		return nil, err
	}
	for _, reason := range refused {
		return &refusal{ReasonStoreRefused, reason}, nil
	}
	return nil, nil
}
