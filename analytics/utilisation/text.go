package utilisation

import (
	"embed"

	"karkhana/internal/i18n"
	"karkhana/internal/registry"
)

//go:embed i18n/*.json
var texts embed.FS

// ReasonTexts returns the words of every reason (see Reasons) in both languages.
func ReasonTexts() (map[string]registry.Name, error) {
	hi, err := i18n.Load(texts, "hi")
	if err != nil {
		return nil, err
	}
	en, err := i18n.Load(texts, "en")
	if err != nil {
		return nil, err
	}
	out := make(map[string]registry.Name, len(Reasons))
	for _, code := range Reasons {
		out[code] = registry.Name{Hi: hi[code], En: en[code]}
	}
	return out, nil
}
