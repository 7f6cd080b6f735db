package uplinktest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/faultlink"
)

// Proxy is a link to a broker that can be broken.
type Proxy struct{ *faultlink.Link }

// NewProxy listens in front of the broker at url (mqtt://host:port).
func NewProxy(t *testing.T, url string) *Proxy {
	t.Helper()
	l, err := faultlink.New(strings.TrimPrefix(url, "mqtt://"))
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return &Proxy{l}
}

// URL is where to connect to.
func (p *Proxy) URL() string { return "mqtt://" + p.Addr() }
