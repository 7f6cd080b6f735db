package spool

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/s2"

	"karkhana/internal/varint"
)

// item is one closed pack.
type item struct {
	seq     uint64
	key     string
	timeMs  int64
	flags   byte
	payload []byte
}

// What is known of a pack without looking into it.
const (
	flagPrecious = 1 // worth thinning when the disk is full
	flagThinned  = 2 // has been thinned already
)

// cost is what the item takes in memory and, before compression, in a block.
func (it *item) cost() int64 { return int64(len(it.payload) + len(it.key) + 16) }

// record gives the item out. Its payload is a copy, because it else holds a whole block in memory.
func (it *item) record() Record {
	return Record{Seq: it.seq, Key: it.key, TimeMs: it.timeMs, Payload: append([]byte(nil), it.payload...)}
}

func (it *item) ref() Ref { return Ref{Seq: it.seq, TimeMs: it.timeMs} }

const (
	blockHead = 24
	// maxBlock is the longest body of a block: the longest pack, incompressible.
	maxBlock = MaxPayload + 64<<10
)

var errBlock = errors.New("block can't be read")

// blockHeader is what stands before the compressed bytes: enough for opening a spool without decompressing.
type blockHeader struct {
	last    uint64
	packs   uint32
	raw     uint32 // bytes before compression
	thinned uint32 // of them: packs that were thinned already
}

// whole reports whether the block has a pack for each seq from first to its last.
func (h blockHeader) whole(first uint64) bool { return h.last-first+1 == uint64(h.packs) }

func parseBlockHead(first uint64, b []byte) (blockHeader, bool) {
	if len(b) < blockHead {
		return blockHeader{}, false
	}
	h := blockHeader{
		last: binary.LittleEndian.Uint64(b), packs: binary.LittleEndian.Uint32(b[8:]),
		raw: binary.LittleEndian.Uint32(b[12:]), thinned: binary.LittleEndian.Uint32(b[16:]),
	}
	return h, h.last >= first && h.last-first < maxSpan && h.packs > 0 && uint64(h.packs) <= h.last-first+1 && h.raw <= maxBlock
}

// Compressions. s2 is an extension of Snappy.
const (
	methodNone = 0
	methodS2   = 1
)

// packBlock makes a block of items: a whole record, framed. Their seqs rise.
func packBlock(items []item) []byte {
	h := blockHeader{last: items[len(items)-1].seq, packs: uint32(len(items))}
	size, oldest, before := int64(0), int64(0), items[0].seq
	for i := range items {
		size += items[i].cost()
	}
	raw := make([]byte, 0, size)
	for i := range items {
		it := &items[i]
		start := len(raw)
		raw = binary.AppendUvarint(raw, it.seq-before)
		raw = append(raw, it.flags, byte(len(it.key)))
		raw = append(raw, it.key...)
		raw = binary.AppendVarint(raw, it.timeMs)
		raw = binary.AppendUvarint(raw, uint64(len(it.payload)))
		raw = append(raw, it.payload...)
		before = it.seq
		if it.flags&flagThinned != 0 {
			h.thinned += uint32(len(raw) - start)
		}
		if it.timeMs > 0 && (oldest == 0 || it.timeMs < oldest) {
			oldest = it.timeMs
		}
	}
	h.raw = uint32(len(raw))
	body := make([]byte, blockHead+s2.MaxEncodedLen(len(raw)))
	body = body[:blockHead+len(s2.EncodeBetter(body[blockHead:], raw))]
	binary.LittleEndian.PutUint64(body, h.last)
	binary.LittleEndian.PutUint32(body[8:], h.packs)
	binary.LittleEndian.PutUint32(body[12:], h.raw)
	binary.LittleEndian.PutUint32(body[16:], h.thinned)
	binary.LittleEndian.PutUint32(body[20:], methodS2)
	return appendRecord(nil, kindBlock, items[0].seq, oldest, "", body)
}

// unpackBlock reads the body of a block.
func unpackBlock(first uint64, body []byte) ([]item, error) {
	h, ok := parseBlockHead(first, body)
	if !ok || binary.LittleEndian.Uint32(body[20:]) != methodS2 {
		return nil, errBlock
	}
	if n, err := s2.DecodedLen(body[blockHead:]); err != nil || n != int(h.raw) {
		return nil, errors.Join(errBlock, err)
	}
	raw, err := s2.Decode(nil, body[blockHead:])
	if err != nil {
		return nil, errors.Join(errBlock, err)
	}
	items := make([]item, 0, min(int(h.packs), len(raw)))
	seq := first
	for r := varint.NewReader(raw); r.Left() > 0; {
		it := item{seq: seq + r.Uvarint(), flags: r.Byte()}
		it.key = string(r.Take(uint64(r.Byte())))
		it.timeMs = r.Varint()
		if it.payload = r.Bytes(); r.Bad() {
			return nil, errBlock
		}
		if it.seq > h.last || len(items) > 0 && it.seq <= items[len(items)-1].seq {
			return nil, errBlock
		}
		seq = it.seq
		items = append(items, it)
	}
	if len(items) != int(h.packs) || seq != h.last {
		return nil, errBlock
	}
	return items, nil
}
