package kit

import (
	"strings"

	"karkhana/internal/config"
)

// Problem is one thing wrong with a kit or a change: where in it, and what to do.
type Problem struct {
	Path config.Path
	Text string
}

// Problems are all things wrong; as an error each has its line of text.
type Problems []Problem

// Error names every place by its path.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Path.String() + ": " + one.Text
	}
	return strings.Join(lines, "\n")
}

// In turns the problems into faults with file and line; at is where the kit or the change stands in the file.
func (p Problems) In(src *config.Source, at ...any) error {
	errs := make([]error, len(p))
	for i, one := range p {
		errs[i] = src.Errorf(config.At(at...).Then(one.Path...), "%s", one.Text)
	}
	return config.Join(errs...)
}
