package supervise

import "syscall"

// processAttributes puts the child into its own process group, so that Ctrl-C in a terminal reaches only us and we
// stop our children in our order, and has the kernel kill it when we die without a chance to stop it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
