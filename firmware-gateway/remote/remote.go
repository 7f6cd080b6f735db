// Package remote does what the server asks of the gateway, and answers taps by the server's list of cards.
//
// It owns the trust: nothing is done that is not signed by the site's key for this gateway, nothing is done twice, and
// what was done is known after a power cut. It does not own what is done (Options.Do) nor the link (package uplink).
package remote

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"karkhana/firmware-gateway/durable"
	"karkhana/internal/wire"
)

// Options of a Remote.
type Options struct {
	Site, Gateway string
	Key           func() ed25519.PublicKey // the server's; nil: none is known, and all commands are refused
	Dir           string                   // where the last command and the list of cards are kept
	// Do are the commands by kind. A detail is words for people and may have several lines; it is told with an error, too.
	Do map[string]func(ctx context.Context, body []byte) (detail string, err error)
	// Date is the wall clock; ok is false when nobody knows it.
	Date    func() (at time.Time, ok bool)
	Changed func() // called when there is something new to say in the status
	Logger  *slog.Logger
}

// The files in Dir.
const (
	stateFile = "commands.json"
	listFile  = "allow-list.json"
	aside     = ".bad" // what can't be read is kept under this ending
)

// maxState bounds the file of the last command.
const maxState = 64 << 10

// state is what outlives a power cut.
type state struct {
	Last *wire.CommandOutcome `json:"last,omitempty"`
	List int64                `json:"list,omitempty"` // newest version of the list of cards that was seen
}

// Remote is the gateway's end of the commands. Take, Answer and the statuses may be called at any time, Run once.
type Remote struct {
	o     Options
	inbox chan []byte
	cards cards

	mu      sync.Mutex
	state   state
	refused uint64
	reason  string
}

// Open reads what is kept. A file that can't be read is moved aside: of the list it means that there is none, of the
// last command that an old one could be done once more until it expires. A disk that fails costs the commands, never the
// samples.
func Open(o Options) *Remote {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	r := &Remote{o: o, inbox: make(chan []byte, 4)}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		o.Logger.Error("nothing can be kept of commands and cards: no command is done", "err", err)
	}
	r.readState()
	r.KeyChanged()
	return r
}

func (r *Remote) path(name string) string { return filepath.Join(r.o.Dir, name) }

// readState reads which command was the last one. One that had begun is not begun again.
func (r *Remote) readState() {
	b, err := readFile(r.path(stateFile), maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		if err = json.Unmarshal(b, &r.state); err == nil && (r.state.List < 0 || r.state.Last != nil && r.state.Last.ID < 1) {
			err = errors.New("its numbers are not right")
		}
	}
	if err != nil {
		r.state = state{}
		r.o.Logger.Error("the last command can't be read, its file is kept aside", "file", r.path(stateFile)+aside, "err", err)
		r.moveAside(stateFile)
		return
	}
	if last := r.state.Last; last != nil && !last.Done {
		last.Done, last.OK, last.Detail = true, false, "the gateway stopped while it was at it"
		_ = r.keep() // said by it
	}
}

// keep writes the state; mu is held, or nobody else is there yet.
func (r *Remote) keep() error {
	b, err := json.Marshal(r.state)
	if err == nil {
		err = durable.Replace(r.path(stateFile), b)
	}
	if err != nil {
		r.o.Logger.Error("the last command can't be noted on the disk", "err", err)
	}
	return err
}

// Take takes a message of the command topic. It never waits: what finds no room is lost, and comes again.
func (r *Remote) Take(payload []byte) {
	if len(payload) > wire.MaxCommandBytes { // not held any longer than need be
		_, err := wire.OpenCommand(payload, r.o.Site, r.o.Gateway, nil)
		r.refuse(err)
		return
	}
	select {
	case r.inbox <- payload:
	default:
	}
}

// Run does what comes, one after the other, until ctx ends.
func (r *Remote) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case payload := <-r.inbox:
			r.Handle(ctx, payload)
		}
	}
}

var errNoKey = errors.New("no server key: name a command_key_file in gateway.yaml that holds what `karkhana admin signing-key SITE` prints")

