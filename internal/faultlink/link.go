// Package faultlink is a network link for tests, between a client and a server on this computer, that can be broken in
// every way in which links break: cut, silent, slow, torn in the middle of a message, and with the messages of MQTT
// doubled and out of order.
//
// It owns the connections and what happens to their bytes. It knows of MQTT no more than where a packet ends and which
// are PUBLISH, and it must see a connection from its first byte for that, which is why it is not a general TCP proxy.
package faultlink

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// Link stands in front of a server. All methods may be called at any time from several goroutines.
type Link struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // something below has
	to      string
	state   state
	ways    map[*way]struct{}
	closed  bool
}

// state is what is wrong with a link; the zero value is a good one.
type state struct {
	cut       bool
	silent    bool
	delay     time.Duration
	bytesPerS int
	tear      bool
	disorder  bool
}

// way is one direction of one connection.
type way struct {
	from, to net.Conn
	left     int // bytes until it tears; < 0: it does not
}

// New listens on a free loopback port in front of the server at host:port. Call Close at the end.
func New(to string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a moment
	if err != nil {
		return nil, fmt.Errorf("link to %s: %w", to, err)
	}
	k := &Link{listener: l, to: to, ways: map[*way]struct{}{}}
	k.changed = sync.NewCond(&k.mu)
	k.wg.Go(k.accept)
	return k, nil
}

// Addr is where to connect to, host:port. It stays the same.
func (k *Link) Addr() string { return k.listener.Addr().String() }

// To names another server behind the link: connections from now on go there.
func (k *Link) To(addr string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.to = addr
}

// Cut breaks all connections and refuses new ones, until Mend. What is on its way is lost, as with a pulled cable.
func (k *Link) Cut() {
	k.change(func(s *state) { s.cut = true })
	k.drop()
}

// Silence lets connections stand and no byte through, until Mend: then everything that waited comes.
func (k *Link) Silence() { k.change(func(s *state) { s.silent = true }) }

// Slow delays what passes and bounds how much does, each way of each connection, until Mend.
func (k *Link) Slow(delay time.Duration, bytesPerS int) {
	k.change(func(s *state) { s.delay, s.bytesPerS = delay, bytesPerS })
}

// Tear breaks each connection after that many more bytes of a way at most, in the middle of whatever goes on, also those
// that are opened later, until Mend.
func (k *Link) Tear(bytes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state.tear = true
	for w := range k.ways {
		w.left = rand.IntN(bytes)
	}
}

// Disorder sends MQTT's PUBLISH packets twice, now and then, and in another order, until Mend.
func (k *Link) Disorder() { k.change(func(s *state) { s.disorder = true }) }

// Mend makes the link good again.
func (k *Link) Mend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state = state{}
	for w := range k.ways {
		w.left = -1
	}
	k.changed.Broadcast()
}

// Close ends the link and all its connections.
func (k *Link) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	_ = k.listener.Close()
	k.drop()
	k.wg.Wait()
}

func (k *Link) change(f func(*state)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.state)
	k.changed.Broadcast()
}

// drop closes all connections.
func (k *Link) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for w := range k.ways {
		_ = w.from.Close()
		_ = w.to.Close()
		delete(k.ways, w)
	}
	k.changed.Broadcast()
}

func (k *Link) accept() {
	for {
		client, err := k.listener.Accept()
		if err != nil {
			return
		}
		k.wg.Go(func() { k.connect(client) })
	}
}

// tornAfter is how many bytes a connection lives that is opened while the link tears.
const tornAfter = 8 << 10

func (k *Link) connect(client net.Conn) {
	k.mu.Lock()
	to, down := k.to, k.state.cut || k.closed
	k.mu.Unlock()
	if down {
		_ = client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", to, 10*time.Second) //nolint:noctx // bounded
	if err != nil {
		_ = client.Close()
		return
	}
	ways := []*way{{client, server, -1}, {server, client, -1}}
	k.mu.Lock()
	if k.state.cut || k.closed {
		k.mu.Unlock()
		_, _ = client.Close(), server.Close()
		return
	}
	for _, w := range ways {
		if k.state.tear {
			w.left = rand.IntN(tornAfter)
		}
		k.ways[w] = struct{}{}
	}
	k.mu.Unlock()
	for _, w := range ways {
		k.wg.Go(func() {
			k.pump(w)
			_, _ = w.from.Close(), w.to.Close()
			k.mu.Lock()
			defer k.mu.Unlock()
			for _, w := range ways { // the other one ends too
				delete(k.ways, w)
			}
			k.changed.Broadcast()
		})
	}
}

const (
	atOnce     = 16 << 10
	gatherFor  = 50 * time.Millisecond // so many packets are there to disorder
	gatherMost = 64 << 10
)

// pump moves bytes until the connection ends.
func (k *Link) pump(w *way) {
	var f framer
	buf := make([]byte, atOnce)
	for {
		n, err := w.from.Read(buf)
		if n == 0 && err != nil {
			return
		}
		b := buf[:n]
		s, open := k.gate(w, n)
		if !open {
			return
		}
		if s.disorder {
			b = gather(w.from, append([]byte(nil), b...))
		}
		b = f.pass(b, s.disorder)
		if s.delay > 0 {
			time.Sleep(s.delay)
		}
		if s.bytesPerS > 0 {
			time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(s.bytesPerS))
		}
		if s.silent { // it may have become so meanwhile
			if _, open := k.gate(w, 0); !open {
				return
			}
		}
		if _, err := w.to.Write(b[:min(len(b), s.room)]); err != nil || s.room < len(b) {
			return
		}
	}
}

// passing is how bytes pass now.
type passing struct {
	state
	room int // how many bytes pass before the connection breaks
}

// gate waits while the link is silent and says how n bytes pass. open is false when the connection has ended.
func (k *Link) gate(w *way, n int) (p passing, open bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		if _, open := k.ways[w]; !open {
			return p, false
		}
		if !k.state.silent {
			break
		}
		k.changed.Wait()
	}
	p = passing{state: k.state, room: 1 << 30}
	if w.left >= 0 {
		p.room = w.left
		w.left = max(0, w.left-n)
	}
	return p, true
}

// gather reads on for a moment.
func gather(c net.Conn, b []byte) []byte {
	_ = c.SetReadDeadline(time.Now().Add(gatherFor))
	defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	buf := make([]byte, atOnce)
	for len(b) < gatherMost {
		n, err := c.Read(buf)
		b = append(b, buf[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) || err != nil {
			break // an end shows up again at the next read
		}
	}
	return b
}
