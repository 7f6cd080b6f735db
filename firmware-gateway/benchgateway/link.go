package main

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// link is a TCP proxy before the broker: what the gateway's modem would carry is counted on it.
type link struct {
	listener      net.Listener
	to            string
	wg            sync.WaitGroup
	bytes, chunks atomic.Int64 // both ways
}

func newLink(ctx context.Context, url string) (*link, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &link{listener: l, to: strings.TrimPrefix(url, "mqtt://")}
	k.wg.Go(func() { k.accept(ctx) })
	return k, nil
}

func (k *link) url() string { return "mqtt://" + k.listener.Addr().String() }

// stop ends the link after both of its ends have closed their connections.
func (k *link) stop() {
	_ = k.listener.Close()
	k.wg.Wait()
}

func (k *link) accept(ctx context.Context) {
	for {
		c, err := k.listener.Accept()
		if err != nil {
			return
		}
		var d net.Dialer
		up, err := d.DialContext(ctx, "tcp", k.to)
		if err != nil {
			_ = c.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{c, up}, {up, c}} {
			k.wg.Go(func() {
				_, _ = io.Copy(&tally{k, way[0]}, way[1])
				_ = way[0].Close()
				_ = way[1].Close()
			})
		}
	}
}

// tally counts what passes.
type tally struct {
	*link
	to io.Writer
}

func (t *tally) Write(b []byte) (int, error) {
	t.bytes.Add(int64(len(b)))
	t.chunks.Add(1)
	return t.to.Write(b)
}

// Headers of IPv4 and TCP with timestamps; each chunk of data is answered by an empty segment, at worst.
const headers = 20 + 32

// counted returns the bytes of MQTT both ways, and an estimate of what TCP and IP add.
func (k *link) counted() (mqtt, below int64) { return k.bytes.Load(), k.chunks.Load() * 2 * headers }
