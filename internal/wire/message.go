package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of the JSON messages. What is longer is refused unread.
const (
	MaxReceiptBytes = 256 << 10
	MaxStatusBytes  = 16 << 10
)

// Encode writes the receipt as JSON after checking it.
func (r *Receipt) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("encode receipt: %w", err)
	}
	return encodeMessage("receipt", r, MaxReceiptBytes)
}

// DecodeReceipt reads a receipt. A wrong type, a range that runs backwards, a spool that cannot be or a text after
// the end is an error; an unknown field is not, so that a newer server can say more to an older gateway.
func DecodeReceipt(payload []byte) (*Receipt, error) {
	r := &Receipt{}
	if err := decodeMessage("receipt", payload, MaxReceiptBytes, r); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("decode receipt: %w", err)
	}
	return r, nil
}

func (r *Receipt) check() error {
	if err := checkToken("spool", r.Spool); err != nil {
		return err
	}
	for _, s := range r.Stored {
		if s[0] < 1 || s[0] > s[1] || s[1] > MaxSeq {
			return fmt.Errorf("stored range %d…%d: want 1 ≤ from ≤ to ≤ 2^53−1", s[0], s[1])
		}
	}
	for _, s := range r.Refused {
		if s.Seq < 1 || s.Seq > MaxSeq || s.Reason == "" || len(s.Reason) > 64 {
			return fmt.Errorf("refusal of seq %d for %.80q: want a seq from 1 to 2^53−1 and a short reason", s.Seq, s.Reason)
		}
	}
	return nil
}

// Encode writes the status as JSON after checking it. Texts of commands that are too long are cut.
func (s *Status) Encode() ([]byte, error) {
	if s.Commands != nil {
		s.Commands.shorten()
	}
	if s.AllowList != nil {
		s.AllowList.Problem = cut(s.AllowList.Problem, maxReasonBytes)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	return encodeMessage("status", s, MaxStatusBytes)
}

// The further reasons of a DecodeError of a status, beside ReasonTooLarge and ReasonWrongType.
const (
	ReasonNotJSON  = "not-json"  // or more than one JSON value
	ReasonBadValue = "bad-value" // of the right type, but not one of the contract
)

// StatusReasons are all reasons why a status cannot be read.
func StatusReasons() []string {
	return []string{ReasonTooLarge, ReasonNotJSON, ReasonWrongType, ReasonBadValue}
}

// DecodeStatus reads a gateway's status, as strictly as [DecodeReceipt]. Every error is a *DecodeError with one of
// StatusReasons.
func DecodeStatus(payload []byte) (*Status, error) {
	s := &Status{}
	if err := decodeMessage("status", payload, MaxStatusBytes, s); err != nil {
		reason := ReasonNotJSON
		var wrongType *json.UnmarshalTypeError
		switch {
		case len(payload) > MaxStatusBytes:
			reason = ReasonTooLarge
		case errors.As(err, &wrongType):
			reason = ReasonWrongType
		}
		return nil, refuse(reason, "%v", err)
	}
	if err := s.check(); err != nil {
		return nil, refuse(ReasonBadValue, "decode status: %v", err)
	}
	return s, nil
}

func (s *Status) check() error {
	if s.Clock != "" && !s.Clock.Valid() {
		return fmt.Errorf("clock %.40q: want synced, rtc, repaired or bounded", s.Clock)
	}
	if s.Spool != "" {
		if err := checkToken("spool", s.Spool); err != nil {
			return err
		}
	}
	if s.Boot != "" {
		if err := checkToken("boot", s.Boot); err != nil {
			return err
		}
	}
	if s.OldestAgeS < 0 {
		return fmt.Errorf("oldest_age_s %d is negative", s.OldestAgeS)
	}
	return nil
}

func encodeMessage(what string, v any, limit int) ([]byte, error) {
	out, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	if len(out) > limit {
		return nil, fmt.Errorf("encode %s: %d bytes, at most %d are allowed", what, len(out), limit)
	}
	return out, nil
}

func decodeMessage(what string, payload []byte, limit int, into any) error {
	if len(payload) > limit {
		return fmt.Errorf("decode %s: %d bytes, at most %d are allowed", what, len(payload), limit)
	}
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("decode %s: text after its end", what)
	}
	return nil
}
