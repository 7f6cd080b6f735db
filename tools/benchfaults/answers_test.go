package benchfaults

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// causes are why there is a hole. They come from what gateways went through, which is not the same on two lines.
var causes = regexp.MustCompile(`"cause":"[^"]*","evidence":"[^"]*"`)

// answers asks the API for everything that it says of the recordings, once analytics has rebuilt what was touched.
func (l *line) answers(t *testing.T) map[string]string {
	t.Helper()
	waitFor(t, "analytics does not finish, see "+l.dir, func() bool {
		rows, err := l.registry.TouchedRows(t.Context())
		return err == nil && len(rows) == 0
	})
	token := l.admin(t, "token", "--role", "manager")
	out := map[string]string{}
	for _, r := range l.recordings {
		from, to := r.days()
		for _, path := range []string{
			r.path("intervals", url.Values{}, from, to), r.path("kpis", url.Values{"by": {"hour"}}, from, to), r.path("kpis", url.Values{"by": {"day"}}, from, to),
		} {
			out[path] = causes.ReplaceAllString(l.get(t, token, path), "")
		}
		require.Equal(t, int64(len(r.times)-1)*1000, milliWh(t, out[r.path("kpis", url.Values{"by": {"day"}}, from, to)]),
			"%s: the API's energy is not what the register counted", r.machine)
	}
	return out
}

func (r recording) path(call string, query url.Values, from, to time.Time) string {
	query.Set("from", from.Format(time.RFC3339))
	query.Set("to", to.Format(time.RFC3339))
	return "/api/v1/sites/" + site + "/machines/" + r.machine + "/" + call + "?" + query.Encode()
}

// days are those of the site that the recording touches.
func (r recording) days() (from, to time.Time) {
	ist := time.FixedZone("IST", 5*3600+1800)
	day := func(ms int64) time.Time {
		d := time.UnixMilli(ms).In(ist)
		return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, ist)
	}
	return day(r.times[0]).UTC(), day(r.times[len(r.times)-1]).AddDate(0, 0, 1).UTC()
}

func (l *line) get(t *testing.T, token, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.pages+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", path, b)
	return string(b)
}

// milliWh sums the energy of KPIs up.
func milliWh(t *testing.T, answer string) (sum int64) {
	t.Helper()
	var body struct {
		KPIs []struct {
			EnergyWh float64 `json:"energy_wh"`
		} `json:"kpis"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &body))
	for _, k := range body.KPIs {
		sum += int64(math.Round(k.EnergyWh * 1000))
	}
	return sum
}
