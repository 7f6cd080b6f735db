package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checker holds a tree of YAML nodes against a Go type and gathers every difference.
type checker struct {
	file   string
	faults []error
}

func (c *checker) fault(line int, format string, args ...any) {
	c.faults = append(c.faults, &Fault{File: c.file, Line: line, Text: fmt.Sprintf(format, args...)})
}

var (
	yamlUnmarshaler = reflect.TypeFor[yaml.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// typeBehind returns the type that a pointer given by a caller points to; anything else is a mistake of the program.
func typeBehind(into any) reflect.Type {
	t := reflect.TypeOf(into)
	if t == nil || t.Kind() != reflect.Pointer {
		panic(fmt.Sprintf("config: into must be a pointer, got %T", into))
	}
	return t.Elem()
}

func (c *checker) check(node *yaml.Node, t reflect.Type, path Path) {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		c.fault(node.Line, "%sanchors and aliases are not supported; write it out", prefix(path))
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if isCustom(t) {
		c.leaf(node, t, path)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.structure(node, t, path)
	case reflect.Map:
		c.mapping(node, path, func(key, value *yaml.Node) { c.check(value, t.Elem(), path.Then(key.Value)) })
	case reflect.Slice:
		c.sequence(node, path, t.Elem())
	case reflect.Interface:
		c.anything(node, path)
	default:
		c.leaf(node, t, path)
	}
}

func (c *checker) structure(node *yaml.Node, t reflect.Type, path Path) {
	fields := map[string]reflect.Type{}
	was := map[string]string{}
	known := collect(t, fields, was)
	c.mapping(node, path, func(key, value *yaml.Node) {
		if ft, ok := fields[key.Value]; ok {
			c.check(value, ft, path.Then(key.Value))
			return
		}
		hint := DidYouMean(key.Value, known)
		if now, renamed := was[key.Value]; renamed {
			hint = fmt.Sprintf("; did you mean %q?", now)
		}
		c.fault(key.Line, "%sunknown key %q%s", prefix(path), key.Value, hint)
	})
}

// collect fills fields with the keys of a struct type, named the way the YAML package names them, and returns them in
// the order of the fields. was gets the former names of keys (tag was:"old") with the present ones.
func collect(t reflect.Type, fields map[string]reflect.Type, was map[string]string) (known []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if strings.Contains(options, "inline") {
			known = append(known, collect(f.Type, fields, was)...)
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		fields[name] = f.Type
		if old := f.Tag.Get("was"); old != "" {
			was[old] = name
		}
		known = append(known, name)
	}
	return known
}

// mapping calls each for every pair of a mapping whose key is plain text and given once. An empty value is an empty
// mapping.
func (c *checker) mapping(node *yaml.Node, path Path, each func(key, value *yaml.Node)) {
	if isNull(node) {
		return
	}
	if node.Kind != yaml.MappingNode {
		c.fault(node.Line, "%sexpected keys with values (key: value), got %s", prefix(path), kindOf(node))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch line, twice := first[key.Value]; {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.ShortTag() == "!!null" || key.ShortTag() == "!!merge":
			c.fault(key.Line, "%sexpected a plain word as key", prefix(path))
		case twice:
			c.fault(key.Line, "%skey %q is given twice, first in line %d", prefix(path), key.Value, line)
		default:
			first[key.Value] = key.Line
			each(key, value)
		}
	}
}

// sequence checks every item of a list. An empty value is an empty list.
func (c *checker) sequence(node *yaml.Node, path Path, item reflect.Type) {
	if isNull(node) {
		return
	}
	if node.Kind != yaml.SequenceNode {
		c.fault(node.Line, "%sexpected a list (lines that begin with -), got %s", prefix(path), kindOf(node))
		return
	}
	for i, value := range node.Content {
		c.check(value, item, path.Then(i))
	}
}

// anything accepts every shape, but no aliases and no double keys.
func (c *checker) anything(node *yaml.Node, path Path) {
	free := reflect.TypeFor[any]()
	switch node.Kind {
	case yaml.MappingNode:
		c.mapping(node, path, func(key, value *yaml.Node) { c.check(value, free, path.Then(key.Value)) })
	case yaml.SequenceNode:
		c.sequence(node, path, free)
	}
}

// leaf decodes one value on its own, to say in words what was expected.
func (c *checker) leaf(node *yaml.Node, t reflect.Type, path Path) {
	if isNull(node) {
		c.fault(node.Line, "%sthere is no value; give one or take the line out", prefix(path))
		return
	}
	v := reflect.New(t)
	err := node.Decode(v.Interface())
	switch want := expected(t.Kind()); {
	case err != nil && want == "" || err != nil && isCustom(t):
		c.fault(node.Line, "%s%s", prefix(path), strings.TrimPrefix(err.Error(), "yaml: "))
	case err != nil || node.ShortTag() == "!!float" && (v.Elem().CanInt() || v.Elem().CanUint()):
		// The YAML package alone would cut 1.5 to 1 without a word.
		c.fault(node.Line, "%sexpected %s, got %s", prefix(path), want, kindOf(node))
	case v.Elem().CanFloat() && (math.IsNaN(v.Elem().Float()) || math.IsInf(v.Elem().Float(), 0)):
		c.fault(node.Line, "%sexpected a finite number, got %s", prefix(path), node.Value)
	}
}

func isCustom(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(yamlUnmarshaler) || p.Implements(textUnmarshaler)
}

// expected says in words what a kind of Go value reads; "" when there are no better words than the decoder's own.
func expected(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return ""
	}
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// kindOf says in words what a node is.
func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if isNull(node) {
			return "nothing"
		}
		if node.ShortTag() == "!!str" {
			return fmt.Sprintf("the text %.100q", node.Value)
		}
		return fmt.Sprintf("%.100s", node.Value)
	default:
		return "something else"
	}
}

// prefix names the place in front of a text, or nothing at the top of a file.
func prefix(path Path) string {
	if len(path) == 0 {
		return ""
	}
	return path.String() + ": "
}
