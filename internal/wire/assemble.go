package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"karkhana/internal/quantity"
)

// The plain records that every pack carries, and the suffix of a quality record.
const (
	nameSeq       = "seq"
	nameSpool     = "spool"
	nameBoot      = "boot"
	nameClock     = "clock"
	qualitySuffix = ".q"
)

// Fault begins every quality that says that there is no trustworthy value, for example "fault:open".
const Fault = "fault:"

// IsFault reports whether the sample's value cannot be trusted at all. Such a sample travels and is stored as its
// quality alone: a failed reading has no value.
func (s *Sample) IsFault() bool { return strings.HasPrefix(s.Quality, Fault) }

// assembler builds a pack from records.
type assembler struct {
	pack     Pack
	resolver resolver
	prefix   []byte       // "{site}/{machine}/" of the first record
	refused  *DecodeError // the first fault of a sample; the rest is still read for the identity

	// What the last record's name means: packs come quantity by quantity.
	isSample bool
	named    string // the name without site and machine; "" for a known quantity
	quantity quantity.Quantity
	unit     []byte // of the last number in the quantity's own unit or without one
	ownUnit  bool   // unit is set
	inRun    bool   // the last record was a number of the quantity in its own unit, named by the base name alone
}

// add takes the next record.
func (a *assembler) add(rec *record) *DecodeError {
	if a.inRun && rec.isReading() {
		a.refused = a.next(a.resolver.bv+rec.v, a.resolver.bt+rec.t)
		a.inRun = a.refused == nil
		return nil
	}
	a.inRun = false
	r, err := a.resolver.resolve(rec)
	if err != nil {
		return err
	}
	if !r.again {
		if err := a.name(r.name); err != nil {
			return err
		}
	}
	if !a.isSample {
		return a.identity(a.named, &r)
	}
	if a.refused == nil {
		a.refused = a.sample(&r)
		a.inRun = a.refused == nil && r.kind == labelV && a.resolver.tail == 0 && a.ownUnit && bytes.Equal(a.unit, a.resolver.bu)
	}
	return nil
}

// next takes the next number of a run. It is sample for the records of which there are most.
func (a *assembler) next(number, seconds float64) *DecodeError {
	ms, err := timeMs(seconds)
	if err != nil {
		return err
	}
	if q := &a.quantity; !(number >= q.Min && number <= q.Max) {
		return refuseNumber(q.Check(number))
	}
	a.pack.Samples = append(a.pack.Samples, Sample{TimeMs: ms, Quantity: a.quantity.Name, Number: number})
	return nil
}

// name notes what the records of this name are.
func (a *assembler) name(name []byte) *DecodeError {
	rest, err := a.local(name)
	if err != nil {
		return err
	}
	a.named, a.ownUnit = "", false
	switch string(rest) {
	case nameSeq, nameSpool, nameBoot, nameClock:
		a.named, a.isSample = string(rest), false
		return nil
	}
	var known bool
	if a.quantity, known = quantity.Get(string(rest)); !known {
		a.named = string(rest)
	}
	a.isSample = true
	return nil
}

// local takes the site and machine off a name; they must be the same in the whole pack.
func (a *assembler) local(name []byte) ([]byte, *DecodeError) {
	if len(a.prefix) == 0 {
		site, tail, _ := bytes.Cut(name, []byte{'/'})
		machine, _, ok := bytes.Cut(tail, []byte{'/'})
		if !ok {
			return nil, refuse(ReasonBadRecord, "name %.100q: want {site}/{machine}/{quantity}, so bn is {site}/{machine}/", name)
		}
		if err := errors.Join(CheckID("site", string(site)), CheckID("machine", string(machine))); err != nil {
			return nil, refuse(ReasonBadRecord, "name %.100q: %v", name, err)
		}
		a.pack.Site, a.pack.Machine = string(site), string(machine)
		a.prefix = append(a.prefix, name[:len(site)+len(machine)+2]...)
	}
	rest, ok := bytes.CutPrefix(name, a.prefix)
	if !ok {
		return nil, refuse(ReasonBadRecord, "name %.100q does not begin with %s like the records before: a pack is of one machine", name, a.prefix)
	}
	return rest, nil
}

func (a *assembler) identity(name string, r *resolved) *DecodeError {
	if name == nameSeq {
		if r.kind != labelV {
			return refuse(ReasonWrongType, "seq must be a number (v)")
		}
		if r.num != math.Trunc(r.num) || r.num < 1 || r.num > MaxSeq {
			return refuse(ReasonOutOfRange, "seq %v: want a whole number from 1 to 2^53−1", r.num)
		}
		a.pack.Seq = uint64(r.num)
		return nil
	}
	if r.kind != labelVs {
		return refuse(ReasonWrongType, "%s must be a text (vs)", name)
	}
	text := string(r.text)
	switch name {
	case nameSpool:
		if err := checkToken("spool", text); err != nil {
			return refuse(ReasonBadRecord, "%v", err)
		}
		a.pack.Spool = text
	case nameBoot:
		if err := checkToken("boot", text); err != nil {
			return refuse(ReasonBadRecord, "%v", err)
		}
		a.pack.Boot = text
	case nameClock:
		if a.pack.Clock = Clock(text); !a.pack.Clock.Valid() {
			return refuse(ReasonBadRecord, "clock %.40q: want synced, rtc, repaired or bounded", text)
		}
	}
	return nil
}

