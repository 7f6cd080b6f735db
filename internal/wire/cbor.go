package wire

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A small CBOR reader for SenML (RFC 8949, RFC 8428 §6). Written by hand because decoding is the hot path of ingest:
// it allocates nothing, its memory is bounded by construction (nothing is ever made from a length in the payload),
// and it can tell unknown labels that must be refused from those that may be ignored. The tests hold it against
// github.com/fxamacker/cbor/v2.

// maxNesting is how deep a value of an ignored label may nest.
const maxNesting = 8

// CBOR major types (RFC 8949 §3.1).
const (
	majorUint byte = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// indefinite marks the length of an item that ends with a break.
const indefinite = math.MaxUint64

type cborReader struct {
	p   []byte
	pos int
}

func (r *cborReader) fail(what string) *DecodeError {
	return refuse(ReasonNotSenML, "CBOR at byte %d: %s", r.pos, what)
}

// head reads the head of an item: its major type, the five low bits and its argument. Indefinite lengths give
// the argument [indefinite].
func (r *cborReader) head() (major, info byte, arg uint64, err *DecodeError) {
	if r.pos >= len(r.p) {
		return 0, 0, 0, r.fail("cut off")
	}
	c := r.p[r.pos]
	r.pos++
	major, info = c>>5, c&0x1f
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info == 31 {
		return major, info, indefinite, nil
	}
	if info > 27 {
		return 0, 0, 0, r.fail("reserved head")
	}
	n := 1 << (info - 24)
	if len(r.p)-r.pos < n {
		return 0, 0, 0, r.fail("cut off")
	}
	b := r.p[r.pos:]
	r.pos += n
	switch n {
	case 1:
		arg = uint64(b[0])
	case 2:
		arg = uint64(binary.BigEndian.Uint16(b))
	case 4:
		arg = uint64(binary.BigEndian.Uint32(b))
	default:
		arg = binary.BigEndian.Uint64(b)
	}
	return major, info, arg, nil
}

// more reports whether a container of n items (perhaps indefinite) has an item after the first i, and eats its break.
func (r *cborReader) more(i, n uint64) (bool, *DecodeError) {
	if n != indefinite {
		return i < n, nil
	}
	if r.pos >= len(r.p) {
		return false, r.fail("cut off")
	}
	if r.p[r.pos] == 0xff {
		r.pos++
		return false, nil
	}
	return true, nil
}

func (r *cborReader) take(n uint64) ([]byte, *DecodeError) {
	if n == indefinite {
		return nil, r.fail("a string in chunks is not accepted")
	}
	if n > uint64(len(r.p)-r.pos) {
		return nil, r.fail("cut off")
	}
	b := r.p[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

// skip steps over one whole item.
func (r *cborReader) skip(depth int) *DecodeError {
	if depth > maxNesting {
		return r.fail("nested too deeply")
	}
	major, info, arg, err := r.head()
	if err != nil {
		return err
	}
	switch major {
	case majorBytes, majorText:
		_, err = r.take(arg)
		return err
	case majorArray, majorMap:
		for i := uint64(0); ; i++ {
			ok, err := r.more(i, arg)
			if err != nil || !ok {
				return err
			}
			if err := r.skip(depth + 1); err != nil {
				return err
			}
			if major == majorMap {
				if err := r.skip(depth + 1); err != nil {
					return err
				}
			}
		}
	case majorTag:
		if arg == indefinite {
			return r.fail("reserved head")
		}
		return r.skip(depth + 1)
	case majorSimple:
		if arg == indefinite {
			return r.fail("break where an item belongs")
		}
		if info == 24 && arg < 32 {
			return r.fail("reserved simple value")
		}
	default:
		if arg == indefinite {
			return r.fail("reserved head")
		}
	}
	return nil
}

// number reads an integer, a float of any width or a decimal fraction (tag 4), as RFC 8428 §6 allows.
// ok is false when the item is something else.
func (r *cborReader) number() (v float64, ok bool, err *DecodeError) {
	start := r.pos
	major, info, arg, err := r.head()
	if err != nil {
		return 0, false, err
	}
	if arg == indefinite && info == 31 {
		r.pos = start
		return 0, false, r.skip(0)
	}
	switch {
	case major == majorUint:
		return float64(arg), true, nil
	case major == majorNegative:
		return -1 - float64(arg), true, nil
	case major == majorSimple && info == 25:
		return halfToFloat(uint16(arg)), true, nil
	case major == majorSimple && info == 26:
		return float64(math.Float32frombits(uint32(arg))), true, nil
	case major == majorSimple && info == 27:
		return math.Float64frombits(arg), true, nil
	case major == majorTag && arg == 4:
		return r.decimal()
	}
	r.pos = start
	return 0, false, r.skip(0)
}

// decimal reads the content of tag 4, [exponent, mantissa]: mantissa × 10^exponent (RFC 8949 §3.4.4).
func (r *cborReader) decimal() (float64, bool, *DecodeError) {
	major, _, n, err := r.head()
	if err != nil {
		return 0, false, err
	}
	if major != majorArray || n != 2 {
		return 0, false, r.fail("a decimal fraction must be an array of two integers")
	}
	var text [2]string
	for i := range text {
		major, info, arg, err := r.head()
		switch {
		case err != nil:
			return 0, false, err
		case info != 31 && major == majorUint:
			text[i] = strconv.FormatUint(arg, 10)
		case info != 31 && major == majorNegative && arg < math.MaxUint64:
			text[i] = "-" + strconv.FormatUint(arg+1, 10)
		default:
			return 0, false, r.fail("a decimal fraction must be an array of two integers")
		}
	}
	v, perr := strconv.ParseFloat(text[1]+"e"+text[0], 64)
	if perr != nil {
		v = math.Inf(1) // refused later as out of range, with the quantity's name
	}
	return v, true, nil
}

// text reads a text string; ok is false when the item is something else.
func (r *cborReader) text() (b []byte, ok bool, err *DecodeError) {
	if r.pos < len(r.p) && r.p[r.pos]>>5 != majorText {
		return nil, false, r.skip(0)
	}
	_, _, n, err := r.head()
	if err != nil {
		return nil, false, err
	}
	if b, err = r.take(n); err != nil {
		return nil, false, err
	}
	if !utf8.Valid(b) {
		return nil, false, r.fail("text is not UTF-8")
	}
	return b, true, nil
}

// readCBOR calls fn for each record of the array, in rec.
func readCBOR(payload []byte, rec *record, fn func(*record) *DecodeError) *DecodeError {
	r := &cborReader{p: payload}
	_, _, n, err := r.head() // an array: the caller looked at the first byte
	if err != nil {
		return err
	}
	*rec = record{}
	for i := uint64(0); ; i++ {
		ok, err := r.more(i, n)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if i >= MaxRecords {
			return refuse(ReasonTooLarge, "more than %d records: send smaller packs", MaxRecords)
		}
		if !r.reading(rec) {
			*rec = record{}
			if err := r.record(rec); err != nil {
				return err
			}
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
	if r.pos != len(payload) {
		return r.fail("bytes after the end of the pack")
	}
	return nil
}

// reading reads a record of a number and a time alone, as encoders write it within a run of one quantity: nearly all
// records. False: it is another one, which [cborReader.record] reads from where r stands.
func (r *cborReader) reading(rec *record) bool {
	const twoFields, labelNumberV, labelNumberT = majorMap<<5 | 2, 2, 6
	start := r.pos
	if len(r.p)-start < 5 || r.p[start] != twoFields || r.p[start+1] != labelNumberV {
		return false
	}
	r.pos += 2
	v, ok, err := r.number()
	if ok && err == nil && r.pos < len(r.p) && r.p[r.pos] == labelNumberT {
		r.pos++
		t, ok, err := r.number()
		if ok && err == nil {
			if !rec.isReading() {
				*rec = record{}
			}
			rec.has, rec.v, rec.t = labelsReading, v, t
			return true
		}
	}
	r.pos = start
	return false
}

// record reads one map.
func (r *cborReader) record(rec *record) *DecodeError {
	major, _, n, err := r.head()
	if err != nil {
		return err
	}
	if major != majorMap {
		return r.fail("a record is not a map")
	}
	for i := uint64(0); ; i++ {
		ok, err := r.more(i, n)
		if err != nil || !ok {
			return err
		}
		if err := r.field(rec); err != nil {
			return err
		}
	}
}

// field reads one label and its value.
func (r *cborReader) field(rec *record) *DecodeError {
	start := r.pos
	major, info, arg, err := r.head()
	if err != nil {
		return err
	}
	var number int
	switch {
	case major == majorUint && arg <= 8:
		number = int(arg)
	case major == majorNegative && arg <= 5:
		number = -1 - int(arg)
	case major == majorText && info != 31:
		name, err := r.take(arg)
		if err != nil {
			return err
		}
		if strings.HasSuffix(string(name), "_") {
			return refuse(ReasonBadRecord, "label %.40q must be understood (RFC 8428 §4.4) and is not", name)
		}
		for i, l := range labels {
			if string(name) == l.name {
				return refuse(ReasonBadRecord, "label %q is a text: in CBOR it is the number %d (RFC 8428 §6)", name, i-6)
			}
		}
		return r.skip(0)
	default: // an unknown label
		r.pos = start
		if err := r.skip(0); err != nil {
			return err
		}
		return r.skip(0)
	}
	l := labelOf(number)
	if rec.has&l != 0 {
		return refuse(ReasonBadRecord, "label %s stands twice in a record", labelName(l))
	}
	rec.has |= l
	ok := true
	switch l {
	case labelBn:
		rec.bn, ok, err = r.text()
	case labelBu:
		rec.bu, ok, err = r.text()
	case labelN:
		rec.n, ok, err = r.text()
	case labelU:
		rec.u, ok, err = r.text()
	case labelVs:
		rec.vs, ok, err = r.text()
	case labelVb:
		ok = r.pos < len(r.p) && (r.p[r.pos] == 0xf4 || r.p[r.pos] == 0xf5)
		rec.vb = ok && r.p[r.pos] == 0xf5
		err = r.skip(0)
	case labelVd:
		err = r.skip(0)
	case labelBver:
		if r.pos < len(r.p) && r.p[r.pos]>>5 > majorNegative { // only an unsigned integer is allowed; a negative one is told as it is
			return wrongLabelType(l)
		}
		rec.bver, ok, err = r.number()
	case labelBt:
		rec.bt, ok, err = r.number()
	case labelBv:
		rec.bv, ok, err = r.number()
	case labelV:
		rec.v, ok, err = r.number()
	case labelT:
		rec.t, ok, err = r.number()
	case labelUt, labelS, labelBs:
		_, ok, err = r.number()
	}
	if err != nil {
		return err
	}
	if !ok {
		return wrongLabelType(l)
	}
	return nil
}

// halfToFloat widens a half-precision float (RFC 8949 appendix D).
func halfToFloat(h uint16) float64 {
	exp, mant := int(h>>10&0x1f), float64(h&0x3ff)
	var v float64
	switch exp {
	case 0:
		v = math.Ldexp(mant, -24)
	case 31:
		v = math.Inf(1)
		if mant != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(mant+1024, exp-25)
	}
	if h&0x8000 != 0 {
		v = -v
	}
	return v
}

// The labels by their CBOR number, from −6 to 8, and their JSON names.
var labels = [...]struct {
	label label
	name  string
}{
	{labelBs, "bs"}, {labelBv, "bv"}, {labelBu, "bu"}, {labelBt, "bt"}, {labelBn, "bn"}, {labelBver, "bver"},
	{labelN, "n"}, {labelU, "u"}, {labelV, "v"}, {labelVs, "vs"}, {labelVb, "vb"},
	{labelS, "s"}, {labelT, "t"}, {labelUt, "ut"}, {labelVd, "vd"},
}

func labelOf(number int) label { return labels[number+6].label }

func labelName(l label) string {
	for _, e := range labels {
		if e.label == l {
			return e.name
		}
	}
	return "?"
}

func wrongLabelType(l label) *DecodeError {
	if l&labelValues != 0 {
		return refuse(ReasonWrongType, "%s has a value of another type", labelName(l))
	}
	return refuse(ReasonBadRecord, "label %s has a value of the wrong type", labelName(l))
}
