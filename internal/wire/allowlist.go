package wire

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// MaxAllowedCards bounds a list of cards: so many fit into MaxBodyBytes whatever they are.
const MaxAllowedCards = 20_000

// AllowList are the cards that a site knows. A gateway answers a tap by it without asking; who may do what is decided
// by the server.
type AllowList struct {
	Version int64 // grows with each change
	Cards   []AllowedCard
}

// AllowedCard is a card for a stretch of time. There is no name in it, and no group.
type AllowedCard struct {
	Hash   [16]byte // CardHash
	FromMs int64    // valid from
	ToMs   int64    // until before; 0: open end
}

// ParseCardHash reads the text that CardHash gives.
func ParseCardHash(text string) (hash [16]byte, err error) {
	if len(text) != 2*len(hash) {
		return hash, fmt.Errorf("card hash %.60q: want 32 hex digits", text)
	}
	if _, err := hex.Decode(hash[:], []byte(text)); err != nil {
		return hash, fmt.Errorf("card hash %.60q: want 32 hex digits", text)
	}
	return hash, nil
}

func compareCards(a, b AllowedCard) int {
	return cmp.Or(bytes.Compare(a.Hash[:], b.Hash[:]), cmp.Compare(a.FromMs, b.FromMs), cmp.Compare(a.ToMs, b.ToMs))
}

// The form: "cards1", version and number of cards (8 and 4 bytes, big-endian), then deflated all hashes, all beginnings,
// all ends. Columns let equal times vanish; hashes are random and stay 16 bytes each.
const (
	allowListMagic  = "cards1"
	allowListHeader = len(allowListMagic) + 8 + 4
	allowedBytes    = 16 + 8 + 8
)

// Encode writes the list, its cards in order: the same list always gives the same bytes.
func (l *AllowList) Encode() ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("encode list of cards: %w", err)
	}
	cards := slices.Clone(l.Cards)
	slices.SortFunc(cards, compareCards)
	cards = slices.Compact(cards)
	var out bytes.Buffer
	out.WriteString(allowListMagic)
	_ = binary.Write(&out, binary.BigEndian, l.Version)
	_ = binary.Write(&out, binary.BigEndian, uint32(len(cards)))
	raw := make([]byte, 0, len(cards)*allowedBytes)
	for _, c := range cards {
		raw = append(raw, c.Hash[:]...)
	}
	for _, c := range cards {
		raw = binary.BigEndian.AppendUint64(raw, uint64(c.FromMs))
	}
	for _, c := range cards {
		raw = binary.BigEndian.AppendUint64(raw, uint64(c.ToMs))
	}
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err == nil {
		_, err = w.Write(raw)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("encode list of cards: %w", err)
	}
	if out.Len() > MaxBodyBytes {
		return nil, fmt.Errorf("encode list of cards: %d bytes, at most %d are allowed", out.Len(), MaxBodyBytes)
	}
	return out.Bytes(), nil
}

// DecodeAllowList reads a list; its cards come in the order of their hashes. It never takes more memory than
// MaxAllowedCards need.
func DecodeAllowList(b []byte) (*AllowList, error) {
	if len(b) > MaxBodyBytes {
		return nil, fmt.Errorf("decode list of cards: %d bytes, at most %d are allowed", len(b), MaxBodyBytes)
	}
	if len(b) < allowListHeader || string(b[:len(allowListMagic)]) != allowListMagic {
		return nil, fmt.Errorf("decode list of cards: it does not begin with %s: it is damaged, or of a newer server", allowListMagic)
	}
	head := b[len(allowListMagic):]
	l := &AllowList{Version: int64(binary.BigEndian.Uint64(head))}
	n := int(binary.BigEndian.Uint32(head[8:]))
	if n > MaxAllowedCards {
		return nil, fmt.Errorf("decode list of cards: %d cards, at most %d are allowed", n, MaxAllowedCards)
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b[allowListHeader:])), int64(n*allowedBytes)+1))
	if err != nil {
		return nil, fmt.Errorf("decode list of cards: %w", err)
	}
	if len(raw) != n*allowedBytes {
		return nil, fmt.Errorf("decode list of cards: it does not hold the %d cards that it names", n)
	}
	l.Cards = make([]AllowedCard, n)
	from, to := raw[16*n:], raw[24*n:]
	for i := range l.Cards {
		c := &l.Cards[i]
		copy(c.Hash[:], raw[16*i:])
		c.FromMs, c.ToMs = int64(binary.BigEndian.Uint64(from[8*i:])), int64(binary.BigEndian.Uint64(to[8*i:]))
	}
	if !slices.IsSortedFunc(l.Cards, compareCards) {
		return nil, errors.New("decode list of cards: the cards are not in order")
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("decode list of cards: %w", err)
	}
	return l, nil
}

func (l *AllowList) check() error {
	if l.Version < 1 || l.Version > MaxSeq {
		return fmt.Errorf("version %d: want 1 to 2^53−1", l.Version)
	}
	if len(l.Cards) > MaxAllowedCards {
		return fmt.Errorf("%d cards, at most %d are allowed", len(l.Cards), MaxAllowedCards)
	}
	for _, c := range l.Cards {
		if c.FromMs < 0 || c.ToMs < 0 || c.ToMs != 0 && c.ToMs < c.FromMs {
			return fmt.Errorf("card %x from %d to %d: want Unix milliseconds, from ≤ to", c.Hash, c.FromMs, c.ToMs)
		}
	}
	return nil
}

// Holds reports whether the card is on the list at a time. The cards must be in order, as DecodeAllowList gives them.
func (l *AllowList) Holds(hash [16]byte, ms int64) bool {
	i, _ := slices.BinarySearchFunc(l.Cards, hash, func(c AllowedCard, h [16]byte) int { return bytes.Compare(c.Hash[:], h[:]) })
	for ; i < len(l.Cards) && l.Cards[i].Hash == hash; i++ {
		if c := l.Cards[i]; c.FromMs <= ms && (c.ToMs == 0 || ms < c.ToMs) {
			return true
		}
	}
	return false
}

// Has reports whether the card is on the list at any time: for a gateway that does not know the time.
func (l *AllowList) Has(hash [16]byte) bool {
	_, ok := slices.BinarySearchFunc(l.Cards, hash, func(c AllowedCard, h [16]byte) int { return bytes.Compare(c.Hash[:], h[:]) })
	return ok
}
