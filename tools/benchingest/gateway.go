package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"karkhana/internal/wire"
)

const (
	patience     = 20 * time.Second // a pack without receipt is sent again
	pingAfter    = 20 * time.Second // of silence; the broker is told 60 s
	writeTimeout = 30 * time.Second // of a broker that takes nothing any more
	reconnect    = time.Second      // as a gateway: the wait doubles until a connection brought a receipt
	reconnectMax = 30 * time.Second
	slowStart    = 16 // packs on their way before the first receipt, as a gateway
	mostOnWay    = 512
)

// gateway plays one gateway: an MQTT connection that is made again when it breaks, and packs that are kept until their
// receipt and sent again after that.
type gateway struct {
	load     load
	number   int
	history  bool
	topics   [][]byte // by machine
	machines []machine
	shapes   []shape
	first    int64      // second of each machine's first pack
	broken   *sync.Once // for the first broken connection of all

	mu          sync.Mutex
	room        *sync.Cond // a receipt has come
	conn        net.Conn
	out         *bufio.Writer // nil while there is no connection
	connected   time.Time
	wrote       time.Time
	buf         []byte
	packet      uint16
	next        uint64 // packs made
	open        map[uint64]sending
	delays      []float64 // ms
	resent      int64
	refused     int64
	reconnected int64
	answered    bool // a receipt came on this connection
	onWay       int  // packs sent on this connection without a receipt
	allowed     int  // the most of these
	last        time.Time
}

// sending says when a pack without receipt was made, when it was last sent, and whether it is on its way on this connection.
type sending struct {
	made, sent time.Time
	out        bool
}

func newGateway(l load, number int, sh []shape, broken *sync.Once) *gateway {
	g := &gateway{load: l, number: number, broken: broken, shapes: sh, open: map[uint64]sending{}, history: number < l.History}
	g.room = sync.NewCond(&g.mu)
	lane := wire.LaneLive
	if g.history {
		lane = wire.LaneHistory
	}
	for i := range l.Machines {
		m := machineAt(number, i)
		g.machines = append(g.machines, m)
		g.topics = append(g.topics, []byte(wire.PackTopic(m.site, gatewayID, m.id, lane)))
	}
	g.first = time.Now().Unix() - 600_000                                        // far enough back for any number of packs
	if l.PerS > 0 && !g.history && l.PerS*packSeconds <= l.Gateways*l.Machines { // else the packs run ahead of the time
		g.first = time.Now().Unix() - packSeconds
	}
	return g
}

// connect signs in, subscribes to receipts and waits for the broker's answers.
func (g *gateway) connect(ctx context.Context) error {
	d := net.Dialer{Timeout: 10 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", g.load.Broker)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	site := siteName(g.number)
	hello := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60} // clean session, user, password, keep-alive 60 s
	for _, s := range []string{site + "_" + gatewayID, gatewayUser(g.number), benchKey} {
		hello = appendString(hello, s)
	}
	sub := appendString([]byte{0, 1}, wire.ReceiptTopic(site, gatewayID))
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err = conn.Write(slices.Concat(packet(0x10, hello), packet(0x82, append(sub, byte(g.load.QoS)))))
	var answer [9]byte // CONNACK, SUBACK; nothing else comes before them on a clean session
	if err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err != nil || answer[3] != 0 || answer[8] > 1 {
		_ = conn.Close()
		return fmt.Errorf("gateway %d is refused by the broker: % x %w", g.number, answer, errors.Join(err))
	}
	_ = conn.SetDeadline(time.Time{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conn, g.out = conn, bufio.NewWriterSize(impatient{conn}, 16<<10)
	g.connected = time.Now()
	g.wrote = g.connected
	g.onWay, g.allowed = 0, slowStart
	for n, s := range g.open {
		s.out = false
		g.open[n] = s
	}
	return nil
}

// impatient is a connection whose writes fail when the broker takes nothing for long.
type impatient struct{ net.Conn }

func (c impatient) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	return c.Conn.Write(b)
}

// run takes what the broker sends until ctx ends. A connection that breaks is made again, and what has no receipt is
// sent again at once, oldest first, as a gateway does.
func (g *gateway) run(ctx context.Context) {
	wait := reconnect
	for first := true; ; first = false {
		g.mu.Lock()
		conn, connected := g.conn, g.connected
		g.answered = false
		g.mu.Unlock()
		stopClose := context.AfterFunc(ctx, func() { _ = conn.Close() })
		var again sync.WaitGroup
		if !first {
			again.Go(func() { g.resend(connected) })
		}
		err := g.read(conn)
		_ = conn.Close()
		stopClose()
		again.Wait()
		g.mu.Lock()
		g.out = nil
		if g.answered {
			wait = reconnect
		}
		g.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		g.broken.Do(func() {
			fmt.Fprintf(os.Stderr, "benchingest: the first connection that broke: gateway %d: %v\n", g.number, err)
		})
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait/2 + rand.N(wait/2)):
			}
			wait = min(2*wait, reconnectMax)
			if g.connect(ctx) == nil {
				break
			}
		}
		g.mu.Lock()
		g.reconnected++
		g.mu.Unlock()
	}
}

