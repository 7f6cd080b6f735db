// Package web holds the pages that people see: a TypeScript app built into dist/ and embedded here.
//
// It owns what is on the screen. It does not own data: everything comes from the API under /api/v1.
package web

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed all:dist notbuilt
var files embed.FS

// FS returns the built pages, index.html at the root. Without a build it holds one page that says how to build them.
func FS() (fs.FS, error) {
	folder := "dist"
	if _, err := fs.Stat(files, "dist/index.html"); err != nil {
		folder = "notbuilt"
	}
	pages, err := fs.Sub(files, folder)
	if err != nil {
		return nil, fmt.Errorf("embedded pages: %w", err)
	}
	return pages, nil
}
