package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// gatewayBinary builds the gateway as it is now, once, and returns its path.
var gatewayBinary = builtOnce("karkhana-gateway", "./firmware-gateway")

// serverBinary does the same for the server. It stands alone: influxd is not beside it.
var serverBinary = builtOnce("karkhana", ".")

func builtOnce(name, pkg string) func(testing.TB) string {
	build := sync.OnceValues(func() (string, error) {
		path := filepath.Join(testBinaries, name)
		if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
		}
		return path, nil
	})
	return func(t testing.TB) string {
		t.Helper()
		path, err := build()
		require.NoError(t, err)
		return path
	}
}

// testBinaries is where tests build programs; TestMain removes it.
var testBinaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "karkhana-bin-")
	if err != nil {
		panic(err)
	}
	testBinaries = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
