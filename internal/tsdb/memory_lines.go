package tsdb

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// WriteLines implements Store by reading the lines back, as InfluxDB does.
func (m *Memory) WriteLines(ctx context.Context, l *Lines) error {
	points, err := l.Points()
	if err != nil {
		return err
	}
	return m.Write(ctx, points)
}

// Points reads the lines back, for tests and for stores in memory.
func (l *Lines) Points() ([]Point, error) {
	var points []Point
	for i := range l.ends {
		p, err := parseLine(string(l.line(i)))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i, err)
		}
		points = append(points, p)
	}
	return points, nil
}

// parseLine reads what Lines writes.
func parseLine(s string) (p Point, err error) {
	head, rest, _ := strings.Cut(s, " ")
	for i, part := range strings.Split(head, ",") {
		k, v, _ := strings.Cut(part, "=")
		switch {
		case i == 0:
			p.Measurement = part
		case k == "machine":
			p.Machine = v
		case k == "site":
			p.Site = v
		}
	}
	for {
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			return p, fmt.Errorf("%q: no fields", s)
		}
		var f Field
		f.Key = key
		n := 0
		if strings.HasPrefix(value, `"`) {
			f.Value, n, err = unquote(value)
		} else {
			n = strings.IndexAny(value, ", ")
			switch text := value[:max(n, 0)]; text {
			case "true", "false":
				f.Value = text == "true"
			default:
				if whole, ok := strings.CutSuffix(text, "i"); ok {
					f.Value, err = strconv.ParseInt(whole, 10, 64)
				} else {
					f.Value, err = strconv.ParseFloat(text, 64)
				}
			}
		}
		if err != nil || n < 0 {
			return p, fmt.Errorf("%q: field %s cannot be read: %w", s, key, err)
		}
		p.Fields = append(p.Fields, f)
		sep := value[n]
		rest = value[n+1:]
		if sep == ' ' {
			p.TimeMs, err = strconv.ParseInt(strings.TrimSuffix(rest, "\n"), 10, 64)
			return p, err
		}
	}
}

// unquote reads a quoted text at the start of s and says where it ends.
func unquote(s string) (text string, end int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i + 1, nil
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, strconv.ErrSyntax
}
