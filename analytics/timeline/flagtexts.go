package timeline

import (
	"embed"
	"fmt"
	"strings"

	"karkhana/internal/i18n"
)

//go:embed i18n/*.json
var flagFiles embed.FS

// FlagTexts are the energy flags in words, by code.
type FlagTexts map[string]string

// LoadFlagTexts returns the words of a language, hi or en.
func LoadFlagTexts(lang string) (FlagTexts, error) {
	t, err := i18n.Load(flagFiles, lang)
	if err != nil {
		return nil, fmt.Errorf("energy flags: %w", err)
	}
	return t, nil
}

// Join puts flags into words; "" when there are none.
func (t FlagTexts) Join(codes []string) string {
	words := make([]string, len(codes))
	for i, c := range codes {
		words[i] = t[c]
	}
	return strings.Join(words, "; ")
}
