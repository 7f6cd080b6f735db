package benchfaults

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// envDisk makes the test's own program the keeper of small disks: the folder under which they are.
const envDisk = "BENCHFAULTS_DISK"

// diskBytes is the size of a gateway's disk: its journal and a few segments.
const diskBytes = 12 << 20

// diskMain mounts a small file system for each gateway where only this process sees it, and keeps them until the bench
// is gone: whoever else knows the process reaches them through /proc. So nothing stays mounted, whatever ends how.
func diskMain() error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	for i := range gateways {
		dir := filepath.Join(os.Getenv(envDisk), fmt.Sprintf("disk-%d", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := syscall.Mount("bench", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", diskBytes)); err != nil {
			return err
		}
	}
	fmt.Println("mounted")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// disks gives each gateway a file system of its own. ok is false where that is not allowed: then they share the
// computer's, and nobody fills it.
func (l *line) disks(t *testing.T) (dirs [gateways]string, ok bool) {
	t.Helper()
	cmd := exec.Command(l.self)
	cmd.Env = append(os.Environ(), envDisk+"="+l.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	root := "/"
	if err := cmd.Start(); err == nil {
		t.Cleanup(func() {
			_ = stdin.Close()
			_ = cmd.Wait()
		})
		if text, _ := bufio.NewReader(stdout).ReadString('\n'); text == "mounted\n" {
			root, ok = fmt.Sprintf("/proc/%d/root", cmd.Process.Pid), true
		}
	}
	for i := range dirs {
		dirs[i] = filepath.Join(root, l.dir, fmt.Sprintf("disk-%d", i))
		require.NoError(t, os.MkdirAll(dirs[i], 0o700))
	}
	return dirs, ok
}

// fill takes all that is left of a disk, to the last page. The returned function gives it back.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	require.NoError(t, err)
	page := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(page)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(path)) }
}
