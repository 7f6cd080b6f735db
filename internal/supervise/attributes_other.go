//go:build unix && !linux

package supervise

import "syscall"

// processAttributes puts the child into its own process group, so that Ctrl-C in a terminal reaches only us. Only
// Linux can tie the child's life to ours.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
