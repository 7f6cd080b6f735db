package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// A pack of the load holds ten seconds of six quantities of a meter at 1 Hz.
const (
	packSeconds   = 10
	packValues    = packSeconds * 6
	packsPerShape = 64 // different packs, so that nothing can be remembered or squeezed by being the same
)

// The marks that a shape is made with, to find the places of what differs from pack to pack.
const (
	markSite, markMachine = "s0000", "m00"
	markSeq               = 1<<40 + 1     // too long for the short forms of a number
	markTime              = 1_700_000_000 // seconds, four bytes
)

// shape is a pack ready to be sent but for its machine, number and time, which are written into it, and the same points
// as line protocol. So the load costs the generator next to nothing.
type shape struct {
	cbor             []byte
	machine, seq, bt int
	lines            []byte
	lineMachines     []int // where the machine's name stands in each line
	lineSites        []int
	lineTimes        []int
}

func shapes() ([]shape, error) {
	m := meter{seed: 7}
	out := make([]shape, packsPerShape)
	for i := range out {
		p := &wire.Pack{Site: markSite, Machine: markMachine, Spool: "bench", Seq: markSeq, Boot: "b", Clock: wire.ClockSynced}
		for s := range int64(packSeconds) {
			p.Samples = append(p.Samples, m.read((markTime+s)*1000)...)
		}
		p.Sort()
		b, err := p.Encode(wire.FormatCBOR)
		if err != nil {
			return nil, err
		}
		bt := bytes.Index(b, binary.BigEndian.AppendUint32([]byte{0x1a}, markTime)) // becomes a float of eight bytes, which takes milliseconds
		if bt < 0 {
			return nil, fmt.Errorf("the codec writes times differently than this program expects: % x", b[:80])
		}
		b = slices.Concat(b[:bt], []byte{0xfb}, make([]byte, 8), b[bt+5:])
		s := shape{cbor: b, bt: bt + 1, machine: bytes.Index(b, []byte(markSite+"/"+markMachine+"/"))}
		s.seq = bytes.Index(b, []byte("\x63seq\x02")) + 5
		if s.machine < 0 || s.seq < 5 || b[s.seq] != 0x1b && b[s.seq] != 0xfb || bytes.Count(b, []byte(markSite)) != bytes.Count(b, []byte(markSite+"/"+markMachine+"/")) {
			return nil, fmt.Errorf("the codec writes packs differently than this program expects: % x", b[:80])
		}
		s.lines = lines(p)
		s.lineMachines = indexes(s.lines, "machine="+markMachine, len("machine="))
		s.lineSites = indexes(s.lines, "site="+markSite, len("site="))
		s.lineTimes = indexes(s.lines, " "+strconv.Itoa(markTime/packSeconds), 1)
		out[i] = s
	}
	return out, nil
}

// lines is what ingest stores of a pack.
func lines(p *wire.Pack) []byte {
	var l tsdb.Lines
	n := len(p.Samples) / 6
	for i := range n {
		l.Point(tsdb.Telemetry, p.Site, p.Machine)
		for k := range 6 {
			s := &p.Samples[k*n+i] // sorted by quantity
			q, _ := quantity.Get(s.Quantity)
			l.Number(q.Field, s.Number*q.Scale)
		}
		l.End(p.Samples[i].TimeMs)
	}
	return l.Bytes()
}

func indexes(b []byte, what string, plus int) (out []int) {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(what))
		if i < 0 {
			return out
		}
		out = append(out, at+i+plus)
		at += i + len(what)
	}
}

// pack writes the n-th pack of a machine, whose first sample is of ms; the result is valid until dst is used again.
func (s *shape) pack(dst []byte, m machine, seq uint64, ms int64) []byte {
	dst = append(dst[:0], s.cbor...)
	for at := 0; ; { // the base name stands before each quantity
		i := bytes.Index(dst[at:], []byte(markSite+"/"+markMachine+"/"))
		if i < 0 {
			break
		}
		copy(dst[at+i:], m.site)
		copy(dst[at+i+len(markSite)+1:], m.id)
		at += i + len(markSite)
	}
	dst[s.seq] = 0x1b // an unsigned integer of eight bytes
	binary.BigEndian.PutUint64(dst[s.seq+1:], markSeq+seq)
	binary.BigEndian.PutUint64(dst[s.bt:], math.Float64bits(float64(ms)/1000))
	return dst
}

// appendLines appends the same points in line protocol.
func (s *shape) appendLines(dst []byte, m machine, second int64) []byte {
	at := len(dst)
	dst = append(dst, s.lines...)
	for _, i := range s.lineMachines {
		copy(dst[at+i:], m.id)
	}
	for _, i := range s.lineSites {
		copy(dst[at+i:], m.site)
	}
	for k, i := range s.lineTimes {
		strconv.AppendInt(dst[at+i:at+i], second+int64(k), 10)
	}
	return dst
}

// machine is one of the load's machines.
type machine struct{ site, id string }

func siteName(gateway int) string      { return fmt.Sprintf("s%04d", gateway+1) }
func machineName(i int) string         { return fmt.Sprintf("m%02d", i+1) }
func machineAt(gateway, i int) machine { return machine{siteName(gateway), machineName(i)} }
func gatewayUser(gateway int) string   { return wire.Username(siteName(gateway), gatewayID) }

const gatewayID = "gw"

// meter gives what a meter shows: decimals of its display, and one channel that is all noise.
type meter struct {
	seed   uint64
	energy float64
}

func (m *meter) noise() float64 {
	m.seed = m.seed*6364136223846793005 + 1442695040888963407
	return float64(int32(m.seed>>32)) / (1 << 31)
}

func (m *meter) read(ms int64) []wire.Sample {
	amps := 6 + .3*m.noise()
	volts := 231 + 2*m.noise()
	watts := amps * volts * .86
	m.energy += watts / 3600
	decimals := func(x float64, n float64) float64 { return math.Round(x*n) / n }
	return []wire.Sample{
		{TimeMs: ms, Quantity: "power", Number: decimals(watts, 10)},
		{TimeMs: ms, Quantity: "energy", Number: decimals(m.energy, 1)},
		{TimeMs: ms, Quantity: "current", Number: decimals(amps, 1000)},
		{TimeMs: ms, Quantity: "voltage", Number: decimals(volts, 10)},
		{TimeMs: ms, Quantity: "power_factor", Number: decimals(.86+.02*m.noise(), 100)},
		{TimeMs: ms, Quantity: "frequency", Number: decimals(50+.05*m.noise(), 100)},
	}
}
