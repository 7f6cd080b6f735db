package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/internal/wire"
)

func TestExport(t *testing.T) {
	d := t.TempDir()
	path := filepath.Join(d, "gateway.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(d, "key"), []byte("k"), 0o600))
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "site: s\ngateway: g\nbroker: mqtt://127.0.0.1:1\nkey_file: key\nclock: trusted\nmachines:\n  - {id: a, source: sensors, sensors: [{supply: GPIO4}]}\n"), 0o600))
	c, err := config.Load(path)
	require.NoError(t, err)
	g, err := gateway.New(gateway.Options{Config: c})
	require.NoError(t, err)
	ms := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC).UnixMilli()
	require.NoError(t, g.Add("a", ms, []wire.Sample{
		{TimeMs: ms, Quantity: "power", Number: 12.5}, {TimeMs: ms, Quantity: "power_l3", Number: 4}, {TimeMs: ms, Quantity: "supply", Bool: true}, {TimeMs: ms, Quantity: "temperature", Quality: "fault:open"},
	}))
	require.NoError(t, g.Close())
	for range 2 { // nothing is taken out
		var out, said bytes.Buffer
		require.NoError(t, (&Export{file{path}}).Run(&Env{Context: t.Context(), Stdout: &out, Stderr: &said}))
		require.Len(t, strings.Split(strings.TrimSpace(out.String()), "\n"), 4, out.String())
		require.Contains(t, out.String(), `"machine":"a"`)
		require.Contains(t, out.String(), `"time":"2026-01-02T03:04:05.006Z","quantity":"power","value":12.5,"unit":"W"}`)
		require.Contains(t, out.String(), `"quantity":"power_l3","value":4`)
		require.Contains(t, out.String(), `"quantity":"supply","value":true}`)
		require.Contains(t, out.String(), `"quantity":"temperature","unit":"Cel","quality":"fault:open"}`)
		require.Contains(t, said.String(), "1 packs; they stay")
	}
}
