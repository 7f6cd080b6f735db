package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

const faultsSite = "faults"

var faultsSiteFile = filepath.Join("testdata", "faults.site.yaml")

// played is a recording made for the test: power is a saw whose every tooth is different, energy a register.
type played struct {
	machine string
	csv     string
	rows    []playedRow
}

type playedRow struct {
	ms            int64
	power, energy float64
}

// play writes n rows, stepMs apart.
func play(t *testing.T, machine string, seed uint64, fromMs, stepMs int64, n int) played {
	t.Helper()
	p := played{machine: machine, csv: filepath.Join(t.TempDir(), machine+".csv"), rows: make([]playedRow, n)}
	rng := rand.New(rand.NewPCG(seed, 17))
	period, at, counted := 40+rng.IntN(900), fromMs, 1000*(1+rng.Float64())
	var b strings.Builder
	b.WriteString("time,machine,power[W],energy[Wh]\n")
	for i := range n {
		power := 64*math.Floor(46*float64(i%period)/float64(period)) + float64(i)/2048 // exact in 4 bytes, and never twice the same
		counted += power * float64(stepMs) / 3_600_000
		p.rows[i] = playedRow{at, power, math.Floor(counted*8) / 8}
		fmt.Fprintf(&b, "%s,%s,%s,%s\n", unixSeconds(at), machine, strconv.FormatFloat(power, 'f', -1, 64), strconv.FormatFloat(p.rows[i].energy, 'f', -1, 64))
		at += stepMs
		if i%period == period-1 {
			period = 40 + rng.IntN(900)
		}
	}
	require.NoError(t, os.WriteFile(p.csv, []byte(b.String()), 0o600))
	return p
}

// config is the machine's part of gateway.yaml. Packs are short, so that there are many of them.
func (p played) config(speed string) string {
	return fmt.Sprintf("  - id: %s\n    source: replay\n    replay: {file: %s, speed: %s, shift: none}\n    pack: 50ms\n", p.machine, p.csv, speed)
}

// settle waits until analytics has rebuilt everything that was touched.
func (u *upServer) settle(t *testing.T) {
	t.Helper()
	db, err := registry.Open(context.Background(), "sqlite://"+filepath.Join(u.data, "registry.db"))
	require.NoError(t, err)
	defer db.Close()
	require.True(t, waitFor(time.Minute, func() bool {
		rows, err := db.TouchedRows(context.Background())
		return err == nil && len(rows) == 0
	}), "analytics does not finish: %s", u.out.tail())
}
