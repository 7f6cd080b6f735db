package ingest

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"karkhana/internal/registry"
	"karkhana/internal/repeat"
	"karkhana/internal/wire"
)

// Commands is what the sending of commands and lists of cards asks of the registry.
type Commands interface {
	NextCommands(ctx context.Context) ([]registry.Command, error)
	ClaimCommand(ctx context.Context, c registry.Command, atMs int64) (bool, error)
	UnclaimCommand(ctx context.Context, c registry.Command) error
	EndCommand(ctx context.Context, site, gateway string, id int64, state registry.CommandState, detail string, atMs int64) error
	SigningKey(ctx context.Context, site string) (ed25519.PrivateKey, error)
	ListGateways(ctx context.Context) ([]registry.ListGateway, error)
	Gateway(ctx context.Context, site, id string) (registry.Gateway, error)
	Cards(ctx context.Context, site string) ([]registry.Card, error)
	AllowListVersion(ctx context.Context, site, digest string, nowMs int64) (int64, error)
	ClaimList(ctx context.Context, site, gateway string, version, atMs, againMs int64) (bool, error)
	UnclaimList(ctx context.Context, site, gateway string, version, atMs int64) error
	TakeTurn(ctx context.Context, name string, nowMs, everyMs int64) (bool, error)
}

var _ Commands = (*registry.DB)(nil)

const (
	commandsEvery = time.Second
	listsEvery    = 5 * time.Second
	// resendCommand is when what a gateway has not answered in its status is sent again.
	resendCommand = 10 * time.Second
	// resendList is longer: a gateway says its status each 15 s, and a list is large.
	resendList = 30 * time.Second
	day        = 24 * time.Hour
)

// commander brings commands and lists of cards to the gateways, through a broker that may lose everything: what it sends
// and when follows from the registry alone, which holds what is wanted, what each gateway last said of itself and what was
// sent when. Several ingest processes may do this at once: who claims a sending makes it, and when that process dies,
// another one makes the next, which is due after resendCommand or resendList.
type commander struct {
	registry  Commands
	publish   func(topic string, payload []byte) bool // false: there is no connection
	connected func() bool                             // who is not leaves the sending to others
	log       *slog.Logger
	now       func() time.Time

	keys      map[string]ed25519.PrivateKey // by site
	lists     map[string]*siteList          // by site
	saidFault string
}

// siteList is a site's list of cards as it was last read.
type siteList struct {
	version int64
	body    []byte
	changed int64 // the registry's word for these cards, see registry.ListGateway
	dayMs   int64 // that it was made on: a card that is over leaves the list with the day
}

func newCommander(r Commands, publish func(string, []byte) bool, log *slog.Logger, now func() time.Time) *commander {
	return &commander{
		registry: r, publish: publish, connected: func() bool { return true }, log: log, now: now,
		keys: map[string]ed25519.PrivateKey{}, lists: map[string]*siteList{},
	}
}

// run works until ctx ends. What fails is tried again at the next round.
func (c *commander) run(ctx context.Context) {
	repeat.Every(ctx, commandsEvery, func(ctx context.Context) {
		c.say(ctx, errors.Join(c.sendCommands(ctx), c.listsTurn(ctx)))
	})
}

// say logs a failure once, and again when it is another one.
func (c *commander) say(ctx context.Context, err error) {
	text := ""
	if err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	if text != "" && text != c.saidFault {
		c.log.Warn("commands or lists of cards could not be sent: trying again", "err", err)
	}
	c.saidFault = text
}

