package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"karkhana/firmware-gateway/durable"
	"karkhana/firmware-gateway/feedback"
	"karkhana/internal/wire"
)

// cards is the list of cards and how taps were answered by it.
type cards struct {
	mu      sync.RWMutex
	list    *wire.AllowList // nil: none
	key     string          // fingerprint of the key that it was checked with
	problem string

	count sync.Mutex
	taps  map[feedback.Answer]uint64
}

// KeyChanged looks whether the server's key is another one than before, and reads the list that is kept with it anew.
func (r *Remote) KeyChanged() {
	key, fingerprint := r.o.Key(), ""
	if key != nil {
		fingerprint = wire.KeyFingerprint(key)
	}
	c := &r.cards
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list != nil && c.key == fingerprint {
		return
	}
	c.list, c.key, c.problem = nil, fingerprint, ""
	if key == nil {
		c.problem = errNoKey.Error()
		return
	}
	b, err := readFile(r.path(listFile), wire.MaxCommandBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		var cmd wire.Command
		if cmd, err = wire.OpenCommand(b, r.o.Site, r.o.Gateway, key); err == nil {
			c.list, err = listOf(cmd)
		}
	}
	if err == nil {
		return
	}
	c.list = nil
	c.problem = fmt.Sprintf("the list that was kept is not right and was moved aside: %v", err)
	r.o.Logger.Error("the list of cards that was kept is not right: taps are recorded without it until the server sends one", "file", r.path(listFile)+aside, "err", err)
	r.moveAside(listFile)
}

// listOf reads the list in a command.
func listOf(c wire.Command) (*wire.AllowList, error) {
	if c.Kind != wire.CommandAllowList {
		return nil, fmt.Errorf("it is a %s, no list of cards", c.Kind)
	}
	list, err := wire.DecodeAllowList(c.Body)
	if err != nil {
		return nil, err
	}
	if list.Version != c.ID {
		return nil, fmt.Errorf("list of cards: version %d came as %d", list.Version, c.ID)
	}
	return list, nil
}

// takeList takes a list that is newer than the one that is there.
func (r *Remote) takeList(c wire.Command, payload []byte) {
	fail := func(err error) {
		r.o.Logger.Error("a list of cards is not taken", "version", c.ID, "err", err)
		r.cards.mu.Lock()
		defer r.cards.mu.Unlock()
		r.cards.problem = fmt.Sprintf("version %d is not taken: %v", c.ID, err)
	}
	r.mu.Lock()
	seen := r.state.List
	r.mu.Unlock()
	r.cards.mu.RLock()
	held := r.cards.list != nil
	r.cards.mu.RUnlock()
	if c.ID < seen || held && c.ID == seen {
		r.o.Logger.Debug("a list of cards that was seen before came again", "version", c.ID)
		return
	}
	list, err := listOf(c)
	if err != nil {
		fail(err)
		return
	}
	// The list first: when the power goes in between, its version is seen again and taken again.
	if err := durable.Replace(r.path(listFile), payload); err != nil {
		fail(err)
		return
	}
	r.mu.Lock()
	r.state.List = c.ID
	_ = r.keep() // said by it
	r.mu.Unlock()
	r.cards.mu.Lock()
	r.cards.list, r.cards.problem = list, ""
	if key := r.o.Key(); key != nil {
		r.cards.key = wire.KeyFingerprint(key)
	}
	r.cards.mu.Unlock()
	r.o.Logger.Info("new list of cards", "version", list.Version, "cards", len(list.Cards))
}

// Answer answers the tap of a card by its hash, from the list alone. It does not wait for anybody.
func (r *Remote) Answer(hash string) feedback.Answer {
	a := r.look(hash)
	c := &r.cards
	c.count.Lock()
	defer c.count.Unlock()
	if c.taps == nil {
		c.taps = map[feedback.Answer]uint64{}
	}
	c.taps[a]++
	return a
}

func (r *Remote) look(hash string) feedback.Answer {
	r.cards.mu.RLock()
	list := r.cards.list
	r.cards.mu.RUnlock()
	if list == nil {
		return feedback.Recorded
	}
	h, err := wire.ParseCardHash(hash)
	if err != nil {
		return feedback.Unknown
	}
	known := list.Has(h)
	if at, ok := r.o.Date(); ok {
		known = list.Holds(h, at.UnixMilli())
	}
	if known {
		return feedback.Accepted
	}
	return feedback.Unknown
}

// List is what the gateway says of its list of cards.
func (r *Remote) List() *wire.AllowListStatus {
	c := &r.cards
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.count.Lock()
	defer c.count.Unlock()
	s := &wire.AllowListStatus{
		Problem: c.problem, Accepted: c.taps[feedback.Accepted], Unknown: c.taps[feedback.Unknown], Neutral: c.taps[feedback.Recorded],
	}
	if c.list != nil {
		s.Version, s.Cards = c.list.Version, len(c.list.Cards)
	}
	return s
}
