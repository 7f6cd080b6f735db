package wire

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// The kinds of command. All of them ask the gateway to do something with itself: none switches a machine.
const (
	CommandReload    = "reload"     // read the configuration again
	CommandReplay    = "replay"     // send again what has no receipt: body Replay
	CommandSelfTest  = "self-test"  // tell how the sensors do
	CommandAllowList = "allow-list" // the cards of the site: body AllowList; its id is the list's version
)

// Limits of a command. They fit into the 1 MiB of a message that the embedded broker takes.
const (
	MaxCommandBytes = 960 << 10
	MaxBodyBytes    = 700 << 10
	// MaxDetailBytes bounds what a gateway says of a command in its status.
	MaxDetailBytes = 4 << 10
	maxReasonBytes = 200
)

// Command is what the server asks of one gateway. It travels signed: see Sign and OpenCommand.
type Command struct {
	ID        int64 // above 0; grows with each command to a gateway, and apart from that with each version of its list of cards
	IssuedMs  int64 // server time
	ExpiresMs int64 // a gateway that knows the time does nothing from then on; 0: never
	Kind      string
	Body      []byte // as the kind says; empty for reload and self-test
}

// Replay is the body of a replay, JSON: which of the packs without a receipt are sent again, by the time of their newest
// sample. 0 is an open end.
type Replay struct {
	FromMs int64 `json:"from_ms,omitempty"`
	ToMs   int64 `json:"to_ms,omitempty"`
}

// envelope is a command as it travels.
type envelope struct {
	ID        int64  `json:"id"`
	IssuedMs  int64  `json:"issued_ms"`
	ExpiresMs int64  `json:"expires_ms,omitempty"`
	Kind      string `json:"kind"`
	Body      []byte `json:"body,omitempty"`
	Signature []byte `json:"signature"`
}

// Why a gateway does not take a message for a command of its server.
const (
	RefusedTooLong    = "too-long"
	RefusedNotCommand = "not-a-command"
	RefusedForged     = "forged"
)

// CommandError says why a message is no command: Reason is one of the Refused… words, Detail is for people.
type CommandError struct{ Reason, Detail string }

// Error gives both.
func (e *CommandError) Error() string { return "command refused: " + e.Reason + ": " + e.Detail }

// commandDomain stands before everything that is signed, so that a signature of a command is good for nothing else.
const commandDomain = "karkhana cfc/v1 command\x00"

var kindForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// signed are the exact bytes that are signed. The topic's ids are among them though they do not travel again: a command
// for one gateway is worth nothing at another.
func (e *envelope) signed(site, gateway string) []byte {
	b := make([]byte, 0, len(commandDomain)+len(site)+len(gateway)+len(e.Kind)+len(e.Body)+27)
	b = append(b, commandDomain...)
	for _, s := range []string{site, gateway, e.Kind} { // none holds a NUL
		b = append(append(b, s...), 0)
	}
	for _, n := range []int64{e.ID, e.IssuedMs, e.ExpiresMs} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return append(b, e.Body...)
}

func (e *envelope) check() error {
	switch {
	case e.ID < 1 || e.ID > MaxSeq:
		return fmt.Errorf("id %d: want 1 to 2^53−1", e.ID)
	case e.IssuedMs < 0 || e.IssuedMs > MaxSeq || e.ExpiresMs < 0 || e.ExpiresMs > MaxSeq:
		return fmt.Errorf("issued_ms %d, expires_ms %d: want Unix milliseconds", e.IssuedMs, e.ExpiresMs)
	case !kindForm.MatchString(e.Kind):
		return fmt.Errorf("kind %.60q: want lower-case letters, digits and hyphens, at most 40", e.Kind)
	case len(e.Body) > MaxBodyBytes:
		return fmt.Errorf("the body has %d bytes, at most %d are allowed", len(e.Body), MaxBodyBytes)
	}
	return nil
}

// Sign writes the command for one gateway.
func (c Command) Sign(site, gateway string, key ed25519.PrivateKey) ([]byte, error) {
	e := &envelope{ID: c.ID, IssuedMs: c.IssuedMs, ExpiresMs: c.ExpiresMs, Kind: c.Kind, Body: c.Body}
	if err := errors.Join(CheckID("site", site), CheckID("gateway", gateway), e.check()); err != nil {
		return nil, fmt.Errorf("sign command: %w", err)
	}
	e.Signature = ed25519.Sign(key, e.signed(site, gateway))
	return encodeMessage("command", e, MaxCommandBytes)
}

