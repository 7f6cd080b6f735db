package influxd

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
)

// configuration is influxd.conf for a small, private, single-user database. No secret stands in it.
//
// The index is inmem and a shard holds 30 days (shardDuration): we have hundreds of series, not millions. Measured on
// 2 cores with ten machines, three values an hour, five years: inmem and 30 days open in 0.66 s with 100 MB in 130
// files; tsi1 and 7 days, the usual choice for a great many series, need 1.1 s, 331 MB and 4,500 files. A new
// database opens in 0.07 s with 35 MB; writing a month of six machines at full speed takes it to 220 MB for a while.
func configuration(dir string, port int) []byte {
	var b bytes.Buffer
	p := func(parts ...string) string { return strconv.Quote(filepath.Join(append([]string{dir}, parts...)...)) }
	fmt.Fprintf(&b, `# Written by karkhana at each start: changes are lost.
reporting-disabled = true
# Backup and restore: any free loopback port, nobody uses it.
bind-address = "127.0.0.1:0"

[meta]
  dir = %[1]s

[data]
  dir = %[2]s
  wal-dir = %[3]s
  # Every write is on the disk before it is acknowledged: receipts depend on it.
  wal-fsync-delay = "0s"
  index-version = "inmem"
  query-log-enabled = false
  cache-snapshot-memory-size = "16m"
  cache-snapshot-write-cold-duration = "10m"
  cache-max-memory-size = "256m"
  max-concurrent-compactions = 1
  # A few hundred machines: far below, a mistake that makes series without end is stopped early.
  max-series-per-database = 100000

[coordinator]
  write-timeout = "30s"
  max-concurrent-queries = 64
  query-timeout = "0s"

[retention]
  enabled = true
  check-interval = "30m"

[monitor]
  store-enabled = false

[subscriber]
  enabled = false

[continuous_queries]
  enabled = false

[http]
  enabled = true
  bind-address = "127.0.0.1:%[4]d"
  auth-enabled = true
  flux-enabled = false
  log-enabled = false
  suppress-write-log = true
  pprof-enabled = false
  max-body-size = 26214400

[logging]
  level = "warn"
  suppress-logo = true
`, p("meta"), p("data"), p("wal"), port)
	return b.Bytes()
}
