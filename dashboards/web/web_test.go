package web

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFS: built or not, there is a page to show.
func TestFS(t *testing.T) {
	files, err := FS()
	require.NoError(t, err)
	page, err := fs.ReadFile(files, "index.html")
	require.NoError(t, err)
	require.Contains(t, string(page), "Karkhana")

	help, err := fs.ReadFile(filesWithoutBuild(t), "index.html")
	require.NoError(t, err)
	require.Contains(t, string(help), "make build")
}

func filesWithoutBuild(t *testing.T) fs.FS {
	t.Helper()
	f, err := fs.Sub(files, "notbuilt")
	require.NoError(t, err)
	return f
}
