package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// largestFile is far above any real configuration; a larger file is some other file.
const largestFile = 8 << 20

// Load reads the YAML file at path into the struct that into points to. See Decode.
func Load(path string, into any) (*Source, error) {
	data, err := Read(path)
	if err != nil {
		return nil, err
	}
	return Decode(path, data, into)
}

// Read reads the bytes of a configuration; a file that is too large for one is refused.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > largestFile {
		return nil, &Fault{File: path, Text: fmt.Sprintf("larger than %d bytes; is it the right file?", largestFile)}
	}
	return data, nil
}

// Decode reads YAML into the struct that into points to; name stands in errors. What the data leaves out keeps its
// value, so defaults are assigned before. The error joins every fault of shape, sorted by line: broken YAML, unknown
// and double keys, keys without a value, wrong types.
//
// Supported are structs (with ",inline"), slices, maps with text keys, pointers, text, numbers, bool, any, and
// everything that implements yaml.Unmarshaler or encoding.TextUnmarshaler.
func Decode(name string, data []byte, into any) (*Source, error) {
	root, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	c := checker{file: name}
	c.check(root, typeBehind(into), nil)
	if len(c.faults) > 0 {
		return nil, Join(c.faults...)
	}
	if err := root.Decode(into); err != nil {
		return nil, fromYAML(name, err)
	}
	return &Source{name: name, root: root}, nil
}

// parse reads the one document of the data.
func parse(name string, data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &Fault{File: name, Line: 1, Text: "the file holds nothing"}
	case err != nil:
		return nil, fromYAML(name, err)
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, &Fault{File: name, Line: second.Line, Text: "a second document begins here; put everything into one"}
	case !errors.Is(err, io.EOF):
		return nil, fromYAML(name, err)
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?line (\d+): (.*)$`)

// fromYAML turns an error of the YAML package into faults with the file's name.
func fromYAML(name string, err error) error {
	lines := []string{err.Error()}
	var te *yaml.TypeError
	if errors.As(err, &te) {
		lines = te.Errors
	}
	var faults []error
	for _, text := range lines {
		f := &Fault{File: name, Line: 0, Text: strings.TrimPrefix(text, "yaml: ")}
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			f.Line, _ = strconv.Atoi(m[1])
			f.Text = m[2]
		}
		if te == nil {
			f.Text = "not YAML: " + f.Text
		}
		faults = append(faults, f)
	}
	return Join(faults...)
}
