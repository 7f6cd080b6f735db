package source

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// parseRow returns the samples of a row, at the recorded time.
func (cols columns) parseRow(ms int64, fields []string, card func(string) (string, error)) ([]wire.Sample, error) {
	if len(fields) != len(cols)+2 {
		return nil, fmt.Errorf("%d fields where the header has %d", len(fields), len(cols)+2)
	}
	var out []wire.Sample
	for i, c := range cols {
		text := strings.TrimSpace(fields[i+2])
		if text == "" {
			continue
		}
		s := wire.Sample{TimeMs: ms, Quantity: c.q.Name}
		var err error
		switch c.q.Kind {
		case quantity.KindNumber:
			s.Number, err = c.number(text)
		case quantity.KindBool:
			s.Bool, err = parseBool(text)
		case quantity.KindText:
			s.Text = text
			if c.q.Name == quantity.Card {
				s.Text, err = card(text)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.q.Name, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func (c column) number(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a number", text)
	}
	return wire.CheckedNumber(c.q, v, c.unit)
}

func parseBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%.40q: write true or false", text)
}

// parseTime reads RFC 3339 or Unix seconds with decimals, to Unix milliseconds.
func parseTime(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "T:") { // parsing on trial would cost more than the rest of the row
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t.UnixMilli(), nil
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsNaN(v):
		return 0, fmt.Errorf("time %.40q: write RFC 3339 (2026-10-23T09:00:00+05:30) or Unix seconds", text)
	case v >= 1e11:
		return 0, fmt.Errorf("time %.40q looks like milliseconds: write Unix seconds (divide by 1000)", text)
	case v < 1<<28:
		return 0, fmt.Errorf("time %.40q lies before 1979: not a time that can be sent", text)
	}
	return int64(math.Round(v * 1000)), nil
}

// HashCards returns how card texts become what may be sent: with the site's salt every text is hashed, without it
// only a text that is a hash already passes.
func HashCards(salt []byte) func(string) (string, error) {
	return func(text string) (string, error) {
		if len(salt) > 0 {
			return wire.CardHash(salt, text), nil
		}
		if isHash(text) {
			return text, nil
		}
		return "", fmt.Errorf("a raw card is never sent: set card_salt_file in the gateway's configuration")
	}
}

func isHash(text string) bool {
	if len(text) != 32 {
		return false
	}
	for _, r := range text {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}
