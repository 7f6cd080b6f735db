package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"karkhana/internal/wire"
)

// load says what the generator sends.
type load struct {
	Broker   string        // host:port
	Gateways int           // each a site with an MQTT connection of its own
	Machines int           // of each gateway
	Window   int           // packs of a gateway without a receipt, when PerSecond is 0
	PerS     int           // packs/s of all together; 0: as fast as receipts come
	For      time.Duration // how long new packs are sent
	QoS      int           // of the subscription to receipts
	History  int           // of the gateways, the first so many send on the backlog lane, as fast as they can
}

// loaded is what came of it.
type loaded struct {
	Packs, Resent, Refused       int64
	Seconds                      float64 // from the first pack to the last receipt
	Rates                        float64
	P50Ms, P99Ms, LiveP99Ms, Max float64
}

const (
	patience    = 20 * time.Second // a pack without receipt is sent again
	lastReceipt = 2 * time.Minute
)

// generate plays many gateways: packs with QoS 1, the broker's PUBACK, and the receipts that count.
func generate(ctx context.Context, l load) (loaded, error) {
	sh, err := shapes()
	if err != nil {
		return loaded{}, err
	}
	gws := make([]*gateway, l.Gateways)
	var g errgroup.Group
	g.SetLimit(32)
	for i := range gws {
		g.Go(func() (err error) {
			for range 5 { // a broker that a thousand gateways join at once may need a second
				if gws[i], err = connect(ctx, l, i, sh); err == nil {
					return nil
				}
				time.Sleep(time.Second)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return loaded{}, err
	}
	var all errgroup.Group
	start := time.Now()
	sendCtx, stop := context.WithTimeout(ctx, l.For)
	defer stop()
	for _, gw := range gws {
		all.Go(gw.read)
	}
	var send errgroup.Group
	for i, gw := range gws {
		if l.PerS == 0 || i < l.History {
			send.Go(func() error { return gw.flood(sendCtx, l.Window) })
		}
	}
	if l.PerS > 0 {
		send.Go(func() error { return pace(sendCtx, gws[l.History:], l.PerS) })
	}
	if err := send.Wait(); err != nil {
		return loaded{}, err
	}
	var r loaded
	deadline := time.Now().Add(lastReceipt)
	for open := -1; open != 0 && time.Now().Before(deadline); {
		open = 0
		for _, gw := range gws {
			open += gw.resend()
		}
		time.Sleep(20 * time.Millisecond)
	}
	var last time.Time
	var delays, live []float64
	for _, gw := range gws {
		_ = gw.conn.Close()
		gw.mu.Lock()
		r.Packs += int64(gw.next)
		r.Resent += gw.resent
		r.Refused += gw.refused
		if gw.last.After(last) {
			last = gw.last
		}
		delays = append(delays, gw.delays...)
		if !gw.history {
			live = append(live, gw.delays...)
		}
		gw.mu.Unlock()
	}
	_ = all.Wait() // ended by closing
	slices.Sort(delays)
	slices.Sort(live)
	r.Seconds = last.Sub(start).Seconds()
	r.Rates = float64(len(delays)*packValues) / r.Seconds
	r.P50Ms, r.P99Ms, r.LiveP99Ms, r.Max = quantile(delays, .5), quantile(delays, .99), quantile(live, .99), quantile(delays, 1)
	return r, nil
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// gateway is one MQTT connection.
type gateway struct {
	number   int
	history  bool
	topics   [][]byte // by machine
	machines []machine
	shapes   []shape
	first    int64 // second of each machine's first pack
	conn     net.Conn

	mu      sync.Mutex
	out     *bufio.Writer
	buf     []byte
	packet  uint16
	next    uint64               // packs sent
	open    map[uint64]time.Time // without receipt, by number
	room    *sync.Cond
	delays  []float64 // ms
	resent  int64
	refused int64
	last    time.Time
	lost    atomic.Bool
}

func connect(ctx context.Context, l load, number int, sh []shape) (*gateway, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.Broker)
	if err != nil {
		return nil, err
	}
	g := &gateway{number: number, shapes: sh, conn: conn, out: bufio.NewWriterSize(conn, 16<<10), open: map[uint64]time.Time{}, history: number < l.History}
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
	g.first = time.Now().Unix() - 600_000 // far enough back for any number of packs
	if l.PerS > 0 && !g.history {
		g.first = time.Now().Unix() - packSeconds
	}
	site := siteName(number)
	hello := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60} // clean session, user, password, keep-alive 60 s
	for _, s := range []string{site + "_" + gatewayID, gatewayUser(number), benchKey} {
		hello = appendString(hello, s)
	}
	sub := appendString([]byte{0, 1}, wire.ReceiptTopic(site, gatewayID))
	_, err = conn.Write(slices.Concat(packet(0x10, hello), packet(0x82, append(sub, byte(l.QoS)))))
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	var answer [9]byte // CONNACK, SUBACK
	if _, err := io.ReadFull(r, answer[:]); err != nil || answer[3] != 0 || answer[8] > 1 {
		return nil, fmt.Errorf("gateway %d is refused by the broker: % x %w", number, answer, err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	return g, nil
}

// flood keeps window packs without receipt on the way.
func (g *gateway) flood(ctx context.Context, window int) error {
	defer context.AfterFunc(ctx, g.room.Broadcast)()
	g.mu.Lock()
	defer g.mu.Unlock()
	for ctx.Err() == nil && !g.lost.Load() {
		if len(g.open) >= window {
			if err := g.out.Flush(); err != nil {
				return err
			}
			g.room.Wait()
			continue
		}
		if err := g.send(g.next); err != nil {
			return err
		}
		g.next++
	}
	return g.out.Flush()
}

// pace sends perS packs each second, each machine in turn, as machines do that have a pack each ten seconds.
func pace(ctx context.Context, gws []*gateway, perS int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for due := int(time.Since(start).Seconds() * float64(perS)); sent < due; sent++ {
			g := gws[sent%len(gws)]
			g.mu.Lock()
			err := g.send(g.next)
			g.next++
			err = errors.Join(err, g.out.Flush())
			g.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

// send writes pack n; the lock is held. The same n gives the same pack.
func (g *gateway) send(n uint64) error {
	i := int(n % uint64(len(g.machines)))
	round := int64(n / uint64(len(g.machines)))
	s := &g.shapes[(n+uint64(g.number))%packsPerShape]
	g.buf = s.pack(g.buf, g.machines[i], n, g.first+round*packSeconds)
	if g.packet++; g.packet == 0 {
		g.packet = 1
	}
	var head [8]byte
	head[0] = 0x32
	w := 1 + binary.PutUvarint(head[1:], uint64(2+len(g.topics[i])+2+len(g.buf))) // MQTT's length is a varint
	_, _ = g.out.Write(binary.BigEndian.AppendUint16(head[:w], uint16(len(g.topics[i]))))
	_, _ = g.out.Write(g.topics[i])
	_, _ = g.out.Write([]byte{byte(g.packet >> 8), byte(g.packet)})
	_, err := g.out.Write(g.buf)
	if _, again := g.open[n]; !again {
		g.open[n] = time.Now()
	}
	return err
}

// resend sends again what waits too long and says how many packs have no receipt.
func (g *gateway) resend() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, at := range g.open {
		if time.Since(at) > patience {
			g.open[n] = time.Now()
			g.resent++
			_ = g.send(n)
		}
	}
	_ = g.out.Flush()
	return len(g.open)
}

// read takes what the broker sends until the connection is closed.
func (g *gateway) read() error {
	defer g.room.Broadcast()
	defer g.lost.Store(true)
	r := bufio.NewReaderSize(g.conn, 8<<10)
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
		if sent, ok := g.open[n]; ok {
			delete(g.open, n)
			g.delays = append(g.delays, float64(now.Sub(sent).Microseconds())/1000)
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
	if id != nil {
		_, _ = g.out.Write([]byte{0x40, 2, id[0], id[1]})
		if err := g.out.Flush(); err != nil {
			return err
		}
	}
	g.room.Broadcast()
	return nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func packet(kind byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)
}

// generateCommand is the generator's own process: the load as JSON in the argument, the outcome as JSON on standard
// output.
func generateCommand(ctx context.Context, argument string) error {
	var l load
	if err := json.Unmarshal([]byte(argument), &l); err != nil {
		return err
	}
	l.Broker = strings.TrimPrefix(l.Broker, "mqtt://")
	r, err := generate(ctx, l)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
