package wire

import (
	"fmt"
)

// Format is the serialisation of a pack. Both carry the same SenML.
type Format uint8

// The formats of a pack. Gateways send CBOR unless told otherwise.
const (
	FormatCBOR Format = iota
	FormatJSON
)

// Limits of a pack. Decode refuses what is larger, so that a hostile payload costs bounded memory; Encode refuses to
// write it, so that the gateway splits in time.
const (
	MaxPackBytes = 512 << 10 // longest payload
	MaxRecords   = 20_000    // most SenML records in a pack
	MaxTextBytes = 256       // longest text value (a card's hash, a spool id)
	MaxSeq       = 1<<53 - 1 // largest seq: every number up to here is exact in a SenML value (a float64)

	maxNameBytes     = 256
	usualSampleBytes = 13 // see docs/wire.md
)

// The reasons of a DecodeError. They travel to the gateway in a receipt and stand in quarantine: stable codes.
const (
	ReasonNotSenML        = "not-senml"        // neither a JSON nor a CBOR array of SenML records
	ReasonBadRecord       = "bad-record"       // SenML, but a record breaks RFC 8428 or the contract
	ReasonUnknownQuantity = "unknown-quantity" // no such quantity in package quantity
	ReasonUnknownUnit     = "unknown-unit"     // the unit does not belong to the quantity
	ReasonWrongType       = "wrong-type"       // for example a text where a number belongs
	ReasonAbsurdTime      = "absurd-time"      // no absolute time, or one that cannot be
	ReasonMissingIdentity = "missing-identity" // seq, spool, boot or clock is absent
	ReasonOutOfRange      = "out-of-range"     // not finite, or beyond what the quantity can be
	ReasonTooLarge        = "too-large"        // more bytes or records than a pack may have
)

// Reasons are all Reason… codes.
func Reasons() []string {
	return []string{
		ReasonNotSenML, ReasonBadRecord, ReasonUnknownQuantity, ReasonUnknownUnit, ReasonWrongType, ReasonAbsurdTime,
		ReasonMissingIdentity, ReasonOutOfRange, ReasonTooLarge,
	}
}

// DecodeError says why a payload is not a pack, or not a status, of the contract.
type DecodeError struct {
	Reason string // one of the Reason… codes
	Detail string // words for people
}

// Error gives the reason code and the words.
func (e *DecodeError) Error() string { return e.Reason + ": " + e.Detail }

func refuse(reason, format string, args ...any) *DecodeError {
	return &DecodeError{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Decode reads a pack in CBOR or JSON, told apart by the first byte. The payload is not kept.
//
// Every error is a *DecodeError. The pack returned with an error is not nil: it holds what could be read of the
// pack's identity (Spool, Seq, Site, Machine), so that a refusal can name it, and no samples.
func Decode(payload []byte) (*Pack, error) {
	var d Decoder
	d.a.pack.Samples = make([]Sample, 0, min(len(payload)/usualSampleBytes, MaxRecords))
	return d.Decode(payload)
}

// Decoder is Decode for many packs, one after the other, in the same memory. The zero value is ready. It is not safe
// for concurrent use.
type Decoder struct {
	a   assembler
	rec record
}

// maxKeptSamples bounds the memory that a Decoder keeps after an odd pack.
const maxKeptSamples = 2048

// Decode is like the function of that name, but its pack is only valid until the next call.
func (d *Decoder) Decode(payload []byte) (*Pack, error) {
	samples := d.a.pack.Samples[:0]
	if cap(samples) > maxKeptSamples {
		samples = nil
	}
	d.a = assembler{
		pack:     Pack{Samples: samples},
		resolver: resolver{bn: d.a.resolver.bn[:0], bu: d.a.resolver.bu[:0], name: d.a.resolver.name[:0]},
		prefix:   d.a.prefix[:0],
		unit:     d.a.unit[:0],
	}
	a := &d.a
	err := readRecords(payload, &d.rec, a.add)
	if err == nil {
		err = a.finish()
	}
	if err != nil || len(a.pack.Samples) == 0 {
		samples, a.pack.Samples = a.pack.Samples, nil
		p := a.pack
		a.pack.Samples = samples // for the next one
		return &p, err
	}
	return &a.pack, err
}

// readRecords calls fn for each record of a SenML payload, unresolved, in order. The record and its byte slices are
// only valid during the call. It stops at the first error.
// rec is the memory for it.
func readRecords(payload []byte, rec *record, fn func(*record) *DecodeError) error {
	if len(payload) > MaxPackBytes {
		return refuse(ReasonTooLarge, "%d bytes, a pack has at most %d: send smaller packs", len(payload), MaxPackBytes)
	}
	if len(payload) == 0 {
		return refuse(ReasonNotSenML, "empty payload")
	}
	var err *DecodeError
	switch c := payload[0]; {
	case c == '[' || c == ' ' || c == '\t' || c == '\n' || c == '\r':
		err = readJSON(payload, fn)
	case c >= 0x80 && c <= 0x9f:
		err = readCBOR(payload, rec, fn)
	default:
		err = refuse(ReasonNotSenML, "first byte 0x%02x begins neither a JSON nor a CBOR array", c)
	}
	if err != nil { // not returned directly: a nil *DecodeError in an error is not nil
		return err
	}
	return nil
}
