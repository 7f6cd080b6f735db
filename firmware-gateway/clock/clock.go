// Package clock tells the gateway's time, how far it can be trusted, and in which boot.
//
// It owns the trust level of every pack. For now it asks the kernel whether the clock is disciplined; it repairs
// nothing yet.
package clock

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"time"

	"karkhana/internal/wire"
)

// Clock is what sampling asks for the time. It is safe for concurrent use.
type Clock interface {
	Now() time.Time    // wall clock, UTC
	Trust() wire.Clock // how far Now can be trusted at this moment
	Boot() string      // id of this boot, 12 hex digits
}

// System is the computer's own clock.
type System struct {
	boot    string
	trusted bool
}

var _ Clock = (*System)(nil)

// NewSystem returns the computer's clock. trusted says that somebody else keeps it right (a server, a laptop, a
// recording), so that the kernel is not asked.
func NewSystem(trusted bool) *System { return &System{boot: bootID(), trusted: trusted} }

// Now returns the wall clock in UTC.
func (s *System) Now() time.Time { return time.Now().UTC() }

// Trust returns synced when the kernel's clock is disciplined, rtc when it is not but the computer has a
// battery-backed clock, else bounded.
func (s *System) Trust() wire.Clock {
	switch {
	case s.trusted || kernelSynced():
		return wire.ClockSynced
	case hasRTC():
		return wire.ClockRTC
	default:
		return wire.ClockBounded
	}
}

// Boot returns the id of this boot.
func (s *System) Boot() string { return s.boot }

func hasRTC() bool {
	_, err := os.Stat("/dev/rtc0")
	return err == nil
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
