package faultlink

import "math/rand/v2"

// framer finds the packets in the bytes of one way of an MQTT connection (MQTT 3.1.1 §2.2).
type framer struct {
	rest []byte // of a packet that was withheld
	skip int    // bytes of the current packet that were let through before its end came
	head []byte // of a header that is not complete: let through as well
}

// pass returns the bytes that go on. Without disorder these are the same, at once; with it they are whole packets.
func (f *framer) pass(b []byte, disorder bool) []byte {
	if !disorder && len(f.rest) == 0 {
		f.follow(b)
		return b
	}
	out := append([]byte(nil), b[:min(f.skip, len(b))]...)
	b = b[len(out):]
	f.skip -= len(out)
	if len(f.head) > 0 && len(b) > 0 { // a header in two pieces: let the packet go
		n := 0
		for n < len(b) && len(f.head) > 0 {
			f.follow(b[n : n+1])
			n++
		}
		m := min(f.skip, len(b)-n)
		f.skip -= m
		out, b = append(out, b[:n+m]...), b[n+m:]
	}
	f.rest = append(f.rest, b...)
	var packets [][]byte
	for {
		n, ok := packetLength(f.rest)
		if !ok || n > len(f.rest) {
			break
		}
		packets = append(packets, f.rest[:n:n])
		f.rest = f.rest[n:]
	}
	if disorder {
		packets = shuffle(packets)
	} else if len(f.rest) > 0 { // back to bytes: what is left of the last packet goes through
		rest := f.rest
		f.rest = nil
		f.follow(rest)
		packets = append(packets, rest)
	}
	for _, p := range packets {
		out = append(out, p...)
	}
	f.rest = append([]byte(nil), f.rest...)
	return out
}

// follow keeps count of where packets end in bytes that pass as they are.
func (f *framer) follow(b []byte) {
	for len(b) > 0 {
		n := min(f.skip, len(b))
		f.skip -= n
		b = b[n:]
		for len(b) > 0 && f.skip == 0 {
			f.head = append(f.head, b[0])
			b = b[1:]
			if n, ok := packetLength(f.head); ok {
				f.skip = n - len(f.head)
				f.head = nil
				break
			}
			if len(f.head) > 4 { // this is not MQTT
				f.head = nil
			}
		}
	}
}

// packetLength is how long the packet at the beginning of b is; ok is false when its header is not complete.
func packetLength(b []byte) (n int, ok bool) {
	for i := 1; i < len(b) && i < 5; i++ {
		n |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return n + i + 1, true
		}
	}
	return 0, false
}

const (
	typeMask    = 0xf0
	typePublish = 0x30
	flagDup     = 0x08
	qosMask     = 0x06
)

// shuffle changes the order of PUBLISH packets with QoS and doubles one in four; the others keep their places.
func shuffle(packets [][]byte) [][]byte {
	var places []int
	for i, p := range packets {
		if p[0]&typeMask == typePublish && p[0]&qosMask != 0 {
			places = append(places, i)
		}
	}
	rand.Shuffle(len(places), func(i, j int) {
		a, b := places[i], places[j]
		packets[a], packets[b] = packets[b], packets[a]
	})
	for _, i := range places {
		if rand.IntN(4) == 0 {
			again := append([]byte(nil), packets[i]...)
			again[0] |= flagDup
			packets = append(packets, again)
		}
	}
	return packets
}
