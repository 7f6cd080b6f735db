package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// As installed, there are no machines; filled in, it is right, too.
func TestPackaged(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("gateway.key", "secret")
	write("site.salt", "salt")
	write("gateway.yaml", Packaged())
	c, err := Load(file)
	require.NoError(t, err)
	require.Empty(t, c.Machines)

	write("gateway.yaml", Packaged()+"  - {id: a, source: sim, sim: {seed: 1, epoch: 2026-10-23T00:00:00Z, kind: furnace}}\n")
	c, err = Load(file)
	require.NoError(t, err)
	require.Equal(t, "/var/lib/karkhana", c.Data)
	require.Equal(t, "secret", c.Key)

	write("gateway.yaml", strings.ReplaceAll(Packaged(), "\n#  ", "\n  "))
	_, err = Load(file)
	require.ErrorContains(t, err, "ahu0.csv", "the example machines can be taken out of their comments")
}
