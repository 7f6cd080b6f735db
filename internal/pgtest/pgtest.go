// Package pgtest gives tests a real PostgreSQL.
//
// The first call of [URL] in a test binary starts a server of its own from the installed Debian package: on a free
// loopback port, with a generated password, in a temporary folder, without fsync. A small shell stands between: it
// holds a pipe from the test binary and, when that closes, ends the server and removes the folder. So nothing stays
// behind however the tests end, killed ones included. With KARKHANA_TEST_POSTGRES_URL set, that server is used.
package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// EnvURL names the variable with the URL of a server to use instead of an own one. Its user must be allowed to create
// databases.
const EnvURL = "KARKHANA_TEST_POSTGRES_URL"

// server is the one server of a test binary: starting one per test would cost a second each.
var server = sync.OnceValues(start)

// URL returns the URL of a fresh, empty database that is gone after the tests. It fails the test when there
// is no PostgreSQL.
func URL(t testing.TB) string {
	t.Helper()
	base := os.Getenv(EnvURL)
	if base == "" {
		var err error
		base, err = server()
		require.NoError(t, err)
	}
	u, err := url.Parse(base)
	require.NoError(t, err, "URL of the test server")
	name := "karkhana_" + rand.Text()
	run(t, base, `CREATE DATABASE "`+name+`"`)
	if os.Getenv(EnvURL) != "" { // our own server vanishes as a whole, which is faster
		t.Cleanup(func() { run(t, base, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`) })
	}
	u.Path = "/" + name
	return u.String()
}

func run(t testing.TB, url, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // t.Context has ended in clean-ups
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err, "connect to the test server")
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, query)
	require.NoError(t, err, query)
}
