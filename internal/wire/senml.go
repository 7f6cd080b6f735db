package wire

import (
	"bytes"
	"math"
)

// A SenML record before resolution (RFC 8428 §4). Byte slices point into the payload or a buffer of the reader.
type record struct {
	has                label // which labels are present
	bn, bu, n, u, vs   []byte
	bt, bv, bver, v, t float64
	vb                 bool
}

// isReading: the record is a number and a time and nothing else.
func (r *record) isReading() bool { return r.has == labelsReading }

// label is a set of SenML labels.
type label uint16

// The labels of RFC 8428, in the order of their CBOR numbers (§6, table 4): bver is −1 … bs is −6, n is 0 … vd is 8.
const (
	labelBver label = 1 << iota
	labelBn
	labelBt
	labelBu
	labelBv
	labelBs
	labelN
	labelU
	labelV
	labelVs
	labelVb
	labelS
	labelT
	labelUt
	labelVd

	labelValues   = labelV | labelVs | labelVb | labelVd
	labelsSum     = labelS | labelBs
	labelsReading = labelV | labelT
)

// senmlVersion is the one SenML version understood: another bver refuses the pack (RFC 8428 §4.4). The number is a set of
// features (RFC 9100 §2): of a larger one we lack some, and a smaller one lacks what every pack has.
const senmlVersion = 10

// relativeBelow is the time value below which RFC 8428 §4.5.3 means "seconds from now" instead of Unix time. Nobody
// knows here when "now" was, and a gateway whose clock stands at 1970 produces such values by accident: refused.
const relativeBelow = 1 << 28

// timeBelow is the first second of the year 10000; no time of ours lies there.
const timeBelow = 253402300800

// resolved is a record after its base values were added (RFC 8428 §4.6).
type resolved struct {
	name  []byte // valid until the next call of resolve
	again bool   // the name is that of the record before
	unit  []byte
	time  float64 // as sent: not yet checked for being absolute
	kind  label   // the one value label present
	num   float64 // kind labelV
	text  []byte  // kind labelVs, and labelVd (base64 in JSON, bytes in CBOR)
	truth bool    // kind labelVb
}

// resolver carries the base fields from record to record.
type resolver struct {
	bn, bu []byte
	bt, bv float64
	name   []byte // of the last record, checked
	tail   int    // how much of its end is the record's own name (n)
}

// resolve applies RFC 8428 §4.6 to the next record of a pack.
func (r *resolver) resolve(rec *record) (resolved, *DecodeError) {
	if err := rec.checkBases(); err != nil {
		return resolved{}, err
	}
	renamed := len(r.name) == 0
	if rec.has&labelBn != 0 && !bytes.Equal(r.bn, rec.bn) {
		r.bn = append(r.bn[:0], rec.bn...)
		renamed = true
	}
	if rec.has&labelBt != 0 {
		r.bt = rec.bt
	}
	if rec.has&labelBu != 0 {
		r.bu = append(r.bu[:0], rec.bu...)
	}
	if rec.has&labelBv != 0 {
		r.bv = rec.bv
	}
	out := resolved{unit: rec.u, time: r.bt + rec.t, kind: rec.has & labelValues, text: rec.vs, truth: rec.vb}
	if rec.has&labelU == 0 {
		out.unit = r.bu
	}
	if out.kind&(out.kind-1) != 0 {
		return resolved{}, refuse(ReasonBadRecord, "a record has two values: exactly one of v, vs, vb, vd is allowed")
	}
	if out.kind == labelV {
		out.num = r.bv + rec.v
	}
	if out.kind == 0 {
		return resolved{}, refuse(ReasonBadRecord, "a record of %.100q has no value", string(r.bn)+string(rec.n))
	}
	if renamed || !bytes.Equal(r.name[len(r.name)-r.tail:], rec.n) {
		r.name, r.tail = append(append(r.name[:0], r.bn...), rec.n...), len(rec.n)
		if err := checkName(r.name); err != nil {
			r.name = r.name[:0]
			return resolved{}, err
		}
		renamed = true
	}
	out.name, out.again = r.name, !renamed
	return out, nil
}

// checkBases refuses what would change the meaning of a whole pack and has none here.
func (r *record) checkBases() *DecodeError {
	switch {
	case r.has&labelBver != 0 && r.bver != senmlVersion: // also when it is not a number
		return refuse(ReasonBadRecord, "SenML version %v is not %d: nothing of this pack can be trusted", r.bver, senmlVersion)
	case r.has&labelsSum != 0:
		return refuse(ReasonBadRecord, "a sum (s, bs) has no meaning in this contract: send the meter's register as energy")
	case r.has&labelBt != 0 && !finite(r.bt):
		return refuse(ReasonAbsurdTime, "base time %v s is no time of this age", r.bt)
	case r.has&labelBv != 0 && !finite(r.bv):
		return refuse(ReasonOutOfRange, "base value %v is no number", r.bv)
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// checkName applies RFC 8428 §4.5.1: letters, digits and - : . / _, the first a letter or digit.
func checkName(name []byte) *DecodeError {
	if len(name) == 0 {
		return refuse(ReasonBadRecord, "a record has no name")
	}
	if len(name) > maxNameBytes {
		return refuse(ReasonBadRecord, "a name of %d bytes: at most %d are allowed", len(name), maxNameBytes)
	}
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 'A' && c <= 'Z':
		case i > 0 && (c == '-' || c == '/' || c == '.' || c == '_' || c == ':'):
		default:
			return refuse(ReasonBadRecord, "name %.100q: only A-Z a-z 0-9 - : . / _ are allowed, the first a letter or digit", name)
		}
	}
	return nil
}

// timeMs turns an absolute SenML time into Unix milliseconds, rounding to the nearest.
func timeMs(seconds float64) (int64, *DecodeError) {
	switch {
	case math.IsNaN(seconds) || math.IsInf(seconds, 0) || seconds >= timeBelow:
		return 0, refuse(ReasonAbsurdTime, "time %v s is no time of this age", seconds)
	case seconds < relativeBelow:
		return 0, refuse(ReasonAbsurdTime, "time %v s is relative to an unknown moment (RFC 8428 §4.5.3) or from a clock that stood at 1970: set bt to Unix seconds", seconds)
	}
	return int64(math.Round(seconds * 1000)), nil
}
