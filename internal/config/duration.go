package config

import (
	"fmt"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a stretch of time in a file: 5s, 15m, 720h. It is never negative and always has a unit.
type Duration time.Duration

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Ms returns d in whole milliseconds.
func (d Duration) Ms() int64 { return time.Duration(d).Milliseconds() }

// String writes d as it would stand in a file.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalYAML writes the form that UnmarshalYAML reads.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalYAML reads a text such as 5s, 15m, 720h or 1h30m; 0 needs no unit.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	const expected = "expected a duration such as 5s, 15m or 720h"
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("%s, got %s", expected, kindOf(node))
	}
	v, err := time.ParseDuration(node.Value)
	if err != nil {
		if _, e := strconv.ParseFloat(node.Value, 64); e == nil {
			return fmt.Errorf("%s; %s has no unit", expected, node.Value)
		}
		return fmt.Errorf("%s, got %.100q", expected, node.Value)
	}
	if v < 0 {
		return fmt.Errorf("%s, got the negative %s", expected, node.Value)
	}
	*d = Duration(v)
	return nil
}

// Milliseconds is a Duration of so many milliseconds.
func Milliseconds(ms int64) Duration { return Duration(time.Duration(ms) * time.Millisecond) }
