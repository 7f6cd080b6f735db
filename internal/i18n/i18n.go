// Package i18n reads the texts that people see from the files of a package: i18n/hi.json and i18n/en.json, each an object
// of texts by key.
package i18n

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
)

// Languages are those that there are texts in; the first is what people get who chose none.
var Languages = []string{"hi", "en"}

// Load returns the texts of a language by key.
func Load(files fs.FS, lang string) (map[string]string, error) {
	if !slices.Contains(Languages, lang) {
		return nil, fmt.Errorf("language %q: use hi or en", lang)
	}
	b, err := fs.ReadFile(files, "i18n/"+lang+".json")
	if err != nil {
		return nil, fmt.Errorf("texts of language %s: %w", lang, err)
	}
	var t map[string]string
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("texts of language %s: %w", lang, err)
	}
	return t, nil
}