// Handle does what a message asks for, and returns when it is done. Run calls it; it must not run twice at a time.
func (r *Remote) Handle(ctx context.Context, payload []byte) {
	defer r.o.Changed()
	key := r.o.Key()
	if key == nil {
		r.refuse(errNoKey)
		return
	}
	c, err := wire.OpenCommand(payload, r.o.Site, r.o.Gateway, key)
	if err != nil {
		r.refuse(err)
		return
	}
	if c.Kind == wire.CommandAllowList {
		r.takeList(c, payload)
		return
	}
	if r.begin(c) {
		r.end(r.do(ctx, c))
	}
}

// refuse counts what is no command of the server. Each reason is logged at its 1st, 2nd, 4th … time together.
func (r *Remote) refuse(err error) {
	reason := err.Error()
	var refused *wire.CommandError
	if errors.As(err, &refused) {
		reason = refused.Reason + ": " + refused.Detail
	}
	r.mu.Lock()
	r.refused++
	r.reason = reason
	n := r.refused
	r.mu.Unlock()
	if n&(n-1) == 0 {
		r.o.Logger.Warn("a message was no command of the server and is refused", "reason", reason, "count", n)
	}
	r.o.Changed()
}

// begin notes a command on the disk before anything is done. false: it was seen before, or is older, or can't be noted.
func (r *Remote) begin(c wire.Command) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Last != nil && c.ID <= r.state.Last.ID {
		r.o.Logger.Debug("a command that was seen before came again", "id", c.ID)
		return false
	}
	r.state.Last = &wire.CommandOutcome{ID: c.ID, Kind: c.Kind}
	if err := r.keep(); err != nil {
		r.state.Last.Done, r.state.Last.Detail = true, fmt.Sprintf("not begun, because it can't be noted on the disk: %v", err)
		return false
	}
	return true
}

func (r *Remote) end(detail string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := *r.state.Last
	last.Done, last.OK, last.Detail = true, err == nil, detail
	if err != nil {
		last.Detail = strings.TrimPrefix(detail+"\n"+err.Error(), "\n")
	}
	if len(last.Detail) > 2*wire.MaxDetailBytes {
		last.Detail = strings.ToValidUTF8(last.Detail[:2*wire.MaxDetailBytes], "")
	}
	r.state.Last = &last
	_ = r.keep() // said by it; the outcome is told all the same
	r.o.Logger.Info("command has ended", "kind", last.Kind, "id", last.ID, "ok", last.OK, "detail", last.Detail)
}

// do does one command.
func (r *Remote) do(ctx context.Context, c wire.Command) (detail string, err error) {
	if at, ok := r.o.Date(); ok && c.ExpiresMs != 0 && at.UnixMilli() >= c.ExpiresMs {
		return "", fmt.Errorf("it came after its time had run out (%s)", time.UnixMilli(c.ExpiresMs).UTC().Format(time.RFC3339))
	}
	do, ok := r.o.Do[c.Kind]
	if !ok {
		return "", fmt.Errorf("this version of the gateway knows no command %q; it knows %s", c.Kind, strings.Join(slices.Sorted(maps.Keys(r.o.Do)), ", "))
	}
	r.o.Logger.Info("command begins", "kind", c.Kind, "id", c.ID)
	r.o.Changed()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it failed inside: %v", p)
		}
	}()
	return do(ctx, c.Body)
}

// Status is what the gateway says of commands.
func (r *Remote) Status() *wire.CommandStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &wire.CommandStatus{Refused: r.refused, Reason: r.reason}
	if key := r.o.Key(); key != nil {
		s.Key = wire.KeyFingerprint(key)
	}
	if r.state.Last != nil {
		last := *r.state.Last
		s.Last = &last
	}
	return s
}

// readFile reads a file of at most so many bytes.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("it has %d bytes, at most %d are right", info.Size(), most)
	}
	return os.ReadFile(path)
}

// moveAside keeps a file that can't be read for whoever wants to look at it.
func (r *Remote) moveAside(name string) {
	if err := os.Rename(r.path(name), r.path(name)+aside); err != nil {
		r.o.Logger.Error("a file that can't be read can't be moved aside", "err", err)
	}
}
