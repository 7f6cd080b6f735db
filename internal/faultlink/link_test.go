package faultlink

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo is a server that gives back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, k *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", k.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func newLink(t *testing.T) *Link {
	t.Helper()
	k, err := New(echo(t))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

func TestCut(t *testing.T) {
	k := newLink(t)
	c := dial(t, k)
	say(t, c, "hello")
	k.Cut()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = dial(t, k).Read(make([]byte, 1))
	require.Error(t, err, "connected while cut")
	k.Mend()
	say(t, dial(t, k), "again")
}

func TestSilence(t *testing.T) {
	k := newLink(t)
	c := dial(t, k)
	say(t, c, "hello")
	k.Silence()
	_, err := io.WriteString(c, "wait")
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	k.Mend()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	got := make([]byte, 4)
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, "wait", string(got))
}

func TestTear(t *testing.T) {
	k := newLink(t)
	c := dial(t, k)
	say(t, c, "hello")
	k.Tear(10)
	_, err := c.Write(make([]byte, 100))
	require.NoError(t, err)
	got, _ := io.ReadAll(c)
	require.Less(t, len(got), 10)
	k.Mend()
	say(t, dial(t, k), "again")
}

func TestSlow(t *testing.T) {
	k := newLink(t)
	k.Slow(5*time.Millisecond, 10_000)
	begin := time.Now()
	say(t, dial(t, k), "hello")
	require.Greater(t, time.Since(begin), 10*time.Millisecond, "there and back")
}

// packet is a PUBLISH (QoS 1) or a PUBACK with a body of its own.
func packet(i int) []byte {
	if i%5 == 4 {
		return []byte{0x40, 2, byte(i >> 8), byte(i)}
	}
	body := bytes.Repeat([]byte{byte(i)}, 1+i*37%300)
	p := []byte{0x32}
	for n := len(body); ; {
		if n < 128 {
			p = append(p, byte(n))
			break
		}
		p = append(p, byte(n)|0x80)
		n >>= 7
	}
	return append(p, body...)
}

// TestFramer cuts a stream of packets at random places, turns disorder on and off anywhere, and wants whole packets,
// none missing, none broken.
func TestFramer(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var sent [][]byte
		var stream []byte
		for i := range 60 {
			sent = append(sent, packet(i))
			stream = append(stream, sent[i]...)
		}
		var f framer
		var out []byte
		for len(stream) > 0 {
			n := min(len(stream), 1+rng.IntN(400))
			out = append(out, f.pass(append([]byte(nil), stream[:n]...), rng.IntN(2) == 0)...)
			stream = stream[n:]
		}
		out = append(out, f.pass(nil, false)...)
		var got [][]byte
		for len(out) > 0 {
			n, ok := packetLength(out)
			require.True(t, ok && n <= len(out), "seed %d: broken after %d packets", seed, len(got))
			p := slices.Clone(out[:n])
			p[0] &^= flagDup
			got = append(got, p)
			out = out[n:]
		}
		slices.SortFunc(got, bytes.Compare)
		slices.SortFunc(sent, bytes.Compare)
		require.Equal(t, sent, slices.CompactFunc(got, bytes.Equal), "seed %d", seed)
	}
}

func TestDisorder(t *testing.T) {
	k := newLink(t)
	k.Disorder()
	c := dial(t, k)
	var sent []byte
	for i := range 40 {
		sent = append(sent, packet(i)...)
	}
	_, err := c.Write(sent)
	require.NoError(t, err)
	got := make([]byte, len(sent))
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.NotEqual(t, sent, got)
}
