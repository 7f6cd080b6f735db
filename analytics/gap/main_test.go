package gap

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes the worlds fewer than rapid's usual hundred, unless the command line says how many: each is played
// twice through the whole of analytics.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		_ = flag.Set("rapid.checks", "20")
	}
	os.Exit(m.Run())
}
