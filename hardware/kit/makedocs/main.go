// Command makedocs writes the pictures and pages of the kits: `go generate ./hardware/kit`.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"karkhana/hardware/kit/page"
)

func main() {
	to := flag.String("to", "docs/kits", "folder to write to")
	flag.Parse()
	if err := run(*to); err != nil {
		fmt.Fprintln(os.Stderr, "makedocs:", err)
		os.Exit(1)
	}
}

func run(to string) error {
	files, err := page.Files()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(to, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
