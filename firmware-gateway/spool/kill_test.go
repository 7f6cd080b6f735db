package spool

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const childEnv = "KARKHANA_SPOOL_CHILD"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child appends for ever and prints each seq that it knows to be durable.
func child(dir string) {
	s, err := Open(dir, Options{SegmentBytes: 20_000, BlockBytes: 2000, JournalBytes: 1})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	out := bufio.NewWriter(os.Stdout)
	for {
		for range 1 + rand.IntN(20) {
			if _, err := s.Append("furnace-1", 1, func(seq uint64) ([]byte, error) { return payload(seq), nil }); err != nil {
				os.Exit(1)
			}
		}
		refs, err := s.Sync()
		if err != nil {
			os.Exit(1)
		}
		for _, r := range refs {
			fmt.Fprintln(out, r.Seq)
		}
		out.Flush()
	}
}

func TestKillNineInALoop(t *testing.T) {
	dir := t.TempDir()
	reported := map[uint64]bool{}
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		kill := time.AfterFunc(time.Duration(20+rand.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if !strings.HasPrefix(lines.Text(), "error") {
				if seq, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
					require.False(t, reported[seq], "round %d: seq %d was given out twice", round, seq)
					reported[seq] = true
				}
				continue
			}
			t.Fatal(lines.Text())
		}
		_ = cmd.Wait()
		kill.Stop()
	}
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	defer s.Close()
	for _, seq := range drain(t, s) {
		delete(reported, seq)
	}
	require.Empty(t, reported, "synced and gone")
	require.Zero(t, s.Stats().LostPacks)
}