// sendCommands looks after the oldest open command of each gateway.
func (c *commander) sendCommands(ctx context.Context) error {
	open, err := c.registry.NextCommands(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, cmd := range open {
		errs = append(errs, c.follow(ctx, cmd))
	}
	return errors.Join(errs...)
}

// follow closes a command that has been answered or is too old, and sends it when it is due.
func (c *commander) follow(ctx context.Context, cmd registry.Command) error {
	g, err := c.registry.Gateway(ctx, cmd.Site, cmd.Gateway)
	if err != nil {
		return err
	}
	key, err := c.key(ctx, cmd.Site)
	if err != nil {
		return err
	}
	now := c.now().UnixMilli()
	said := said(g.StatusJSON)
	end := func(state registry.CommandState, detail string) error {
		c.log.Info("command to a gateway has ended", "site", cmd.Site, "gateway", cmd.Gateway, "kind", cmd.Kind, "id", cmd.ID, "state", string(state))
		return c.registry.EndCommand(ctx, cmd.Site, cmd.Gateway, cmd.ID, state, detail, now)
	}
	last := said.last()
	obstacle := said.obstacle(key)
	switch {
	case last.ID == cmd.ID && last.Done && last.OK:
		return end(registry.CommandDone, last.Detail)
	case last.ID == cmd.ID && last.Done:
		return end(registry.CommandFailed, last.Detail)
	case last.ID > cmd.ID:
		return end(registry.CommandFailed, fmt.Sprintf("the gateway has done a newer command already (%d): send it again", last.ID))
	case now >= cmd.ExpiresMs:
		return end(registry.CommandExpired, overdue(cmd, g, obstacle))
	case !g.Online:
		return nil
	case obstacle != "":
		return end(registry.CommandFailed, obstacle)
	case cmd.SentMs != 0 && max(now-cmd.SentMs, cmd.SentMs-now) < resendCommand.Milliseconds(): // far ahead: the clock was set back
		return nil
	}
	payload, err := wire.Command{ID: cmd.ID, IssuedMs: cmd.QueuedMs, ExpiresMs: cmd.ExpiresMs, Kind: cmd.Kind, Body: []byte(cmd.Body)}.
		Sign(cmd.Site, cmd.Gateway, key)
	if err != nil {
		return end(registry.CommandFailed, err.Error())
	}
	if !c.connected() {
		return nil
	}
	if mine, err := c.registry.ClaimCommand(ctx, cmd, now); err != nil || !mine {
		return err
	}
	if !c.publish(wire.CommandTopic(cmd.Site, cmd.Gateway), payload) {
		return c.registry.UnclaimCommand(ctx, cmd) // no connection: another process, or the next round
	}
	return nil
}

// overdue says why a command came to nothing.
func overdue(cmd registry.Command, g registry.Gateway, obstacle string) string {
	switch {
	case obstacle != "":
		return obstacle
	case cmd.Sendings == 0 && !g.Online:
		return "the gateway was not online"
	case cmd.Sendings == 0:
		return "it could not be sent: ingest has no connection to the broker, or another command was before it"
	}
	return fmt.Sprintf("sent %d times, no answer", cmd.Sendings)
}

func (c *commander) key(ctx context.Context, site string) (ed25519.PrivateKey, error) {
	if key, ok := c.keys[site]; ok {
		return key, nil
	}
	key, err := c.registry.SigningKey(ctx, site)
	if err == nil {
		c.keys[site] = key
	}
	return key, err
}

// word is the last status of a gateway, as far as it tells of commands.
type word struct{ *wire.Status }

func said(statusJSON string) word {
	if statusJSON == "" {
		return word{&wire.Status{}}
	}
	st, err := wire.DecodeStatus([]byte(statusJSON))
	if err != nil {
		return word{&wire.Status{}}
	}
	return word{st}
}

func (w word) last() wire.CommandOutcome {
	if w.Commands == nil || w.Commands.Last == nil {
		return wire.CommandOutcome{}
	}
	return *w.Commands.Last
}

// obstacle says why an online gateway will take no command, "" when it will.
func (w word) obstacle(key ed25519.PrivateKey) string {
	pub := key.Public().(ed25519.PublicKey) // it is one, by its documentation
	switch {
	case w.Status == nil || !w.Online:
		return ""
	case w.Commands == nil:
		return "the gateway's program knows no commands: upgrade it"
	case w.Commands.Key == "":
		return "the gateway has no server key and refuses all commands: name a command_key_file in its gateway.yaml that holds what `karkhana admin signing-key SITE` prints"
	case w.Commands.Key != wire.KeyFingerprint(pub):
		return "the gateway has the key of another server: put what `karkhana admin signing-key SITE` prints into its command_key_file"
	}
	return ""
}

// listsTurn sends lists when it is this process's turn: to look through all sites is work, and enough when one does it.
func (c *commander) listsTurn(ctx context.Context) error {
	if !c.connected() {
		return nil
	}
	mine, err := c.registry.TakeTurn(ctx, "lists of cards", c.now().UnixMilli(), listsEvery.Milliseconds())
	if err != nil || !mine {
		return err
	}
	return c.sendLists(ctx)
}

// sendLists gives each online gateway that has another version the list of its site. One query tells of all gateways, and
// whose cards have changed: with a thousand sites there is little else to ask.
func (c *commander) sendLists(ctx context.Context) error {
	online, err := c.registry.ListGateways(ctx)
	if err != nil {
		return err
	}
	var errs []error
	failed := "" // site whose cards can't be read: said once
	for _, g := range online {
		if g.Site == failed {
			continue
		}
		if err := c.sendList(ctx, g); err != nil {
			errs, failed = append(errs, fmt.Errorf("site %s: %w", g.Site, err)), g.Site
		}
	}
	return errors.Join(errs...)
}

func (c *commander) sendList(ctx context.Context, g registry.ListGateway) error {
	list, err := c.list(ctx, g.Site, g.Changed)
	if err != nil || list.version == 0 {
		return err
	}
	key, err := c.key(ctx, g.Site)
	if err != nil {
		return err
	}
	said := said(g.StatusJSON)
	if !said.Online || said.obstacle(key) != "" || said.AllowList == nil || said.AllowList.Version == list.version || !c.connected() {
		return nil
	}
	nowMs := c.now().UnixMilli()
	mine, err := c.registry.ClaimList(ctx, g.Site, g.ID, list.version, nowMs, resendList.Milliseconds())
	if err != nil || !mine {
		return err
	}
	payload, err := wire.Command{ID: list.version, IssuedMs: nowMs, Kind: wire.CommandAllowList, Body: list.body}.Sign(g.Site, g.ID, key)
	if err != nil {
		return err
	}
	if !c.publish(wire.CommandTopic(g.Site, g.ID), payload) {
		return c.registry.UnclaimList(ctx, g.Site, g.ID, list.version, nowMs)
	}
	c.log.Info("list of cards sent", "site", g.Site, "gateway", g.ID, "version", list.version, "bytes", len(payload))
	return nil
}

// list gives the list of a site's cards a version. Cards are read, and bytes made, anew only when something has changed.
func (c *commander) list(ctx context.Context, site string, changed int64) (*siteList, error) {
	now := c.now()
	dayMs := now.Truncate(day).UnixMilli()
	kept := c.lists[site]
	if kept != nil && kept.changed == changed && kept.dayMs == dayMs {
		return kept, nil
	}
	cards, err := c.registry.Cards(ctx, site)
	if err != nil {
		return nil, err
	}
	allowed := allowedCards(cards, dayMs)
	if len(allowed) > wire.MaxAllowedCards {
		return nil, fmt.Errorf("%d cards are valid, a list holds at most %d: gateways keep the former list", len(allowed), wire.MaxAllowedCards)
	}
	digest := ""
	if len(allowed) > 0 {
		digest = digestOf(allowed)
	}
	list := &siteList{changed: changed, dayMs: dayMs}
	if list.version, err = c.registry.AllowListVersion(ctx, site, digest, now.UnixMilli()); err != nil {
		return nil, err
	}
	switch {
	case list.version == 0:
	case kept != nil && kept.version == list.version:
		list.body = kept.body
	default:
		if list.body, err = (&wire.AllowList{Version: list.version, Cards: allowed}).Encode(); err != nil {
			return nil, err
		}
	}
	c.lists[site] = list
	return list, nil
}

// allowedCards are the cards that are valid after a time, in order. A hash that no gateway can send is left out.
func allowedCards(cards []registry.Card, afterMs int64) []wire.AllowedCard {
	out := make([]wire.AllowedCard, 0, len(cards))
	for _, card := range cards {
		hash, err := wire.ParseCardHash(card.Hash)
		if err != nil || card.ValidTo != 0 && (card.ValidTo <= afterMs || card.ValidTo <= card.ValidFromMs) {
			continue
		}
		out = append(out, wire.AllowedCard{Hash: hash, FromMs: max(card.ValidFromMs, 0), ToMs: card.ValidTo})
	}
	slices.SortFunc(out, func(a, b wire.AllowedCard) int {
		return cmp.Or(slices.Compare(a.Hash[:], b.Hash[:]), cmp.Compare(a.FromMs, b.FromMs), cmp.Compare(a.ToMs, b.ToMs))
	})
	return slices.Compact(out)
}

func digestOf(cards []wire.AllowedCard) string {
	h := sha256.New()
	var line []byte
	for _, c := range cards {
		line = append(line[:0], c.Hash[:]...)
		line = strconv.AppendInt(append(line, ' '), c.FromMs, 10)
		line = strconv.AppendInt(append(line, ' '), c.ToMs, 10)
		h.Write(append(line, '\n'))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// runCommands sends commands until ctx ends, when there is a registry for them.
func (in *Ingest) runCommands(ctx context.Context) {
	if in.opts.Commands == nil {
		return
	}
	publish := func(topic string, payload []byte) bool {
		_, err := in.source.publish(topic, 1, false, payload)
		return err == nil
	}
	c := newCommander(in.opts.Commands, publish, in.opts.Logger, in.opts.Now)
	c.connected = func() bool { return in.source.connected() == nil }
	c.run(ctx)
}
