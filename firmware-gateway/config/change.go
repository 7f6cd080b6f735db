package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"karkhana/internal/config"
)

// reloadable are the keys that a running gateway can take from a changed file.
var reloadable = []string{"broker", "key", "key_file", "card_salt_file", "command_key_file", "history_packs_per_s", "ports", "machines"}

// RestartNeeded returns what of next a gateway that runs g can't take while it runs: who it is, where its queue lies and
// the like. nil: it can take all of it. The errors name the places in next's file.
func (g *Gateway) RestartNeeded(next *Gateway) error {
	var errs []error
	was, is := reflect.ValueOf(*g), reflect.ValueOf(*next)
	for i := range was.NumField() {
		f := was.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" || slices.Contains(reloadable, key) {
			continue
		}
		if !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			errs = append(errs, next.Errorf(config.At(key), "%s has changed: restart needed", key))
		}
	}
	return errors.Join(errs...)
}

// Errorf makes an error at a place of the file: file:line: text.
func (g *Gateway) Errorf(at config.Path, format string, args ...any) error {
	return g.src.Errorf(at, format, args...)
}
