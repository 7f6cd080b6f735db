package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// holed writes half an hour of a machine, a sample each second, without the minutes of holes, and returns its part of gateway.yaml.
func holed(t *testing.T, machine string, from time.Time, holes ...[2]int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("time,machine,power[W]\n")
	for s := range 1800 {
		missing := false
		for _, h := range holes {
			missing = missing || s >= h[0]*60 && s < h[1]*60
		}
		if !missing {
			fmt.Fprintf(&b, "%s,%s,%d\n", unixSeconds(from.UnixMilli()+int64(s)*1000), machine, 500+s%11)
		}
	}
	path := filepath.Join(t.TempDir(), machine+".csv")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	return fmt.Sprintf("  - id: %s\n    source: replay\n    replay: {file: %s, speed: max, shift: none}\n    pack: 10s\n", machine, path)
}

// TestGapsAndQuarantineOfProcesses sends recordings with holes through real processes and asks the ledger, then lets a second process
// have packs tried again while the server runs.
func TestGapsAndQuarantineOfProcesses(t *testing.T) {
	u := newUpServer(t, faultsSiteFile)
	u.start(t)
	u.find(t, `(connected to the broker)`)
	from := time.Date(2026, 6, 1, 5, 0, 0, 0, time.UTC)
	config := u.gatewayFiles(t, faultsSite, "gw-1", holed(t, "press-1", from, [2]int{5, 11}, [2]int{20, 25})+holed(t, "press-2", from, [2]int{20, 25}))
	out, code := command(t, nil, gatewayBinary(t), "run", "--config", config, "--exit-when-drained")
	require.Zero(t, code, out)
	u.settle(t)

	var ledger struct {
		Gaps []struct {
			Machine, Cause, Evidence string
			Start, End               time.Time
			Open                     bool
		}
	}
	span := url.Values{"from": {from.Format(time.RFC3339)}, "to": {from.Add(29 * time.Minute).Format(time.RFC3339)}}
	getJSON(t, u.base, u.token, "/api/v1/sites/"+faultsSite+"/gaps?"+span.Encode(), &ledger)
	var got []string
	for _, g := range ledger.Gaps {
		if g.Evidence == "filled" || g.Evidence == "late" { // it stood while the packs were on their way
			continue
		}
		got = append(got, fmt.Sprintf("%s %v–%v %s %s", g.Machine, g.Start.Sub(from), g.End.Sub(from), g.Cause, g.Evidence))
	}
	require.Equal(t, []string{
		"press-1 4m59s–11m0s sensor neighbours", "press-1 19m59s–25m0s gateway together", "press-2 19m59s–25m0s gateway together",
	}, got)

	// A pack refused for a reason that holds no more, and one that nobody can read.
	pack := &wire.Pack{
		Site: faultsSite, Machine: "press-3", Spool: "s", Seq: 1, Boot: "b", Clock: wire.ClockSynced,
		Samples: []wire.Sample{{TimeMs: from.UnixMilli(), Quantity: "power", Number: 700}},
	}
	payload, err := pack.Encode(wire.FormatCBOR)
	require.NoError(t, err)
	db, err := registry.Open(context.Background(), "sqlite://"+filepath.Join(u.data, "registry.db"))
	require.NoError(t, err)
	for _, p := range [][]byte{payload, []byte("[rubbish")} {
		require.NoError(t, db.Quarantine(context.Background(), registry.Quarantined{
			ReceivedMs: time.Now().UnixMilli(), Topic: wire.PackTopic(faultsSite, "gw-1", "press-3", wire.LaneLive), Site: faultsSite, Gateway: "gw-1", Machine: "press-3",
			Reason: wire.ReasonAbsurdTime, Detail: "the server's clock was wrong", Payload: p,
		}))
	}
	require.NoError(t, db.Close())
	admin := func(args ...string) string {
		out, code := command(t, nil, serverBinary(t), append([]string{"admin", "quarantine"}, append(args, "--data", u.data)...)...)
		require.Zero(t, code, out)
		return out
	}
	require.Regexp(t, `faults +press-3 +absurd-time +2 `, admin("list"))
	require.Contains(t, admin("show", "1"), "seq 1 of spool s")
	out = admin("replay", "--reason", "absurd-time")
	require.Contains(t, out, "result: asked=2 stored=1 refused=1 waiting=0", out)
	require.Contains(t, out, "2 refused: not-senml")
	require.Contains(t, u.get(t, "/api/v1/sites/"+faultsSite+"/machines/press-3/series?quantity=power&"+span.Encode()), "700")
	require.Regexp(t, `faults +press-3 +not-senml +1 `, admin("list"))
	require.Equal(t, "1 packs thrown away\n", admin("drop", "--site", faultsSite))
	u.end(t, syscall.SIGTERM)
}
