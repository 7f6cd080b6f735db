package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	fileMagic        = "KSPL"
	fileVersion      = 2
	oldestVersion    = 1 // still read: packs that are not in blocks
	fileHeaderSize   = 36
	recordHeaderSize = 28
	sealPayload      = 8
	sealSize         = recordHeaderSize + sealPayload
	idLength         = 16

	// MaxPayload is the longest payload of a record, bytes. A pack of 400 samples needs about 6 kB.
	MaxPayload = 1 << 20
	// MaxKey is the longest key, bytes.
	MaxKey = 255
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	marker     = [2]byte{0xC7, 0x5B}
)

type kind uint8

const (
	kindPack  kind = 1
	kindBlock kind = 2 // many packs, compressed
	kindSeal  kind = 255
)

// Record is one pack of the queue.
type Record struct {
	Seq     uint64
	Key     string // machine id
	TimeMs  int64  // newest sample, Unix ms; 0: not known yet
	Payload []byte // the caller may keep it
}

// Ref names the record, for reading it again.
func (r Record) Ref() Ref { return Ref{Seq: r.Seq, TimeMs: r.TimeMs} }

// Ref names a durable record. It costs 16 bytes instead of a pack's kilobytes.
type Ref struct {
	Seq    uint64
	TimeMs int64 // newest sample, Unix ms; 0: not known yet
}

func appendFileHeader(b []byte, id string, first uint64) []byte {
	start := len(b)
	b = append(b, fileMagic...)
	b = binary.LittleEndian.AppendUint16(b, fileVersion)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = append(b, id...)
	b = binary.LittleEndian.AppendUint64(b, first)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

var errHeader = errors.New("segment header is damaged")

// parseFileHeader returns the spool id of a segment. A header of another version gives an error that is not errHeader.
func parseFileHeader(b []byte, first uint64) (string, error) {
	if len(b) < fileHeaderSize || string(b[:4]) != fileMagic ||
		crc32.Checksum(b[:32], castagnoli) != binary.LittleEndian.Uint32(b[32:]) {
		return "", errHeader
	}
	if v := binary.LittleEndian.Uint16(b[4:]); v < oldestVersion || v > fileVersion {
		return "", fmt.Errorf("segment has version %d, this gateway reads %d to %d: it was written by a newer gateway", v, oldestVersion, fileVersion)
	}
	if got := binary.LittleEndian.Uint64(b[24:]); got != first {
		return "", fmt.Errorf("segment starts at seq %d and is named %d: put the name right", got, first)
	}
	return string(b[8 : 8+idLength]), nil
}

func appendRecord(b []byte, k kind, seq uint64, timeMs int64, key string, payload []byte) []byte {
	start := len(b)
	b = append(b, marker[0], marker[1], byte(k), byte(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(timeMs))
	crc := crc32.Checksum(b[start:], castagnoli)
	crc = crc32.Update(crc, castagnoli, []byte(key))
	crc = crc32.Update(crc, castagnoli, payload)
	b = binary.LittleEndian.AppendUint32(b, crc)
	b = append(b, key...)
	return append(b, payload...)
}

// header is a parsed record header that looks possible; only the CRC over all bytes makes it true.
type header struct {
	kind   kind
	keyLen int
	length int
	seq    uint64
	timeMs int64
	crc    uint32
}

func (h header) size() int64 { return int64(recordHeaderSize + h.keyLen + h.length) }

func parseHeader(b []byte) (header, bool) {
	if len(b) < recordHeaderSize || b[0] != marker[0] || b[1] != marker[1] {
		return header{}, false
	}
	h := header{
		kind:   kind(b[2]),
		keyLen: int(b[3]),
		length: int(binary.LittleEndian.Uint32(b[4:])),
		seq:    binary.LittleEndian.Uint64(b[8:]),
		timeMs: int64(binary.LittleEndian.Uint64(b[16:])),
		crc:    binary.LittleEndian.Uint32(b[24:]),
	}
	switch h.kind {
	case kindPack, kindSeal:
		return h, h.length <= MaxPayload
	case kindBlock:
		return h, h.length >= blockHead && h.length <= maxBlock
	}
	return h, false
}

func (h header) verify(b []byte) bool {
	crc := crc32.Checksum(b[:24], castagnoli)
	return crc32.Update(crc, castagnoli, b[recordHeaderSize:h.size()]) == h.crc
}

// window reads a file piecewise, so that neither scanning nor sending holds a whole segment.
type window struct {
	r     io.ReaderAt
	buf   []byte
	from  int64
	limit int64 // never read past it: what follows may be half written
	err   error // a read that failed for another reason than the end of the file
}

const windowBytes = 64 << 10

// peek returns n bytes at off, or nil when the file has fewer. The bytes hold until the next call.
func (w *window) peek(off int64, n int) []byte {
	if off < w.from || off+int64(n) > w.from+int64(len(w.buf)) {
		want := int(min(int64(max(n, windowBytes)), w.limit-off))
		if want < n {
			return nil
		}
		if cap(w.buf) < want {
			w.buf = make([]byte, want)
		}
		got, err := w.r.ReadAt(w.buf[:want], off)
		if err != nil && !errors.Is(err, io.EOF) {
			w.err = err
		}
		w.buf, w.from = w.buf[:got], off
	}
	i := off - w.from
	if i+int64(n) > int64(len(w.buf)) {
		return nil
	}
	return w.buf[i : i+int64(n)]
}

// found is a good record within a file. body holds until the next call on the window.
type found struct {
	header
	offset int64
	body   []byte
}

func (f found) end() int64 { return f.offset + f.size() }

// items returns the packs of a record, in order. err: the CRC is right but a block can't be read. What a pack of the
// former version holds is not known, so that it may be precious.
func (f found) items() ([]item, error) {
	body := f.body[recordHeaderSize:]
	if f.kind == kindPack {
		return []item{{seq: f.seq, key: string(body[:f.keyLen]), timeMs: f.timeMs, flags: flagPrecious, payload: append([]byte(nil), body[f.keyLen:]...)}}, nil
	}
	return unpackBlock(f.seq, body)
}

// next finds the first good record in [off, limit) whose seq lies in [minSeq, maxSeq]. Bytes before it are damage.
func (w *window) next(off, limit int64, minSeq, maxSeq uint64) (found, bool) {
	w.limit = limit
	for ; off+recordHeaderSize <= limit && w.err == nil; off++ {
		h, ok := parseHeader(w.peek(off, recordHeaderSize))
		if !ok || h.seq > maxSeq || off+h.size() > limit || (h.kind != kindSeal && h.seq < minSeq) {
			continue
		}
		b := w.peek(off, int(h.size()))
		if b != nil && h.verify(b) {
			return found{header: h, offset: off, body: b}, true
		}
	}
	return found{}, false
}
