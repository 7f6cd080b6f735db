//go:build !linux

package clock

import "time"

func kernelSynced() bool { return false }

// sinceBoot is the time since the process began, which counts as a boot here.
func sinceBoot() time.Duration { return time.Since(started) }

var started = time.Now()
