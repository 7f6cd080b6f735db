package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/sensor"
)

// Every fault that a gateway's sensors report has words on the page and in the table of gaps.
func TestFaultsHaveWords(t *testing.T) {
	for file, before := range map[string]string{"dashboards/web/i18n/": "gap.f.", "dashboards/api/i18n/": "fault.fault:"} {
		for _, lang := range []string{"hi", "en"} {
			b, err := os.ReadFile(file + lang + ".json")
			require.NoError(t, err)
			var words map[string]string
			require.NoError(t, json.Unmarshal(b, &words))
			for _, cause := range sensor.Causes() {
				require.NotEmpty(t, words[before+cause], "%s%s.json: %s%s", file, lang, before, cause)
			}
		}
	}
}
