package utilisation

import (
	"embed"
	"encoding/json"
	"fmt"

	"karkhana/internal/registry"
)

//go:embed i18n/*.json
var texts embed.FS

func loadTexts(lang string) (map[string]string, error) {
	b, err := texts.ReadFile("i18n/" + lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("language %q: use hi or en", lang)
	}
	var out map[string]string
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("texts of figures, %s: %w", lang, err)
	}
	return out, nil
}

// ReasonTexts returns the words of every reason (see Reasons) in both languages.
func ReasonTexts() (map[string]registry.Name, error) {
	hi, err := loadTexts("hi")
	if err != nil {
		return nil, err
	}
	en, err := loadTexts("en")
	if err != nil {
		return nil, err
	}
	out := make(map[string]registry.Name, len(Reasons))
	for _, code := range Reasons {
		out[code] = registry.Name{Hi: hi[code], En: en[code]}
	}
	return out, nil
}
