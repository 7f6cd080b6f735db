package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// With the broker down the page of the shipped gateway shows live values and a queue that grows, and the process stays
// within its memory while somebody looks.
func TestPageWithoutServer(t *testing.T) {
	var machines strings.Builder
	epoch := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	for _, kind := range []string{"furnace", "cutting", "polishing", "hammering", "designing", "main-meter"} {
		fmt.Fprintf(&machines, "  - {id: %[1]s-1, source: sim, sim: {seed: 7, epoch: %[2]s, kind: %[1]s}, pack: 1s}\n", kind, epoch)
	}
	dir := configure(t, "mqtt://127.0.0.1:1", machines.String())
	file := filepath.Join(dir, "gateway.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append([]byte("page: {listen: 127.0.0.1:0}\n"), text...), 0o600))
	cmd := exec.Command(build(t), "run", "--config", file)
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := regexp.MustCompile(`local page is served.* address=(\S+)`)
	base := ""
	lines := bufio.NewScanner(said)
	for base == "" && lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			base = m[1]
		}
	}
	require.NotEmpty(t, base)
	drained := make(chan struct{})
	go func() { defer close(drained); _, _ = io.Copy(io.Discard, said) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-drained })

	packs := regexp.MustCompile(`<dd>(\d+) पैकेट`)
	look := func() (page string, queued int) {
		resp, err := http.Get(base + "/part")
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		m := packs.FindSubmatch(b)
		require.NotNil(t, m, string(b))
		n, err := strconv.Atoi(string(m[1]))
		require.NoError(t, err)
		return string(b), n
	}
	require.Eventually(t, func() bool {
		page, _ := look()
		return strings.Count(page, "<small>V</small>") >= 5 && strings.Contains(page, "<small>°C</small>")
	}, 30*time.Second, 100*time.Millisecond)
	page, before := look()
	require.Contains(t, page, "सर्वर का कंप्यूटर मिला, पर सर्वर जुड़ने नहीं दे रहा।")
	require.Eventually(t, func() bool { _, n := look(); return n > before+10 }, 30*time.Second, 100*time.Millisecond)
	peak, own := peakMemory(t, cmd.Process.Pid)
	t.Logf("result: page_rss_peak_mb=%.1f own_peak_mb=%.1f", float64(peak)/1e3, float64(own)/1e3)
	require.LessOrEqual(t, own, ownLimitKB)
}
