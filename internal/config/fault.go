package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Fault is one thing wrong with a file.
type Fault struct {
	File string // as given to Load or Decode
	Line int    // from 1; 0 when the fault belongs to no line
	Text string
}

// Error gives file:line: text, the form that editors and terminals make clickable.
func (f *Fault) Error() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Text)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// Join gathers errors into one, one per line of text, faults sorted by their line. Nil errors do not count; when none
// remains it returns nil. Errors that are no faults come last.
func Join(errs ...error) error {
	var flat []error
	for _, err := range errs {
		flat = append(flat, split(err)...)
	}
	slices.SortStableFunc(flat, func(a, b error) int { return cmp.Compare(lineOf(a), lineOf(b)) })
	return errors.Join(flat...)
}

// split takes errors.Join apart, so that faults joined earlier are sorted among the others.
func split(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error }) // only a join itself is taken apart
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, split(e)...)
	}
	return out
}

const noLine = int(^uint(0) >> 1)

func lineOf(err error) int {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Line
	}
	return noLine
}
