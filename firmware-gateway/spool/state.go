package spool

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"karkhana/internal/varint"
)

// state is what the journal keeps: replaying its operations in order gives it back.
type state struct {
	next   uint64 // seqs below it are given away
	mark   []byte
	open   map[string][]byte // key → notes of the pack that is still open
	scraps map[string][]byte // key → notes of packs that can't be had back whole
	queue  []item            // closed packs, ascending
	gone   [][2]uint64       // receipts, in order
	keys   map[uint64]string
	broken int // operations on lost ones
}

func (s *state) init() {
	s.open, s.keys = map[string][]byte{}, map[uint64]string{}
	s.queue, s.gone, s.mark, s.scraps = nil, nil, nil, map[string][]byte{}
}

// Operations of a frame. Numbers are varints.
const (
	opReset   = 1 // next seq: everything before is void
	opKey     = 2 // id, name: short for it in this frame
	opNote    = 3 // id, length, bytes: added to the open pack
	opDrop    = 4 // id: its open pack is void
	opFinish  = 5 // id, seq, time, flags, length, bytes, CRC of the whole pack: added, and the pack is closed
	opAppend  = 6 // id, seq, time, flags, length, bytes: a whole pack
	opReceipt = 7 // first seq, how many more
	opMark    = 8 // length, bytes
)

// ops writes the operations of a frame. Keys get their ids at the first use in it: a frame can be read without others.
type ops struct {
	b    []byte
	keys map[string]uint64
	must bool // something in b must reach the disk soon: more than receipts
}

// minor reports whether what waits may wait for others: a lost receipt costs a pack that is sent once more.
func (o *ops) minor() bool { return !o.must }

func (o *ops) id(key string) uint64 {
	id, ok := o.keys[key]
	if !ok {
		if o.keys == nil {
			o.keys = map[string]uint64{}
		}
		id = uint64(len(o.keys))
		o.keys[key] = id
		o.b = binary.AppendUvarint(append(o.b, opKey), id)
		o.bytes([]byte(key))
	}
	return id
}

func (o *ops) bytes(b []byte) {
	o.b = binary.AppendUvarint(o.b, uint64(len(b)))
	o.b = append(o.b, b...)
}

func (o *ops) reset(next uint64) { o.b = binary.AppendUvarint(append(o.b, opReset), next) }

func (o *ops) note(key string, b []byte) {
	o.must = true
	id := o.id(key)
	o.b = binary.AppendUvarint(append(o.b, opNote), id)
	o.bytes(b)
}

func (o *ops) drop(key string) {
	id := o.id(key)
	o.b = binary.AppendUvarint(append(o.b, opDrop), id)
}

func (o *ops) pack(op byte, it *item, body []byte) {
	o.must = true
	id := o.id(it.key)
	o.b = binary.AppendUvarint(append(o.b, op), id)
	o.b = binary.AppendUvarint(o.b, it.seq)
	o.b = append(binary.AppendVarint(o.b, it.timeMs), it.flags)
	o.bytes(body)
}

// finish closes the open pack of the item's key with tail; the item's payload is the whole pack.
func (o *ops) finish(it *item, tail []byte) {
	o.pack(opFinish, it, tail)
	o.b = binary.LittleEndian.AppendUint32(o.b, crc32.Checksum(it.payload, castagnoli))
}

func (o *ops) append(it *item) { o.pack(opAppend, it, it.payload) }

func (o *ops) receipt(from, to uint64) {
	o.b = binary.AppendUvarint(append(o.b, opReceipt), from)
	o.b = binary.AppendUvarint(o.b, to-from)
}

func (o *ops) mark(b []byte) {
	o.b = append(o.b, opMark)
	o.bytes(b)
}

// apply replays the operations of a frame; false: they can't all be read.
func (s *state) apply(b []byte) bool {
	r := varint.NewReader(b)
	clear(s.keys)
	for r.More() {
		switch op := r.Byte(); op {
		case opReset:
			next := r.Uvarint()
			s.init()
			s.next = max(s.next, next)
		case opKey:
			id := r.Uvarint()
			s.keys[id] = string(r.Bytes())
		case opNote:
			key, ok := s.key(r)
			if b := r.Bytes(); ok {
				s.open[key] = append(s.open[key], b...)
			}
		case opDrop:
			if key, ok := s.key(r); ok {
				delete(s.open, key)
			}
		case opFinish, opAppend:
			s.close(r, op)
		case opReceipt:
			from := r.Uvarint()
			s.receipt(from, from+r.Uvarint())
		case opMark:
			s.mark = append([]byte(nil), r.Bytes()...)
		default:
			r.Spoil()
		}
	}
	return !r.Bad()
}

func (s *state) key(r *varint.Reader) (string, bool) {
	key, ok := s.keys[r.Uvarint()]
	if !ok && !r.Bad() {
		s.broken++
	}
	return key, ok
}

// close reads a finished pack. One whose notes are not what they were when it was closed, because a frame is lost, may
// have been sent: its seq is not used again, and what is left of it is a scrap, to be queued anew.
func (s *state) close(r *varint.Reader, op byte) {
	key, ok := s.key(r)
	it := item{key: key, seq: r.Uvarint(), timeMs: r.Varint(), flags: r.Byte()}
	body := r.Bytes()
	sum := uint32(0)
	if op == opFinish {
		if c := r.Take(4); c != nil {
			sum = binary.LittleEndian.Uint32(c)
		}
	}
	if r.Bad() {
		return
	}
	s.next = max(s.next, it.seq+1)
	if !ok {
		return
	}
	if op == opAppend {
		it.payload = append([]byte(nil), body...)
	} else {
		it.payload = append(s.open[key], body...)
		if crc32.Checksum(it.payload, castagnoli) != sum {
			s.broken++
			s.scraps[key] = append(s.scraps[key], s.open[key]...)
			delete(s.open, key)
			return
		}
		delete(s.open, key)
	}
	if n := len(s.queue); n == 0 || s.queue[n-1].seq < it.seq {
		s.queue = append(s.queue, it)
	}
}

func (s *state) receipt(from, to uint64) {
	if to < from {
		return
	}
	s.gone = append(s.gone, [2]uint64{from, to})
	s.queue = slices.DeleteFunc(s.queue, func(it item) bool { return from <= it.seq && it.seq <= to })
}
