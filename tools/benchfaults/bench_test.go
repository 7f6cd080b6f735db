package benchfaults

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "first seed of TestSeeds; 0: it is left out")
	seedsFlag = flag.Int("seeds", 1, "how many seeds")
	keepFlag  = flag.String("keep", "", "folder where logs and data of seeds are kept")
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(envConfig) != "":
		err = gatewayMain()
	case os.Getenv(envDisk) != "":
		err = diskMain()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options of one seed.
type options struct {
	setup, database string
	rows            int  // of each recording
	faults          int  // 0: one of each kind
	calm            bool // nothing breaks
}

// TestFaults breaks everything once, and compares the API's answers with those of a line that nobody disturbed.
func TestFaults(t *testing.T) {
	server := buildServer(t)
	const seed = 20261122
	apart, faults := bench(t, server, seed, options{setup: embeddedNATS, database: "sqlite", rows: 25_000})
	t.Log(result(seed, faults, apart.comparison))
	require.Zero(t, apart.lost+apart.doubled+apart.wrong, "lost, doubled, wrong")
	calm, _ := bench(t, server, seed, options{setup: allInOne, database: "sqlite", rows: 25_000, calm: true})
	for path, want := range calm.answers {
		got := apart.answers[path]
		i := 0
		for i < min(len(want), len(got)) && want[i] == got[i] {
			i++
		}
		if i < max(len(want), len(got)) {
			t.Errorf("%s is not what an undisturbed line answers:\n…%.300s\n…%.300s", path, want[max(0, i-100):], got[max(0, i-100):])
		}
	}
}

// TestSeeds is make bench-faults: as many seeds as were asked for, as a table.
func TestSeeds(t *testing.T) {
	if *seedFlag == 0 {
		t.Skip("make bench-faults SEED=1 SEEDS=20 runs this")
	}
	server := buildServer(t)
	var total comparison
	count := 0
	const form = "%5v  %-14s %-9s %6v %9v %9v %5v %7v %5v %5v %7v %7v"
	table := []string{fmt.Sprintf(form, "seed", "broker", "registry", "faults", "sent", "stored", "lost", "doubled", "wrong", "cut", "refused", "seconds")}
	for seed := *seedFlag; seed < *seedFlag+uint64(*seedsFlag); seed++ {
		o := options{rows: 40_000, faults: 14}
		o.setup = []string{allInOne, embeddedNATS, embeddedMQTT, mosquitto}[seed%4]
		o.database = []string{"sqlite", "postgres"}[seed/4%2]
		ran := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			began := time.Now()
			c, faults := bench(t, server, seed, o)
			row := fmt.Sprintf(form, seed, o.setup, o.database, faults, c.sent, c.stored, c.lost, c.doubled, c.wrong, c.cut, c.refused, int(time.Since(began).Seconds()))
			t.Log(row)
			table = append(table, row)
			total.add(c.comparison)
			count += faults
		})
		if !ran && len(table) <= int(seed-*seedFlag)+1 {
			table = append(table, fmt.Sprintf("%5d  %-14s %-9s did not come to its end", seed, o.setup, o.database))
		}
	}
	fmt.Println(strings.Join(table, "\n"))
	fmt.Println(result(*seedFlag, count, total))
	require.Zero(t, total.lost+total.doubled+total.wrong, "lost, doubled, wrong")
}

func result(seed uint64, faults int, c comparison) string {
	return fmt.Sprintf("result: seed=%d faults=%d sent=%d stored=%d lost=%d doubled=%d", seed, faults, c.sent, c.stored, c.lost, c.doubled)
}

// outcome is what is left at the end.
type outcome struct {
	comparison
	answers map[string]string // of the API, by path
}

// bench runs one seed.
func bench(t *testing.T, server string, seed uint64, o options) (out outcome, faults int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 4))
	l := newLine(t, rng, server, o)
	var rounds [][]fault
	switch {
	case o.calm:
	case o.faults > 0:
		rounds = draw(l, rng, o.faults)
	default:
		rounds = each(l, rng)
	}
	faults = l.suffer(t, rounds)
	l.drain(t)
	out.comparison = l.compare(t)
	out.answers = l.answers(t)
	held, err := l.registry.QuarantinedList(context.Background(), site, 10)
	require.NoError(t, err)
	require.Empty(t, held, "packs were refused")
	l.stop(t)
	return out, faults
}

// buildServer builds karkhana as it is now.
func buildServer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "karkhana")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "karkhana").CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// folder is where a line lives: a temporary one, unless it is to be kept.
func folder(t *testing.T) string {
	t.Helper()
	if *keepFlag == "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(*keepFlag, "line-")
	require.NoError(t, err)
	return dir
}
