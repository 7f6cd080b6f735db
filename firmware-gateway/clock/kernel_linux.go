package clock

import "syscall"

const (
	staUnsync = 0x40 // include/uapi/linux/timex.h STA_UNSYNC
	timeError = 5    // TIME_ERROR
)

// kernelSynced reports whether something disciplines the kernel's clock (adjtimex(2)).
func kernelSynced() bool {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	return err == nil && state != timeError && t.Status&staUnsync == 0
}
