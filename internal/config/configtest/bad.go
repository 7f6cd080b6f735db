// Package configtest holds every refused example file against the words of its error.
package configtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bad gives every testdata/*.bad.yaml of the package under test to parse, which returns the file's error. The file's
// comment lines `# want: …` are the whole error, in order.
func Bad(t *testing.T, parse func(t *testing.T, name string, data []byte) error) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.bad.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var want []string
			for line := range strings.Lines(string(data)) {
				if w, ok := strings.CutPrefix(strings.TrimSpace(line), "# want: "); ok {
					want = append(want, w)
				}
			}
			require.NotEmpty(t, want, "the file says nowhere what the error must be")
			require.EqualError(t, parse(t, filepath.Base(file), data), strings.Join(want, "\n"))
		})
	}
}
