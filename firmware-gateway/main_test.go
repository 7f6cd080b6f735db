package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"karkhana-gateway": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// The gateway's binary stays small and knows nothing of the server.
func TestImportsOnlyWhatAGatewayNeeds(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dep := range strings.Lines(string(out)) {
		for _, banned := range []string{
			"karkhana/ingest", "karkhana/analytics", "karkhana/dashboards", "karkhana/internal/broker", "karkhana/internal/registry",
			"karkhana/internal/tsdb", "github.com/nats-io", "modernc.org/sqlite", "github.com/jackc/pgx", "github.com/prometheus",
		} {
			require.False(t, strings.HasPrefix(dep, banned), "imports %s", dep)
		}
	}
}
