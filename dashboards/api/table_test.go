package api_test

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api/apitest"
	"karkhana/internal/i18n"
	"karkhana/internal/registry"
)

// TestTablesForPeopleAndPrograms: with a language a table has words and names, without one the names and codes that programs know.
func TestTablesForPeopleAndPrograms(t *testing.T) {
	r := newRig(t)
	span := url.Values{"from": {apitest.Begin.Add(-48 * time.Hour).Format(time.RFC3339)}, "to": {apitest.Begin.Format(time.RFC3339)}}
	base := url.Values{"base_from": {"2026-11-01T00:00:00+05:30"}, "base_to": {"2026-11-15T00:00:00+05:30"}}
	for k, v := range span {
		base[k] = v
	}
	get := func(path string, q url.Values, lang string) string {
		t.Helper()
		if lang != "" {
			q.Set("lang", lang)
		} else {
			q.Del("lang")
		}
		res := r.call(http.MethodGet, "/api/v1/sites/jodhpur-cfc/"+path+"?"+q.Encode(), "", r.as(registry.RoleManager))
		require.Equal(t, http.StatusOK, res.Code, "%s: %s", path, res.Body)
		return res.Body.String()
	}
	for _, c := range []struct {
		path      string
		q         url.Values
		head, row string // for programs
		hindi     []string
	}{
		{"energy.csv", span, "machine,from,to,tariff,band,kwh,", "\nfurnace-1,2026-11-18", []string{"मशीन,से,तक,दर का आदेश,समय-भाग,बिजली (kWh)", "मफ़ल भट्ठी,18-11-2026 ", "मुख्य मीटर", "सामान्य", "स्थायी शुल्क का हिस्सा"}},
		{"gaps.csv", span, "machine,gateway,from,to,seconds,open,cause,", ",supply,site,", []string{"मशीन,गेटवे,से,तक,सेकंड,अभी जारी,कारण", "बिजली नहीं थी,केंद्र के सब गेटवे साथ बंद हुए"}},
		{"machines/furnace-1/baseline.csv", base, "day,run_hours,kg,cold_starts,kwh,estimated,", "\n2026-11-19,", []string{"दिन,चालू घंटे,वज़न (kg),ठंडी शुरुआत", "\n19-11-2026,"}},
	} {
		programs := get(c.path, c.q, "")
		require.True(t, strings.HasPrefix(programs, c.head), "%s: %.200s", c.path, programs)
		require.Contains(t, programs, c.row, c.path)
		people := get(c.path, c.q, "hi")
		require.True(t, strings.HasPrefix(people, "\ufeff"), c.path)
		for _, word := range c.hindi {
			require.Contains(t, people, word, c.path)
		}
		require.Empty(t, regexp.MustCompile(`\b[a-z]+[_-][a-z_-]+\b`).FindAllString(strings.ReplaceAll(people, "gw-", ""), -1), "%s: codes among the words", c.path)
		require.Equal(t, strings.Count(programs, "\n"), strings.Count(people, "\n"), c.path)
		require.NotContains(t, get(c.path, c.q, "en"), "मशीन", c.path)
	}
}

// TestTableWords: both languages have the same words.
func TestTableWords(t *testing.T) {
	hi, err := i18n.Load(os.DirFS("."), "hi")
	require.NoError(t, err)
	en, err := i18n.Load(os.DirFS("."), "en")
	require.NoError(t, err)
	require.Len(t, hi, len(en))
	for k := range en {
		require.NotEmpty(t, hi[k], k)
	}
}
