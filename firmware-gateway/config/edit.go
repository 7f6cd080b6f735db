package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"karkhana/firmware-gateway/durable"
	"karkhana/internal/config"
)

// Edit changes one place of a gateway.yaml under machines or ports. In the list of machines a text names the machine of
// that id:
//
//	{config.At("machines", "saw-1", "kit"), "cutting"}                     // a machine that is not there is added
//	{config.At("machines", "saw-1", "change", "meter", "unit"), 12}
//	{config.At("machines", "saw-1", "change", "reader", "fitted"), false}
//	{config.At("machines", "saw-1"), nil}                                  // taken out
//	{config.At("ports", "rs485-1"), "/dev/ttyUSB1"}
type Edit struct {
	Path  config.Path
	Value any // text, numbers, bool, lists and maps of them; nil takes the place out
}

// ErrChanged says that a file is another one than the caller has seen.
var ErrChanged = errors.New("gateway.yaml was changed by somebody else meanwhile: look at it again")

// Save changes the file at path. The new text is checked whole as by Load before anything is written; its errors name
// file, line and remedy, with the lines of the new text, and leave the file as it is. Then the old file is kept as
// path.bak and the new one is written durably. hash is that of the file which the caller has seen (Gateway.Hash, "": any);
// when the file is another one by now the error is ErrChanged. Saves of one file must not run at the same time.
//
// A running gateway takes the file by Reload.
func Save(path, hash string, edits ...Edit) (*Gateway, error) {
	old, err := config.Read(path)
	if err != nil {
		return nil, err
	}
	if hash != "" && hash != hashOf(old) {
		return nil, ErrChanged
	}
	text, err := Rewrite(old, edits...)
	if err != nil {
		return nil, err
	}
	g, err := Parse(path, text)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(old, text) {
		return g, nil
	}
	if err := durable.Replace(path+".bak", old); err != nil {
		return nil, err
	}
	return g, durable.Replace(path, text)
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Rewrite returns the text of a configuration with edits. Whatever they don't concern stays byte for byte: a machine is
// written anew as a whole, with its comments, and so is the entry ports. It does not check what the text says.
func Rewrite(text []byte, edits ...Edit) ([]byte, error) {
	for _, e := range edits {
		var err error
		if text, err = rewrite(text, e); err != nil {
			return nil, fmt.Errorf("change %v: %w", e.Path, err)
		}
	}
	return text, nil
}

func rewrite(text []byte, e Edit) ([]byte, error) {
	if len(e.Path) < 2 || e.Path[0] != "machines" && e.Path[0] != "ports" {
		return nil, errors.New("only machines and ports can be changed")
	}
	for _, step := range e.Path {
		if s, ok := step.(string); !ok || s == "" || !utf8.ValidString(s) {
			return nil, fmt.Errorf("%v: only names lead to a place", step)
		}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("the file is not YAML: %w", err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode || doc.Content[0].Style&yaml.FlowStyle != 0 {
		return nil, errors.New("the file is not a list of keys with values")
	}
	if strings.ContainsAny(strings.ReplaceAll(string(text), "\r\n", "\n"), "\r\u0085\u2028\u2029") {
		return nil, errByHand // YAML counts these as ends of lines
	}
	lines := strings.SplitAfter(string(text), "\n")
	if last := lines[len(lines)-1]; last == "" {
		lines = lines[:len(lines)-1]
	} else {
		lines[len(lines)-1] += "\n"
	}
	b := block{lines: lines}
	key := e.Path[0].(string)
	if !b.key(doc.Content[0], key) {
		if e.Value == nil {
			return text, nil
		}
		b.newKey(doc.Content[0], key)
	} else if key == "machines" {
		b.machine(doc.Content[0], e.Path[1].(string))
	}
	out, err := b.change(e)
	if err != nil {
		return nil, err
	}
	if err := set(doc.Content[0], e.Path, e.Value); err != nil {
		return nil, err
	}
	var want, got any
	if err := errors.Join(doc.Decode(&want), yaml.Unmarshal(out, &got)); err != nil || !reflect.DeepEqual(want, got) {
		return nil, errors.Join(errByHand, err) // rather no change than another one
	}
	return out, nil
}

var errByHand = errors.New("this part of the file is written in a way that can't be changed here: change it by hand")

// block is a stretch of whole lines that is written anew: a top-level entry, or one machine.
type block struct {
	lines    []string
	from, to int    // lines[from:to]
	indent   string // of all its lines
	isItem   bool   // of the list of machines
}

// key finds the lines of a top-level entry, without the comments and empty lines behind it.
func (b *block) key(root *yaml.Node, key string) bool {
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value == key {
			b.from = root.Content[i].Line - 1
			b.to = b.end(b.from, -1)
			return true
		}
	}
	return false
}

// end is behind the last line from a line on that is indented deeper, or is a list's item at the indent of its key.
func (b *block) end(from, indent int) int {
	end := from + 1
	for i := from + 1; i < len(b.lines); i++ {
		line := strings.TrimRight(b.lines[i], "\r\n \t")
		deep := len(line) - len(strings.TrimLeft(line, " "))
		line = strings.TrimLeft(line, " ")
		switch {
		case line == "" || line[0] == '#' && deep <= max(indent, 0):
			continue
		case deep <= indent || indent < 0 && deep == 0 && line[0] != '-' && line[0] != ']' && line[0] != '}':
			return end
		}
		end = i + 1
	}
	return end
}

// newKey makes room for a new entry above machines, and above the comments that belong to it, or at the end.
func (b *block) newKey(root *yaml.Node, _ string) {
	at := len(b.lines)
	if (&block{lines: b.lines}).key(root, "machines") {
		m := block{lines: b.lines}
		m.key(root, "machines")
		for at = m.from; at > 0 && strings.HasPrefix(b.lines[at-1], "#"); at-- {
		}
	}
	b.from, b.to = at, at
}

// machine narrows the block to a machine's lines, or to the place behind the last machine. A list in brackets, or one
// that is empty, stays whole.
func (b *block) machine(root *yaml.Node, id string) {
	i := slices.IndexFunc(root.Content, func(n *yaml.Node) bool { return n.Value == "machines" })
	list := root.Content[i+1]
	if list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle != 0 || len(list.Content) == 0 {
		return
	}
	indent := list.Column - 1
	b.indent, b.isItem = strings.Repeat(" ", indent), true
	whole := b.to
	for _, item := range list.Content {
		from := item.Line - 1
		for from > b.from && !strings.HasPrefix(b.lines[from], b.indent+"-") { // a dash on a line of its own
			from--
		}
		to := min(b.end(from, indent), whole)
		if k, v := child(item, "id"); k != nil && v.Value == id {
			b.from, b.to = from, to
			return
		}
	}
	b.from, b.to = whole, whole
}

// change writes the block anew.
func (b *block) change(e Edit) ([]byte, error) {
	var was strings.Builder
	for _, line := range b.lines[b.from:b.to] {
		was.WriteString(strings.TrimPrefix(line, b.indent))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(was.String()), &doc); err != nil {
		return nil, errors.Join(errByHand, err)
	}
	path := e.Path
	root := &yaml.Node{Kind: yaml.MappingNode}
	if b.isItem {
		root, path = &yaml.Node{Kind: yaml.SequenceNode}, path[1:]
	}
	if len(doc.Content) == 1 {
		root = doc.Content[0]
	}
	if err := set(root, path, e.Value); err != nil {
		return nil, err
	}
	var out []string
	if len(root.Content) > 0 {
		var now bytes.Buffer
		enc := yaml.NewEncoder(&now)
		enc.SetIndent(2)
		if len(doc.Content) != 1 {
			doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{root}}
		}
		if err := errors.Join(enc.Encode(&doc), enc.Close()); err != nil {
			return nil, fmt.Errorf("write the changed part: %w", err)
		}
		for line := range strings.Lines(now.String()) {
			if strings.TrimSpace(line) != "" {
				line = b.indent + line
			}
			out = append(out, line)
		}
	}
	return []byte(strings.Join(slices.Concat(b.lines[:b.from], out, b.lines[b.to:]), "")), nil
}

// child finds an entry of a mapping.
func child(m *yaml.Node, key string) (k, v *yaml.Node) {
	if m.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i], m.Content[i+1]
		}
	}
	return nil, nil
}

