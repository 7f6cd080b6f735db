package secret

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeepMakesOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	first, err := Keep(path)
	require.NoError(t, err)
	require.Len(t, first, 43)
	again, err := Keep(path)
	require.NoError(t, err)
	require.Equal(t, first, again)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAnEmptyFileIsALostSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("\n"), 0o600))
	_, err := Keep(path)
	require.ErrorContains(t, err, "is empty")
	_, err = Read(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
