// Package lowporttest takes ports for tests.
package lowporttest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/lowport"
)

// Take takes a port until the end of the test.
func Take(t testing.TB) *lowport.Port {
	t.Helper()
	p, err := lowport.Take()
	require.NoError(t, err)
	t.Cleanup(p.Release)
	return p
}

// Address is a port of the test as 127.0.0.1:PORT.
func Address(t testing.TB) string {
	t.Helper()
	return Take(t).Address()
}
