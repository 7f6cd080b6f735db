package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/wire"
)

// server is a broker and ingest in one, that closes the first connections after some packs and gives no receipt for them.
type server struct {
	t       *testing.T
	breaks  int // connections to close
	mu      sync.Mutex
	seen    map[uint64]int // packs by number
	stored  map[uint64]bool
	serving sync.WaitGroup
}

func (s *server) serve(l net.Listener) {
	for n := 0; ; n++ {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.serving.Go(func() {
			defer func() { _ = conn.Close() }()
			s.gateway(conn, n < s.breaks)
		})
	}
}

func (s *server) gateway(conn net.Conn, breaks bool) {
	r := bufio.NewReader(conn)
	for packs := 0; ; {
		kind, err := r.ReadByte()
		if err != nil {
			return
		}
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		switch kind & 0xf0 {
		case 0x10:
			_, _ = conn.Write([]byte{0x20, 2, 0, 0})
		case 0x80:
			_, _ = conn.Write([]byte{0x90, 3, body[0], body[1], 0})
		case 0x30:
			pack, err := wire.Decode(body[2+int(binary.BigEndian.Uint16(body))+2:])
			if !s.take(pack, err, !breaks) {
				return
			}
			if packs++; breaks && packs == 5 {
				return
			}
			if breaks {
				continue
			}
			receipt, err := (&wire.Receipt{Spool: "bench", Stored: [][2]uint64{{pack.Seq, pack.Seq}}}).Encode()
			if err != nil {
				return
			}
			_, _ = conn.Write(packet(0x30, append(appendString(nil, wire.ReceiptTopic(pack.Site, gatewayID)), receipt...)))
		}
	}
}

func (s *server) take(pack *wire.Pack, err error, stored bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.t.Errorf("a pack that is none: %v", err)
		return false
	}
	s.seen[pack.Seq-markSeq]++
	if stored {
		s.stored[pack.Seq-markSeq] = true
	}
	return true
}

// A connection that breaks costs nothing: it is made again, and what had no receipt is sent again.
func TestGatewayConnectsAgain(t *testing.T) {
	for name, l := range map[string]load{
		"flat out": {Gateways: 1, Machines: 2, Window: 10, For: 4 * time.Second},
		"paced":    {Gateways: 1, Machines: 2, PerS: 200, For: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			s := &server{t: t, breaks: 2, seen: map[uint64]int{}, stored: map[uint64]bool{}}
			var accepting sync.WaitGroup
			accepting.Go(func() { s.serve(listener) })
			l.Broker = listener.Addr().String()
			out, err := generate(t.Context(), l)
			require.NoError(t, err)
			require.NoError(t, listener.Close())
			accepting.Wait()
			s.serving.Wait()
			require.EqualValues(t, 2, out.Reconnected)
			require.GreaterOrEqual(t, out.Resent, int64(5))
			require.Greater(t, out.Packs, int64(10))
			require.Len(t, s.stored, int(out.Packs), "each pack was stored")
			require.Len(t, s.seen, int(out.Packs))
			require.Zero(t, out.Refused)
		})
	}
}
