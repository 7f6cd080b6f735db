package diagram

import (
	"strings"
	"unicode"
)

// width estimates how wide a text is drawn, on the safe side, in Noto Sans.
func width(text string, size float64) float64 {
	w := 0.0
	for _, r := range text {
		switch {
		case unicode.Is(unicode.Mn, r): // signs above and below
		case unicode.Is(unicode.Devanagari, r):
			w += 0.62
		case strings.ContainsRune("iljI.,:;'|()[]! ", r):
			w += 0.32
		case unicode.IsUpper(r):
			w += 0.68
		default:
			w += 0.58
		}
	}
	return w * size
}

// wrap breaks a text into lines that fit.
func wrap(text string, size, room float64) []string {
	var out []string
	now := ""
	for _, word := range strings.Fields(text) {
		if now != "" && width(now+" "+word, size) > room {
			out = append(out, now)
			now = ""
		}
		now = strings.TrimSpace(now + " " + word)
	}
	if now != "" {
		out = append(out, now)
	}
	return out
}
