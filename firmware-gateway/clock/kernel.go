package clock

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kernel is the computer's clock as it is found. Tests fake it.
type Kernel interface {
	Wall() time.Time         // what the computer believes
	Mono() time.Duration     // since the boot, sleep included; never steps
	Synced() bool            // something disciplines the wall clock
	RTC() (time.Time, error) // its battery-backed clock: ErrNoRTC, ErrRTCStopped
	Boot() string            // id of this boot, 12 hex digits
}

// System is the computer's own clock.
func System() Kernel { return system{boot: bootID()} }

type system struct{ boot string }

func (s system) Wall() time.Time     { return time.Now().UTC() }
func (s system) Mono() time.Duration { return sinceBoot() }
func (s system) Synced() bool        { return kernelSynced() }
func (s system) Boot() string        { return s.boot }

// RTC reads the clock through the kernel, whose drivers refuse a clock that stopped or lost its battery.
func (s system) RTC() (time.Time, error) { return readRTC(os.DirFS("/sys/class/rtc")) }

func readRTC(class fs.FS) (time.Time, error) {
	b, err := fs.ReadFile(class, "rtc0/since_epoch")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return time.Time{}, ErrNoRTC
	case errors.Is(err, syscall.EINVAL): // rtc-ds1307.c: the oscillator-stop flag is set
		return time.Time{}, fmt.Errorf("%w: %w", ErrRTCStopped, err)
	case err != nil:
		return time.Time{}, fmt.Errorf("read the battery-backed clock: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the battery-backed clock: %w", err)
	}
	return time.Unix(n, 0).UTC(), nil
}

// bootID shortens the kernel's boot id; where there is none, each start of the process counts as a boot.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		sum := sha256.Sum256([]byte(id))
		return hex.EncodeToString(sum[:6])
	}
	var r [6]byte
	_, _ = rand.Read(r[:]) // never fails (crypto/rand)
	return hex.EncodeToString(r[:])
}
