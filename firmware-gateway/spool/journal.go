package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sort"

	"github.com/klauspost/compress/s2"
)

// The journal holds, for at most a second's loss, what is not in a segment: packs that are still open, closed packs
// until they are many enough to be compressed, receipts. It is two files of fixed size. A frame a second is written to
// the one, whole sectors past the page cache; when it is full or a block went to a segment, the other begins with a
// frame that holds everything anew. See FORMAT.md.

const (
	frameMagic  = "KJRN"
	frameHeader = 32
	sector      = 512
	maxFrame    = 16 << 20 // of operations
	journals    = 2
)

// journalFile is an open journal. Writes are whole sectors from aligned memory.
type journalFile interface {
	WriteAt(b []byte, off int64) (int, error)
	Sync() error // of data; the file keeps its size
	Close() error
	Unit() int // offsets and lengths are multiples of it
}

func journalName(i int) string { return fmt.Sprintf("journal-%d", i) }

// frame is a good frame as it was found.
type frame struct {
	generation uint64
	number     uint32
	end        int64 // offset behind it
	ops        []byte
}

func appendFrameHeader(b []byte, generation uint64, number, method uint32, ops []byte) []byte {
	start := len(b)
	b = append(b, frameMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ops)))
	b = binary.LittleEndian.AppendUint64(b, generation)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = binary.LittleEndian.AppendUint32(b, method)
	b = binary.LittleEndian.AppendUint32(b, 0)
	crc := crc32.Checksum(b[start:], castagnoli)
	crc = crc32.Update(crc, castagnoli, ops)
	return binary.LittleEndian.AppendUint32(b, crc)
}

func parseFrame(b []byte) (frame, bool) {
	if len(b) < frameHeader || string(b[:4]) != frameMagic {
		return frame{}, false
	}
	n := uint64(binary.LittleEndian.Uint32(b[4:]))
	if n > uint64(len(b)-frameHeader) {
		return frame{}, false
	}
	ops := b[frameHeader : frameHeader+n]
	crc := crc32.Checksum(b[:28], castagnoli)
	if crc32.Update(crc, castagnoli, ops) != binary.LittleEndian.Uint32(b[28:]) {
		return frame{}, false
	}
	f := frame{generation: binary.LittleEndian.Uint64(b[8:]), number: binary.LittleEndian.Uint32(b[16:]), end: int64(frameHeader + n), ops: ops}
	switch binary.LittleEndian.Uint32(b[20:]) {
	case methodNone:
		return f, true
	case methodS2:
		if size, err := s2.DecodedLen(ops); err != nil || size > maxFrame {
			return frame{}, false
		}
		raw, err := s2.Decode(nil, ops)
		f.ops = raw
		return f, err == nil
	}
	return frame{}, false
}

// framesIn finds the good frames of a journal's bytes. Frames begin at whole sectors.
func framesIn(b []byte) []frame {
	var out []frame
	for off := 0; off+frameHeader <= len(b); {
		f, ok := parseFrame(b[off:])
		if !ok {
			off += sector
			continue
		}
		off += int(f.end+sector-1) / sector * sector
		f.end = int64(off)
		out = append(out, f)
	}
	return out
}

// replayed is what the journals of a directory say.
type replayed struct {
	state      state
	generation uint64 // newest
	newest     int    // file of it
	found      bool   // there is a journal with something in it
	damaged    int    // frames that are missing, operations that can't be read
}

// readJournals replays the journals of a directory.
func readJournals(dir string) replayed {
	var files [journals][]byte
	unreadable := 0
	for i := range files {
		b, err := os.ReadFile(filepath.Join(dir, journalName(i)))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			unreadable++
		}
		files[i] = b
	}
	r := replay(files)
	r.damaged += unreadable
	return r
}

// replay replays both files: the older generation first, so that a lost first frame of the newer costs little.
func replay(files [journals][]byte) replayed {
	var r replayed
	r.state.init()
	type numbered struct {
		frame
		file int
	}
	var all []numbered
	for i, b := range files {
		newest := uint64(0)
		frames := framesIn(b)
		for _, f := range frames {
			newest = max(newest, f.generation)
		}
		for _, f := range frames {
			if f.generation == newest { // what is older was overwritten in part
				all = append(all, numbered{f, i})
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].generation != all[j].generation {
			return all[i].generation < all[j].generation
		}
		return all[i].number < all[j].number
	})
	next, generation := uint32(0), uint64(0)
	for _, f := range all {
		if f.generation != generation {
			generation, next = f.generation, 0
		}
		if f.number != next {
			r.damaged++
		}
		next = f.number + 1
		r.found, r.generation, r.newest = true, f.generation, f.file
		if !r.state.apply(f.ops) {
			r.damaged++
		}
	}
	r.damaged += r.state.broken
	return r
}

// journal writes frames.
type journal struct {
	dir        string
	disk       disk
	size       int64
	files      [journals]journalFile
	at         int // file of this generation
	generation uint64
	number     uint32
	off        int64
	last       int64  // bytes of the newest frame
	buf        []byte // sectors, aligned
}

// room reports whether a frame with so many bytes of operations still fits.
func (j *journal) room(ops int) bool {
	f := j.files[j.at]
	return f != nil && j.off > 0 && j.off+roundUp(int64(frameHeader+ops), int64(f.Unit())) <= j.size
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// begin starts a new generation in the other file with a frame that holds everything.
func (j *journal) begin(snapshot []byte) error {
	next := 1 - j.at
	for i, f := range j.files { // both at once: a disk that is full later has them
		if f != nil {
			continue
		}
		f, err := j.disk.OpenJournal(filepath.Join(j.dir, journalName(i)), j.size)
		if err != nil {
			return fmt.Errorf("open %s: %w", journalName(i), err)
		}
		j.files[i] = f
	}
	if n := roundUp(int64(frameHeader+len(snapshot)), int64(j.files[next].Unit())); n > j.size {
		return fmt.Errorf("journal of %d bytes is too small for %d bytes of open packs", j.size, n)
	}
	old := j.at
	j.generation++
	j.at, j.number, j.off = next, 0, 0
	if err := j.write(snapshot); err != nil {
		j.at, j.off = old, 0 // what holds everything so far is not written over
		return err
	}
	return nil
}

// write appends a frame and waits until it is durable. After an error only begin may follow.
func (j *journal) write(ops []byte) error {
	f, method := j.files[j.at], uint32(methodNone)
	if roundUp(int64(frameHeader+len(ops)), sector) > sector { // else it is a sector anyway
		if b := s2.EncodeBetter(nil, ops); len(b) < len(ops) {
			ops, method = b, methodS2
		}
	}
	n := int(roundUp(int64(frameHeader+len(ops)), int64(f.Unit())))
	b := j.aligned(n)
	head := appendFrameHeader(b[:0], j.generation, j.number, method, ops)
	clear(b[copy(b[len(head):], ops)+len(head):])
	off := j.off
	j.off = 0
	if _, err := f.WriteAt(b, off); err != nil {
		return fmt.Errorf("write %s: %w", journalName(j.at), err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", journalName(j.at), err)
	}
	j.off, j.last = off+int64(n), int64(n)
	j.number++
	return nil
}

func (j *journal) close() {
	for i, f := range j.files {
		if f != nil {
			_ = f.Close()
			j.files[i] = nil
		}
	}
}
