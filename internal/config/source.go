package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Path names a place in a file: keys (string) and positions in lists (int), from the top.
type Path []any

// At makes a path: At("machines", 2, "id").
func At(steps ...any) Path { return steps }

// Then returns p with more steps behind it; p itself does not change.
func (p Path) Then(steps ...any) Path { return append(append(Path{}, p...), steps...) }

// String writes the path as people do: machines[2].id.
func (p Path) String() string {
	var b strings.Builder
	for _, step := range p {
		if i, ok := step.(int); ok {
			fmt.Fprintf(&b, "[%d]", i)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		fmt.Fprint(&b, step)
	}
	return b.String()
}

// Source is a file that was read: it knows the line of everything in it. It is safe for concurrent use.
type Source struct {
	name string
	root *yaml.Node
}

// Name is the file's name as given to Load or Decode.
func (s *Source) Name() string { return s.name }

// Has reports whether the file itself holds something at path, apart from defaults.
func (s *Source) Has(path ...any) bool {
	_, depth := s.find(path)
	return depth == len(path)
}

// Line returns the line of what stands at path. Where it is missing from the file (a default, a required key left
// out) it is the line of the nearest thing around it.
func (s *Source) Line(path ...any) int {
	line, _ := s.find(path)
	return line
}

// find follows path as far as the file goes; depth is how many steps it got.
func (s *Source) find(path Path) (line, depth int) {
	node := s.root
	line = node.Line
	for depth, step := range path {
		key, value := child(node, step)
		if value == nil {
			return line, depth
		}
		node, line = value, key.Line
	}
	return line, len(path)
}

// child returns the node one step below and the node whose line stands for it.
func child(node *yaml.Node, step any) (key, value *yaml.Node) {
	switch step := step.(type) {
	case string:
		if node.Kind != yaml.MappingNode {
			return nil, nil
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	case int:
		if node.Kind == yaml.SequenceNode && step >= 0 && step < len(node.Content) {
			return node.Content[step], node.Content[step]
		}
	}
	return nil, nil
}

// Errorf makes a fault at path: file:line: text. The text should name the value and the way out.
func (s *Source) Errorf(path Path, format string, args ...any) error {
	return &Fault{File: s.name, Line: s.Line(path...), Text: fmt.Sprintf(format, args...)}
}

// Resolve makes a file name of the configuration absolute or relative to the working directory: relative names count
// from the folder of the file they stand in. "" stays "".
func (s *Source) Resolve(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(s.name), name)
}

// longestSecret is far more than any key or password; a longer file is some other file.
const longestSecret = 16 << 10

// Secret returns the secret of a key that may be given itself or as a file, <key>_file, in the mapping at path: value
// and file are what the file says for both. White space around the file's content does not count. Giving both, an
// unreadable or an empty file is a fault; giving neither returns "". The secret is never part of an error.
func (s *Source) Secret(path Path, key, value, file string) (string, error) {
	at := path.Then(key + "_file")
	switch {
	case file == "":
		return value, nil
	case value != "":
		return "", s.Errorf(at, "give %s or %s_file, not both", key, key)
	}
	data, err := os.ReadFile(s.Resolve(file))
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return "", s.Errorf(at, "%s_file: read %s: %v", key, s.Resolve(file), err)
	}
	secret := strings.TrimSpace(string(data))
	switch {
	case secret == "":
		return "", s.Errorf(at, "%s_file: %s is empty", key, s.Resolve(file))
	case len(data) > longestSecret:
		return "", s.Errorf(at, "%s_file: %s is longer than %d bytes; is it the right file?", key, s.Resolve(file), longestSecret)
	}
	return secret, nil
}