// set puts a value at a path below n, making what lies between; nil takes it out.
func set(n *yaml.Node, path config.Path, value any) error {
	step := path[0].(string)
	switch n.Kind {
	case yaml.MappingNode:
		k, v := child(n, step)
		switch {
		case v == nil && value == nil:
			return nil
		case value == nil && len(path) == 1:
			i := slices.Index(n.Content, k)
			n.Content = slices.Delete(n.Content, i, i+2)
			return nil
		case v == nil:
			v = empty(step)
			n.Content = append(n.Content, word(step), v)
		case v.Kind == yaml.ScalarNode && v.ShortTag() == "!!null":
			v.Kind, v.Tag, v.Value = empty(step).Kind, "", ""
		}
		return put(v, path[1:], value)
	case yaml.SequenceNode:
		i := slices.IndexFunc(n.Content, func(item *yaml.Node) bool { _, id := child(item, "id"); return id != nil && id.Value == step })
		switch {
		case i < 0 && value == nil:
			return nil
		case value == nil && len(path) == 1:
			n.Content = slices.Delete(n.Content, i, i+1)
			return nil
		case i < 0:
			n.Style = 0
			item := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{word("id"), word(step)}}
			n.Content = append(n.Content, item)
			i = len(n.Content) - 1
		}
		item := n.Content[i]
		if len(path) == 1 { // the whole machine
			if err := put(item, nil, value); err != nil {
				return err
			}
			if item.Kind != yaml.MappingNode {
				return errors.New("a machine is a map of its keys")
			}
			if err := set(item, config.At("id"), nil); err != nil {
				return err
			}
			item.Content = slices.Insert(item.Content, 0, word("id"), word(step))
			return nil
		}
		if item.Style&yaml.FlowStyle != 0 && item.LineComment != "" { // it stood behind the bracket
			item.Content[1].LineComment, item.LineComment = item.LineComment, ""
		}
		item.Style &^= yaml.FlowStyle
		return put(item, path[1:], value)
	}
	return fmt.Errorf("%q is no entry with keys, change it by hand", step)
}

// word is a name, quoted where it could be taken for a number.
func word(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// empty is what an entry holds before it is filled.
func empty(key string) *yaml.Node {
	if key == "machines" {
		return &yaml.Node{Kind: yaml.SequenceNode}
	}
	return &yaml.Node{Kind: yaml.MappingNode}
}

// put gives a node a value, or goes on below it.
func put(n *yaml.Node, path config.Path, value any) error {
	if len(path) > 0 {
		return set(n, path, value)
	}
	head, line, foot := n.HeadComment, n.LineComment, n.FootComment
	var now yaml.Node
	if err := now.Encode(value); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	*n = now
	n.HeadComment, n.LineComment, n.FootComment = head, line, foot
	return nil
}
