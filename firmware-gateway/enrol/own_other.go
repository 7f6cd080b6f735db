//go:build !linux

package enrol

import "os"

// own leaves the file to who made it.
func own(*os.File, string) error { return nil }
