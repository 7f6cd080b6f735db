package benchfaults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/tsdb"
)

// recording is what a gateway plays. Row i holds register state i, each a second after the one before but for a hole.
type recording struct {
	machine, csv string
	times        []int64 // ms, of each row
}

func newRecording(t *testing.T, dir, machine string, rng *rand.Rand, rows int, from time.Time) recording {
	t.Helper()
	r := recording{machine: machine, csv: filepath.Join(dir, machine+".csv"), times: make([]int64, rows)}
	hole, at := rng.IntN(rows), from.UnixMilli()
	var b strings.Builder
	b.WriteString("time,machine,power[W],energy[Wh]\n")
	for i := range r.times {
		r.times[i] = at
		fmt.Fprintf(&b, "%d.%03d,%s,%g,%d\n", at/1000, at%1000, machine, powerOf(int64(i)), i)
		at += 1000
		if i == hole {
			at += 600_000
		}
	}
	require.NoError(t, os.WriteFile(r.csv, []byte(b.String()), 0o600))
	return r
}

// comparison counts values; a row has two.
type comparison struct {
	sent, stored   int
	lost, doubled  int
	wrong          int // stored, but not as they were sent: value, time, or order
	cut            int // read, but not yet on the gateway's disk when it was killed: promise 2 allows a second
	longestCutRead int // the most of these in one kill, readings
	refused        uint64
}

func (c *comparison) add(o comparison) {
	c.sent, c.stored, c.lost, c.doubled = c.sent+o.sent, c.stored+o.stored, c.lost+o.lost, c.doubled+o.doubled
	c.wrong, c.cut, c.longestCutRead = c.wrong+o.wrong, c.cut+o.cut, max(c.longestCutRead, o.longestCutRead)
	c.refused += o.refused
}

// row is one stored row of a machine.
type row struct {
	ms            int64
	power, energy any
}

func (l *line) read(t *testing.T, machine string) (rows []row) {
	t.Helper()
	q := tsdb.Query{Measurement: tsdb.Telemetry, Site: site, Machine: machine, Fields: []string{"power_w", "energy_wh"}, FromMs: 0, ToMs: 1 << 43}
	waitFor(t, "influxd does not answer", func() bool {
		rows = rows[:0]
		return l.tsdb.Read(context.Background(), q, func(r tsdb.Row) error {
			rows = append(rows, row{r.TimeMs, r.Values[0], r.Values[1]})
			return nil
		}) == nil
	})
	return rows
}

// compare holds everything that was sent against everything that is stored.
func (l *line) compare(t *testing.T) (total comparison) {
	t.Helper()
	say := func(c comparison, machine string) {
		if c.lost+c.doubled+c.wrong > 0 {
			t.Errorf("%s: %+v", machine, c)
		}
		total.add(c)
	}
	for _, r := range l.recordings {
		sent := make([]int64, len(r.times))
		for i := range sent {
			sent[i] = int64(i)
		}
		c, found := match(l.read(t, r.machine), sent)
		for n, ms := range found {
			if ms != r.times[n] {
				c.wrong += 2
			}
		}
		c.lost = c.sent - c.stored
		say(c, r.machine)
	}
	for _, g := range l.gateways {
		c := l.compareMeter(t, g)
		c.refused = g.refused
		say(c, g.meter())
	}
	return total
}

// match finds sent states of a register among stored rows, and tells where each is.
func match(rows []row, sent []int64) (c comparison, found map[int64]int64) {
	c.sent = 2 * len(sent)
	known := make(map[int64]bool, len(sent))
	for _, n := range sent {
		known[n] = true
	}
	found = make(map[int64]int64, len(sent))
	for _, r := range rows {
		energy, _ := tsdb.Number(r.energy)
		n := int64(energy)
		_, twice := found[n]
		switch {
		case r.energy == nil || r.power == nil: // half a row
			c.wrong++
		case !known[n] || r.power != powerOf(n) || energy != float64(n):
			c.wrong += 2
		case twice:
			c.doubled += 2
		default:
			found[n] = r.ms
			c.stored += 2
		}
	}
	return c, found
}

// compareMeter holds what the meter noted of each run against what is stored. Of a run that was killed the last readings
// may be missing, but none before them.
func (l *line) compareMeter(t *testing.T, g *gatewayProcess) comparison {
	t.Helper()
	var sent []int64
	runs := make([][]int64, len(g.ends))
	for i := range g.ends {
		runs[i] = readTruth(t, truthFile(l.dir, g.meter(), int64(i+1)))
		sent = append(sent, runs[i]...)
	}
	c, found := match(l.read(t, g.meter()), sent)
	for i, run := range runs {
		missing := len(run)
		for missing > 0 {
			if _, ok := found[run[missing-1]]; ok {
				break
			}
			missing--
		}
		if g.ends[i].killed {
			cut := len(run) - missing
			c.cut += 2 * cut
			c.longestCutRead = max(c.longestCutRead, cut)
			c.sent -= 2 * cut
			run = run[:missing]
		}
		last := int64(0)
		for _, n := range run {
			ms, ok := found[n]
			if !ok {
				continue
			}
			if ms <= last && last-ms < smallStep.Milliseconds() { // a clock that is set back far may
				c.wrong += 2
			}
			last = ms
		}
	}
	c.lost = c.sent - c.stored
	return c
}

// smallStep is a step of the clock over which samples keep their order.
const smallStep = 10 * time.Minute

func readTruth(t *testing.T, path string) (out []int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for text := range strings.Lines(string(b)) {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		require.NoError(t, err, path)
		out = append(out, n)
	}
	require.True(t, slices.IsSorted(out))
	return out
}
