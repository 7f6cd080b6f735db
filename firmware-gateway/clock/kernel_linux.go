package clock

import (
	"syscall"
	"time"
	"unsafe"
)

const (
	staUnsync     = 0x40 // include/uapi/linux/timex.h STA_UNSYNC
	timeError     = 5    // TIME_ERROR
	clockBoottime = 7    // include/uapi/linux/time.h CLOCK_BOOTTIME
)

// kernelSynced reports whether something disciplines the kernel's clock (adjtimex(2)).
func kernelSynced() bool {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	return err == nil && state != timeError && t.Status&staUnsync == 0
}

// sinceBoot reads CLOCK_BOOTTIME: it runs on through sleep, and steps of the wall clock don't touch it.
func sinceBoot() time.Duration {
	var ts syscall.Timespec
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		return time.Since(started)
	}
	return time.Duration(ts.Nano())
}

var started = time.Now()
