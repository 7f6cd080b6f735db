package timeline

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed i18n/*.json
var flagFiles embed.FS

// FlagTexts are the energy flags in words, by code.
type FlagTexts map[string]string

// LoadFlagTexts returns the words of a language, hi or en.
func LoadFlagTexts(lang string) (FlagTexts, error) {
	b, err := flagFiles.ReadFile("i18n/" + lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("words of energy flags: no language %q, use hi or en: %w", lang, err)
	}
	var t FlagTexts
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("words of energy flags: %s.json: %w", lang, err)
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
