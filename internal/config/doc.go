// Package config reads YAML files strictly: what is not understood is refused with file, line and a suggestion.
//
// [Load] and [Decode] fill a struct whose fields carry `yaml` tags; defaults are assigned to the struct before.
// All faults of shape (unknown or double keys, wrong types) are reported together, sorted by line. The returned
// [Source] remembers the line of everything, so that checks of meaning can say where, too:
//
//	cfg := DefaultConfig()
//	src, err := config.Load("gateway.yaml", &cfg)
//	if err != nil { return err }
//	var errs []error
//	for i, m := range cfg.Machines {
//		if m.Chip not known {
//			errs = append(errs, src.Errorf(config.At("machines", i, "chip"), "unknown chip %q%s", m.Chip, config.DidYouMean(m.Chip, chips)))
//		}
//	}
//	return config.Join(errs...)
//
// gives `gateway.yaml:14: unknown chip "max31865"; did you mean "max31855"?`.
//
// The package knows no key of any file; those belong to the packages that own the files. Anchors, aliases and
// several documents in one file are refused: nobody expects them, and aliases can blow up to any size.
package config
