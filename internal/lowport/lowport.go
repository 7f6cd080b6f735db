// Package lowport finds loopback ports for servers that are told their port before they start, or that come back on the
// same one. The ports lie below those that the kernel gives to outgoing connections and to listeners on port 0, so that
// nobody gets one by chance between the look and the start, or while the server is down.
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

// Free returns a loopback port nobody listens on now.
func Free() (int, error) {
	var err error
	for range 100 {
		port := first + rand.IntN(last-first)
		var l net.Listener
		if l, err = net.Listen("tcp", address(port)); err == nil { //nolint:noctx // a moment
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free loopback port from %d to %d: %w", first, last-1, err)
}

// Address is Free as 127.0.0.1:PORT.
func Address() (string, error) {
	port, err := Free()
	return address(port), err
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
