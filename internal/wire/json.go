package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
)

// readJSON calls fn for each record of the array. Labels are read exactly as RFC 8428 spells them (encoding/json's
// struct decoding would take BN for bn), one record in memory at a time.
func readJSON(payload []byte, fn func(*record) *DecodeError) *DecodeError {
	dec := json.NewDecoder(bytes.NewReader(payload))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
		return refuse(ReasonNotSenML, "JSON does not begin with an array")
	}
	for i := 0; dec.More(); i++ {
		if i >= MaxRecords {
			return refuse(ReasonTooLarge, "more than %d records: send smaller packs", MaxRecords)
		}
		var fields map[string]json.RawMessage
		start := dec.InputOffset()
		if err := dec.Decode(&fields); err != nil {
			return refuse(ReasonNotSenML, "JSON record %d: %v", i, err)
		}
		if jsonMembers(payload[start:dec.InputOffset()]) != len(fields) {
			return refuse(ReasonBadRecord, "JSON record %d: a label stands twice", i)
		}
		rec, err := jsonRecord(fields)
		if err != nil {
			return err
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return refuse(ReasonNotSenML, "JSON array has no end: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse(ReasonNotSenML, "bytes after the end of the pack")
	}
	return nil
}

func jsonRecord(fields map[string]json.RawMessage) (*record, *DecodeError) {
	rec := &record{}
	for _, e := range labels {
		raw, present := fields[e.name]
		if !present {
			continue
		}
		rec.has |= e.label
		ok := true
		switch e.label {
		case labelBn:
			rec.bn, ok = jsonText(raw)
		case labelBu:
			rec.bu, ok = jsonText(raw)
		case labelN:
			rec.n, ok = jsonText(raw)
		case labelU:
			rec.u, ok = jsonText(raw)
		case labelVs:
			rec.vs, ok = jsonText(raw)
		case labelVd:
			_, ok = jsonText(raw)
		case labelVb:
			ok = string(raw) == "true" || string(raw) == "false"
			rec.vb = string(raw) == "true"
		case labelBver:
			rec.bver, ok = jsonNumber(raw)
		case labelBt:
			rec.bt, ok = jsonNumber(raw)
		case labelBv:
			rec.bv, ok = jsonNumber(raw)
		case labelV:
			rec.v, ok = jsonNumber(raw)
		case labelT:
			rec.t, ok = jsonNumber(raw)
		case labelUt, labelS, labelBs:
			_, ok = jsonNumber(raw)
		}
		if !ok {
			return nil, wrongLabelType(e.label)
		}
	}
	for name := range fields {
		if strings.HasSuffix(name, "_") {
			return nil, refuse(ReasonBadRecord, "label %.40q must be understood (RFC 8428 §4.4) and is not", name)
		}
	}
	return rec, nil
}

// jsonMembers counts the members of a well-formed object, of the same name too: its colons, but for those in texts and deeper.
func jsonMembers(raw []byte) (n int) {
	depth, text := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ':' && depth == 1:
			n++
		}
	}
	return n
}

// jsonNumber reads a JSON number. One too large for a float64 becomes infinite and is refused later as out of range.
func jsonNumber(raw json.RawMessage) (float64, bool) {
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	var v float64
	if err := json.Unmarshal(raw, &v); err != nil {
		return math.Inf(1), true
	}
	return v, true
}

func jsonText(raw json.RawMessage) ([]byte, bool) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	return []byte(s), true
}