// OpenCommand reads a command for one gateway and checks its signature. The kind may be unknown: whoever gets the command
// refuses it with words. Every error is a *CommandError.
func OpenCommand(payload []byte, site, gateway string, key ed25519.PublicKey) (Command, error) {
	if len(payload) > MaxCommandBytes {
		return Command{}, &CommandError{RefusedTooLong, fmt.Sprintf("%d bytes, at most %d are allowed", len(payload), MaxCommandBytes)}
	}
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return Command{}, &CommandError{RefusedNotCommand, err.Error()}
	}
	if err := e.check(); err != nil {
		return Command{}, &CommandError{RefusedNotCommand, err.Error()}
	}
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, e.signed(site, gateway), e.Signature) {
		return Command{}, &CommandError{RefusedForged, "the signature is not that of this gateway's server for this gateway"}
	}
	return Command{ID: e.ID, IssuedMs: e.IssuedMs, ExpiresMs: e.ExpiresMs, Kind: e.Kind, Body: e.Body}, nil
}

// Encode writes the body of a replay.
func (r Replay) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("encode replay: %w", err)
	}
	return encodeMessage("replay", r, maxReplayBytes)
}

// DecodeReplay reads the body of a replay; an empty one asks for everything. An unknown field is an error: what it asks
// for would not be done.
func DecodeReplay(body []byte) (Replay, error) {
	var r Replay
	if len(body) == 0 {
		return r, nil
	}
	if len(body) > maxReplayBytes {
		return r, fmt.Errorf("decode replay: %d bytes, at most %d are allowed", len(body), maxReplayBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Replay{}, fmt.Errorf("decode replay: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Replay{}, errors.New("decode replay: text after its end")
	}
	if err := r.check(); err != nil {
		return Replay{}, fmt.Errorf("decode replay: %w", err)
	}
	return r, nil
}

const maxReplayBytes = 1 << 10

func (r Replay) check() error {
	if r.FromMs < 0 || r.ToMs < 0 || r.FromMs > MaxSeq || r.ToMs > MaxSeq || r.ToMs != 0 && r.ToMs < r.FromMs {
		return fmt.Errorf("from_ms %d to_ms %d: want Unix milliseconds, from ≤ to", r.FromMs, r.ToMs)
	}
	return nil
}

// CommandStatus is what a gateway says in its status of commands.
type CommandStatus struct {
	// Key is the fingerprint of the server's public key that it checks commands with; "": it has none and refuses all.
	Key     string          `json:"key,omitempty"`
	Last    *CommandOutcome `json:"last,omitempty"`    // absent before the first
	Refused uint64          `json:"refused,omitempty"` // messages since its start that were no commands of its server
	Reason  string          `json:"reason,omitempty"`  // why the last of them was refused
}

// CommandOutcome is what became of a command.
type CommandOutcome struct {
	ID     int64  `json:"id"`
	Kind   string `json:"kind"`
	Done   bool   `json:"done"` // false: still at it
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // words for people, lines
}

// AllowListStatus is what a gateway says of its list of cards.
type AllowListStatus struct {
	Version int64  `json:"version"` // 0: it has none, and answers every card neutrally
	Cards   int    `json:"cards"`
	Problem string `json:"problem,omitempty"` // why there is none, or why a newer one was not taken
	// Taps since its start by the answer that was given.
	Accepted uint64 `json:"accepted,omitempty"`
	Unknown  uint64 `json:"unknown,omitempty"`
	Neutral  uint64 `json:"neutral,omitempty"`
}

// shorten makes free texts fit.
func (s *CommandStatus) shorten() {
	s.Reason = cut(s.Reason, maxReasonBytes)
	if s.Last != nil && len(s.Last.Detail) > MaxDetailBytes {
		last := *s.Last
		last.Detail = cut(last.Detail, MaxDetailBytes)
		s.Last = &last
	}
}

// cut shortens a text until it takes at most so many bytes in JSON, with a mark of it.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	keep := s
	for {
		b, err := json.Marshal(s)
		if err != nil || len(b)-len(`""`) <= most || keep == "" {
			return s
		}
		n := min(len(keep)-1, len(keep)*most/len(b))
		keep = strings.ToValidUTF8(keep[:n], "")
		s = keep + "…"
	}
}

// FormatPublicKey writes a public key as it stands in a gateway's command_key_file: base64.
func FormatPublicKey(key ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(key) }

// ParsePublicKey reads what FormatPublicKey wrote.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("a server's public key is base64 of %d bytes, 44 characters: take what `karkhana admin signing-key SITE` prints", ed25519.PublicKeySize)
	}
	return b, nil
}

// KeyFingerprint is a short name of a public key: the first 8 bytes of its SHA-256 in hex.
func KeyFingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}