// sample takes a value or a quality record.
func (a *assembler) sample(r *resolved) *DecodeError {
	ms, err := timeMs(r.time)
	if err != nil {
		return err
	}
	if a.named != "" {
		if base, ok := strings.CutSuffix(a.named, qualitySuffix); ok {
			return a.quality(base, ms, r)
		}
		return refuse(ReasonUnknownQuantity, "%.100q is not a quantity of this contract, see docs/wire.md", a.named)
	}
	q := &a.quantity
	s := Sample{TimeMs: ms, Quantity: q.Name}
	switch {
	case q.Kind == quantity.KindNumber && r.kind == labelV:
		if s.Number, err = a.number(r); err != nil {
			return err
		}
	case q.Kind == quantity.KindText && r.kind == labelVs:
		s.Text = string(r.text)
		if terr := checkText(s.Text); terr != nil {
			return refuse(ReasonOutOfRange, "%s: %v", q.Name, terr)
		}
	case q.Kind == quantity.KindBool && r.kind == labelVb:
		s.Bool = r.truth
	default:
		return refuse(ReasonWrongType, "%s: want %s", q.Name, [...]string{"a number (v)", "a text (vs)", "true or false (vb)"}[q.Kind])
	}
	a.pack.Samples = append(a.pack.Samples, s)
	return nil
}

// number checks a number of the quantity and gives it in the wire unit.
func (a *assembler) number(r *resolved) (float64, *DecodeError) {
	var n float64
	var err error
	if a.ownUnit && bytes.Equal(a.unit, r.unit) {
		n, err = r.num, a.quantity.Check(r.num)
	} else {
		n, err = CheckedNumber(a.quantity, r.num, string(r.unit))
		a.unit = append(a.unit[:0], r.unit...)
		a.ownUnit = err == nil && (len(r.unit) == 0 || string(r.unit) == a.quantity.Unit)
	}
	if err != nil {
		return 0, refuseNumber(err)
	}
	return n, nil
}

func refuseNumber(err error) *DecodeError {
	var unit *quantity.UnitError
	if errors.As(err, &unit) {
		return refuse(ReasonUnknownUnit, "%v", err)
	}
	return refuse(ReasonOutOfRange, "%v", err)
}

// quality notes how good the sample just before is, or that there is none because reading it failed.
func (a *assembler) quality(base string, ms int64, r *resolved) *DecodeError {
	q, ok := quantity.Get(base)
	if !ok {
		return refuse(ReasonUnknownQuantity, "%.100q is not a quantity of this contract, see docs/wire.md", base)
	}
	if r.kind != labelVs {
		return refuse(ReasonWrongType, "%s.q must be a text (vs)", q.Name)
	}
	text := string(r.text)
	if err := checkQuality(text); err != nil {
		return refuse(ReasonBadRecord, "%s.q: %v", q.Name, err)
	}
	var s *Sample
	if n := len(a.pack.Samples); n > 0 && a.pack.Samples[n-1].Quantity == q.Name && a.pack.Samples[n-1].TimeMs == ms {
		s = &a.pack.Samples[n-1]
	}
	fault := strings.HasPrefix(text, Fault)
	switch {
	case s == nil && !fault:
		return refuse(ReasonBadRecord, "%s.q is %q but no %s of the same time stands right before it", q.Name, text, q.Name)
	case s == nil:
		a.pack.Samples = append(a.pack.Samples, Sample{TimeMs: ms, Quantity: q.Name, Quality: text})
	case fault:
		*s = Sample{TimeMs: ms, Quantity: q.Name, Quality: text}
	default:
		s.Quality = text
	}
	return nil
}

// finish checks what only the whole pack can tell.
func (a *assembler) finish() error {
	if a.refused != nil {
		return a.refused
	}
	var missing []string
	for _, f := range []struct {
		name   string
		absent bool
	}{
		{nameSeq, a.pack.Seq == 0}, {nameSpool, a.pack.Spool == ""},
		{nameBoot, a.pack.Boot == ""}, {nameClock, a.pack.Clock == ""},
	} {
		if f.absent {
			missing = append(missing, f.name)
		}
	}
	if missing != nil {
		return refuse(ReasonMissingIdentity, "no record %s: every pack carries seq, spool, boot and clock", strings.Join(missing, ", "))
	}
	return nil
}

// checkToken accepts what may identify a spool or a boot: 1–64 letters, digits and - . _ :.
func checkToken(what, s string) error {
	ok := len(s) >= 1 && len(s) <= 64
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == ':'
	}
	if !ok {
		return fmt.Errorf("%s %.80q: use 1–64 letters, digits and : - . _", what, s)
	}
	return nil
}

// checkText accepts a text that every store keeps.
func checkText(s string) error {
	if len(s) > MaxTextBytes {
		return fmt.Errorf("a text of %d bytes, at most %d are allowed", len(s), MaxTextBytes)
	}
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("the text %.40q is not plain UTF-8", s)
	}
	return nil
}

// checkQuality accepts a quality of the contract.
func checkQuality(s string) error {
	switch s {
	case "estimated", "stale", "saturated":
		return nil
	}
	cause, ok := strings.CutPrefix(s, Fault)
	ok = ok && len(cause) >= 1 && len(cause) <= 40
	for i := 0; ok && i < len(cause); i++ {
		c := cause[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
	}
	if !ok {
		return fmt.Errorf("quality %.80q: want estimated, stale, saturated or fault:{cause}", s)
	}
	return nil
}
