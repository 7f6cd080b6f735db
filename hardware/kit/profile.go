package kit

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"karkhana/hardware/meter"
	"karkhana/internal/config"
)

// profiles holds the register tables of transmitters that are no energy meters but are read the same way.
//
//go:embed profile/*.yaml
var profiles embed.FS

// MeterProfile returns a register table by its name: an energy meter of package meter, or a transmitter of this one.
func MeterProfile(name string) (*meter.Profile, error) {
	if slices.Contains(meter.Profiles(), name) {
		return meter.LoadProfile(name)
	}
	known := meter.Profiles()
	entries, err := profiles.ReadDir("profile")
	if err != nil {
		return nil, fmt.Errorf("kit: %w", err)
	}
	for _, e := range entries {
		known = append(known, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	if !slices.Contains(known, name) {
		return nil, fmt.Errorf("no profile %q%s", name, config.DidYouMean(name, known))
	}
	file := path.Join("profile", name+".yaml")
	data, err := profiles.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("kit: %w", err)
	}
	return meter.ParseProfile(file, data)
}
