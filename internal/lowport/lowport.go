// Package lowport finds loopback ports for servers that are told their port before they start, or that come back on the
// same one. The ports lie below those that the kernel gives to outgoing connections and to listeners on port 0, so that
// nobody gets one by chance between the look and the start, or while the server is down; and who has taken one here has
// it alone, so that nobody else who looks here gets it at such a moment, in this process or in another one.
package lowport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The range asked: Linux gives 32768 and above of its own accord.
const (
	first = 20_000
	last  = 32_000
)

// Port is a loopback port that its holder alone has, whether a server listens on it just now or not.
type Port struct {
	Number int
	// claim is the UDP port of the same number, on which nobody ever sends. The kernel gives it to one process at a time and
	// takes it back when that process ends, however it ends.
	claim net.PacketConn
}

// Take returns a port that nobody else has taken and nobody listens on. Give it back with Release, and hold on to it until
// then.
func Take() (*Port, error) {
	var err error
	for range 100 {
		var p *Port
		if p, err = take(first + rand.IntN(last-first)); err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no free loopback port from %d to %d: %w", first, last-1, err)
}

func take(number int) (*Port, error) {
	claim, err := net.ListenPacket("udp", address(number)) //nolint:noctx // a moment
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address(number)) //nolint:noctx // a moment
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		_ = claim.Close()
		return nil, err
	}
	return &Port{Number: number, claim: claim}, nil
}

// Release gives the port back. It may be called again.
func (p *Port) Release() { _ = p.claim.Close() }

// Address is the port as 127.0.0.1:PORT.
func (p *Port) Address() string { return address(p.Number) }

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
