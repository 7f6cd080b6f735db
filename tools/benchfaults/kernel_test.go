package benchfaults

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/clock"
)

// A gateway's clock is the computer's with a few things that the bench changes, in a file of four numbers that both map
// into their memory: nobody may step the clock of the computer that tests run on.
const (
	clockStep     = iota // ms that the wall clock is ahead of the right time
	clockUnsynced        // 1: nothing has set the wall clock since the boot, it stands at 1970
	clockBoot            // number of the boot
	clockBootedAt        // ms of the computer's time since its own boot
	clockNumbers
)

// clockFile is the bench's side.
type clockFile struct{ f *os.File }

func newClockFile(t *testing.T, path string) *clockFile {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	c := &clockFile{f}
	for i := range clockNumbers {
		c.set(t, i, 0)
	}
	return c
}

func (c *clockFile) set(t *testing.T, i int, v int64) {
	t.Helper()
	_, err := c.f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(v)), int64(8*i))
	require.NoError(t, err)
}

func (c *clockFile) get(t *testing.T, i int) int64 {
	t.Helper()
	b := make([]byte, 8)
	_, err := c.f.ReadAt(b, int64(8*i))
	require.NoError(t, err)
	return int64(binary.NativeEndian.Uint64(b))
}

// kernel is the gateway's side.
type kernel struct {
	clock.Kernel
	b []byte
}

func openKernel(path string) (*kernel, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := syscall.Mmap(int(f.Fd()), 0, 8*clockNumbers, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return &kernel{clock.System(), b}, nil
}

func (k *kernel) number(i int) int64 { return int64(binary.NativeEndian.Uint64(k.b[8*i:])) }

func (k *kernel) Mono() time.Duration {
	return k.Kernel.Mono() - time.Duration(k.number(clockBootedAt))*time.Millisecond
}

func (k *kernel) Synced() bool { return k.number(clockUnsynced) == 0 }

func (k *kernel) Wall() time.Time {
	if !k.Synced() {
		return time.UnixMilli(0).Add(k.Mono()).UTC()
	}
	return k.Kernel.Wall().Add(time.Duration(k.number(clockStep)) * time.Millisecond)
}

func (k *kernel) RTC() (time.Time, error) { return time.Time{}, clock.ErrNoRTC }

func (k *kernel) Boot() string { return fmt.Sprintf("%012x", 1+k.number(clockBoot)) }
