package pgtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestEveryTestHasItsOwnDatabase(t *testing.T) {
	a, b := URL(t), URL(t)
	require.NotEqual(t, a, b)
	run(t, a, `CREATE TABLE only_in_a (id BIGINT)`)
	conn, err := pgx.Connect(t.Context(), b)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `SELECT 1 FROM only_in_a`)
	require.ErrorContains(t, err, "does not exist")
}

// TestNothingStaysBehind runs this test binary again, kills it while its server runs, and waits for the server's
// folder to vanish: the shell removes it after the server has ended.
func TestNothingStaysBehind(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") != "" {
		URL(t)
		require.NoError(t, os.WriteFile(os.Getenv("PGTEST_CHILD"), nil, 0o600))
		select {} // until killed
	}
	// Not t.TempDir: the server runs as another user, who must reach its folder.
	tmp, err := os.MkdirTemp("", "pgtest-child-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	require.NoError(t, os.Chmod(tmp, 0o777))
	ready := filepath.Join(tmp, "ready")
	child := exec.Command(os.Args[0], "-test.run=^TestNothingStaysBehind$")
	child.Env = append(os.Environ(), "PGTEST_CHILD="+ready, "TMPDIR="+tmp, EnvURL+"=")
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	require.Eventually(t, func() bool { _, err := os.Stat(ready); return err == nil }, time.Minute, 20*time.Millisecond)

	folders := func() []string {
		found, err := filepath.Glob(filepath.Join(tmp, "karkhana-pgtest-*"))
		require.NoError(t, err)
		return found
	}
	require.Len(t, folders(), 1)
	require.NoError(t, child.Process.Kill())
	require.Eventually(t, func() bool { return len(folders()) == 0 }, 30*time.Second, 20*time.Millisecond)
}
