// Package leaktest fails a package's tests when they leave goroutines behind.
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long what was told to end may take to do so. Alone goleak waits less than half a second, which the
// goroutines of a broker or a database, ended but not run yet, sometimes take on a busy computer.
const patience = 20 * time.Second

// Main runs the tests and ends the process; it is called by TestMain.
func Main(m *testing.M, ignore ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := left(patience, ignore...); err != nil {
			fmt.Fprintf(os.Stderr, "tests passed, but left goroutines behind: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

// left waits until there are no goroutines but those that tests always have, and says what there still is after that time.
func left(wait time.Duration, ignore ...goleak.Option) error {
	for end := time.Now().Add(wait); ; {
		if err := goleak.Find(ignore...); err == nil || time.Now().After(end) {
			return err
		}
	}
}
