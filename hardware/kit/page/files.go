// Package page makes the documents of the kits from their files: a page and a picture for each, and an index.
package page

import (
	"karkhana/hardware/kit"
	"karkhana/hardware/kit/diagram"
)

// Files returns the content of docs/kits by file name. The same kits give the same bytes.
func Files() (map[string][]byte, error) {
	base, err := kit.LoadBase()
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	var kits []*kit.Kit
	for _, class := range kit.Classes() {
		k, err := kit.Load(class)
		if err != nil {
			return nil, err
		}
		kits = append(kits, k)
		if out[class+".svg"], err = diagram.Draw(k, base); err != nil {
			return nil, err
		}
		if out[class+".md"], err = Kit(k, base); err != nil {
			return nil, err
		}
	}
	out["README.md"], err = Index(kits, base)
	return out, err
}