// flood keeps window packs without receipt on the way.
func (g *gateway) flood(ctx context.Context, window int) {
	defer context.AfterFunc(ctx, g.room.Broadcast)()
	g.mu.Lock()
	defer g.mu.Unlock()
	for ctx.Err() == nil {
		if len(g.open) >= window {
			g.flush()
			g.room.Wait()
			continue
		}
		g.send(g.next)
		g.next++
	}
	g.flush()
}

// sendNext makes the next pack and sends it.
func (g *gateway) sendNext() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.send(g.next)
	g.next++
	g.flush()
}

// send writes pack n, or leaves it for later when there is no connection or enough is on its way; the lock is held. The same n gives the
// same pack. A connection that fails is left to its reader.
func (g *gateway) send(n uint64) {
	now := time.Now()
	s, again := g.open[n]
	if !again {
		s.made = now
	}
	if g.out == nil || !s.out && g.onWay >= g.allowed {
		g.open[n] = s
		return
	}
	if !s.sent.IsZero() {
		g.resent++
	}
	if !s.out {
		s.out = true
		g.onWay++
	}
	s.sent = now
	g.open[n] = s
	i := int(n % uint64(len(g.machines)))
	round := int64(n / uint64(len(g.machines)))
	sh := &g.shapes[(n+uint64(g.number))%packsPerShape]
	ms := (g.first + round*packSeconds) * 1000
	if g.load.Fresh && !g.history {
		ms = s.made.UnixMilli() - (packSeconds-1)*1000
	}
	g.buf = sh.pack(g.buf, g.machines[i], n, ms)
	if g.packet++; g.packet == 0 {
		g.packet = 1
	}
	var head [8]byte
	head[0] = 0x32
	w := 1 + binary.PutUvarint(head[1:], uint64(2+len(g.topics[i])+2+len(g.buf))) // MQTT's length is a varint
	_, _ = g.out.Write(binary.BigEndian.AppendUint16(head[:w], uint16(len(g.topics[i]))))
	_, _ = g.out.Write(g.topics[i])
	_, _ = g.out.Write([]byte{byte(g.packet >> 8), byte(g.packet)})
	_, _ = g.out.Write(g.buf) // its error stays with the writer and comes back from flush
	g.wrote = now
}

// flush writes out what send has buffered, and ends a connection that fails; the lock is held.
func (g *gateway) flush() {
	if g.out != nil && g.out.Flush() != nil {
		_ = g.conn.Close()
	}
}

// waits says whether packs have no receipt.
func (g *gateway) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open) > 0
}

// waiting sends what is not on its way, oldest first, as far as allowed; the lock is held.
func (g *gateway) waiting() {
	if g.out == nil || g.onWay >= g.allowed || g.onWay == len(g.open) {
		return
	}
	var due []uint64
	for n, s := range g.open {
		if !s.out {
			due = append(due, n)
		}
	}
	slices.Sort(due)
	for _, n := range due[:min(len(due), g.allowed-g.onWay)] {
		g.send(n)
	}
	g.flush()
}

// resend gives up waiting for what was last sent before a time, and begins slowly again.
func (g *gateway) resend(before time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.out == nil {
		return
	}
	for n, s := range g.open {
		if s.out && s.sent.Before(before) {
			s.out = false
			g.open[n] = s
			g.onWay--
			g.allowed = slowStart
		}
	}
	g.waiting()
	if time.Since(g.wrote) > pingAfter {
		_, _ = g.out.Write(packet(0xc0, nil))
		g.wrote = time.Now()
	}
	g.flush()
}

// repeat looks after packs that wait too long, and connections that are silent, until ctx ends.
func repeat(ctx context.Context, gws []*gateway) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, g := range gws {
			g.resend(time.Now().Add(-patience))
		}
	}
}

// read takes what the broker sends until the connection ends.
func (g *gateway) read(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, 8<<10)
	var body []byte
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return err
		}
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return err
		}
		body = slices.Grow(body[:0], int(n))[:n]
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		if kind&0xf0 == 0x30 {
			if err := g.publish(kind, body); err != nil {
				fmt.Fprintln(os.Stderr, "benchingest:", err)
			}
		}
	}
}

// publish takes a receipt and acknowledges it.
func (g *gateway) publish(kind byte, body []byte) error {
	at := 2 + int(binary.BigEndian.Uint16(body))
	var id []byte
	if kind&0x06 != 0 {
		id = body[at : at+2]
		at += 2
	}
	receipt, err := wire.DecodeReceipt(body[at:])
	if err != nil {
		return err
	}
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	done := func(seq uint64) {
		n := seq - markSeq
		if s, ok := g.open[n]; ok {
			delete(g.open, n)
			if s.out {
				g.onWay--
			}
			g.allowed = min(g.allowed+1, mostOnWay)
			g.delays = append(g.delays, float64(now.Sub(s.made).Microseconds())/1000)
			g.last = now
		}
	}
	for _, s := range receipt.Stored {
		for seq := s[0]; seq <= s[1]; seq++ {
			done(seq)
		}
	}
	for _, s := range receipt.Refused {
		g.refused++
		done(s.Seq)
	}
	if id != nil && g.out != nil {
		_, _ = g.out.Write([]byte{0x40, 2, id[0], id[1]})
		g.flush()
	}
	g.answered = true
	g.waiting()
	g.room.Broadcast()
	return nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func packet(kind byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)
}
