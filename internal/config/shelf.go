package config

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Shelf is a folder of YAML files that are part of the program, each known by its name without .yaml.
type Shelf struct {
	FS     fs.FS
	Folder string
	What   string // one of them in errors: kit, profile
}

// Names lists what is there, sorted.
func (s Shelf) Names() []string {
	entries, err := fs.ReadDir(s.FS, s.Folder)
	if err != nil {
		panic("config: embedded " + s.Folder + ": " + err.Error()) // can't be: they are part of the program
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".yaml"); ok {
			out = append(out, name)
		}
	}
	return out
}

// Read returns the file of a name and what stands in it. An unknown name is an error with a suggestion.
func (s Shelf) Read(name string) (file string, data []byte, err error) {
	if names := s.Names(); !slices.Contains(names, name) {
		return "", nil, fmt.Errorf("unknown %s %q%s", s.What, name, DidYouMean(name, names))
	}
	file = path.Join(s.Folder, name+".yaml")
	data, err = fs.ReadFile(s.FS, file)
	if err != nil {
		return "", nil, fmt.Errorf("%s %q: %w", s.What, name, err)
	}
	return file, data, nil
}
