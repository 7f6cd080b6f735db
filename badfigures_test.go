package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/session"
	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/wire"
)

// badMeter is what a machine that draws 6 kW for three hours sends, a sample a minute.
type badMeter struct {
	name   string
	sample func(i int) (atS, watt, wh float64)
	wantWh float64  // worked by hand: 100 Wh a minute, 18 kWh in all
	want   []string // flags
	words  string   // of one of them, in CSV
}

var badMeters = []badMeter{
	{"a good one", func(i int) (float64, float64, float64) { return minuteOf(i), 6000, 500_000 + 100*float64(i) }, 18_000, nil, ""},
	{"jumps up", func(i int) (float64, float64, float64) {
		return minuteOf(i), 6000, 500_000 + 100*float64(i) + after(i, 90, 300_000)
	}, 18_000, []string{"swap"}, "the register jumped: another meter"},
	{"is another one with less on it", func(i int) (float64, float64, float64) {
		return minuteOf(i), 6000, 500_000 + 100*float64(i) - after(i, 90, 300_000)
	}, 18_000, []string{"swap"}, "the register jumped: another meter"},
	{"counts back", func(i int) (float64, float64, float64) {
		return minuteOf(i), 6000, 500_000 + 100*float64(i) - after(i, 90, 300)
	}, 18_000, []string{"reversed"}, "a clamp is the wrong way round"},
	{"begins again", func(i int) (float64, float64, float64) { // what it counted in the minute before is lost
		return minuteOf(i), 6000, 500_000 + 100*float64(i) - after(i, 90, 509_000)
	}, 17_900, []string{"reset"}, "the meter began again at zero"},
	{"passes its end", func(i int) (float64, float64, float64) {
		return minuteOf(i), 6000, math.Mod(9_991_050+100*float64(i), 10_000_000)
	}, 18_000, []string{"wrap"}, "the register passed its end"},
	{"has its clamp the wrong way round", func(i int) (float64, float64, float64) { return minuteOf(i), -6000, 500_000 }, 0, []string{"reversed"}, "a clamp is the wrong way round"},
	{"counts half of what the power says", func(i int) (float64, float64, float64) { return minuteOf(i), 6000, 500_000 + 50*float64(i) }, 9_000, []string{"disagree"}, "register and power disagree"},
	{"a clock that steps forward over an hour", func(i int) (float64, float64, float64) { // 11:50 becomes 12:10
		return minuteOf(i) + after(i, 110, 1200), 6000, 500_000 + 100*float64(i)
	}, 18_000, []string{}, ""}, // the register knows; the time between is unknown
	{"a clock that steps back over an hour", func(i int) (float64, float64, float64) { // 11:05 becomes 10:54:30
		return minuteOf(i) - after(i, 65, 630), 6000, 500_000 + 100*float64(i)
	}, 18_500, []string{"reversed"}, "a clamp is the wrong way round"}, // ten times half a minute of power stands for a step back
}

func minuteOf(i int) float64 { return 60 * float64(i) }

func after(i, from int, v float64) float64 {
	if i < from {
		return 0
	}
	return v
}

// A register or a clock that jumps is flagged on every figure it touches, and the figure is one that can be worked by hand.
func TestWhatMetersDoStandsAtEveryFigure(t *testing.T) {
	l := startLine(t, faultsSiteFile)
	key := secret.New()
	require.NoError(t, l.server.db.SetGatewayKey(context.Background(), faultsSite, "gw-1", registry.HashSecret(key)))
	c := l.client(t, faultsSite+".gw-1", key, "bad-meters")
	defer c.Disconnect(250)
	answers := listenForReceipts(t, c)
	from := time.Date(2026, 6, 2, 4, 30, 0, 0, time.UTC) // 10:00
	id := func(i int) string { return fmt.Sprint("meter-", i) }
	for i := range badMeters {
		l.register(t, id(i))
	}
	require.True(t, waitFor(40*time.Second, func() bool {
		for n, m := range badMeters {
			records := make([]string, 0, 362)
			for i := range 181 {
				at, watt, wh := m.sample(i)
				records = append(records, fmt.Sprintf(`{"n":"power","v":%g,"t":%g},{"n":"energy","v":%.1f,"t":%g}`, watt, at, wh, at))
			}
			payload := strings.Replace(packText(id(n), n+1, strings.Join(records, ",")), fmt.Sprint(badTime), fmt.Sprint(from.Unix()), 1)
			token := c.Publish(wire.PackTopic(faultsSite, "gw-1", id(n), wire.LaneHistory), 1, false, payload)
			require.True(t, token.WaitTimeout(10*time.Second))
		}
		stored, refused := answers()
		require.Empty(t, refused)
		return len(stored) == len(badMeters)
	}))
	l.settle(t)

	for n, m := range badMeters {
		t.Run(m.name, func(t *testing.T) {
			machine := "/api/v1/sites/" + faultsSite + "/machines/" + id(n)
			midnight := from.Add(-10 * time.Hour)
			span := url.Values{"from": {midnight.Format(time.RFC3339)}, "to": {midnight.Add(24 * time.Hour).Format(time.RFC3339)}}.Encode()
			figure := func(what string, wh float64, flags []string) {
				t.Helper()
				require.InDelta(t, m.wantWh, wh, 0.5, what)
				require.Subset(t, flags, m.want, what)
				if m.want == nil {
					require.Empty(t, flags, what)
				}
			}
			type energy struct {
				EnergyWh    float64  `json:"energy_wh"`
				EnergyFlags []string `json:"energy_flags"`
			}
			var intervals struct{ Intervals []energy }
			getJSON(t, l.base, l.token, machine+"/intervals?clip=true&"+span, &intervals)
			var sum energy
			for _, i := range intervals.Intervals {
				sum.EnergyWh += i.EnergyWh
				sum.EnergyFlags = append(sum.EnergyFlags, i.EnergyFlags...)
			}
			figure("intervals", sum.EnergyWh, sum.EnergyFlags)
			var kpis struct{ KPIs []energy }
			getJSON(t, l.base, l.token, machine+"/kpis?by=day&"+span, &kpis)
			figure("day", kpis.KPIs[0].EnergyWh, kpis.KPIs[0].EnergyFlags)
			var used struct{ Periods []energy }
			getJSON(t, l.base, l.token, machine+"/energy?by=all&"+span, &used)
			figure("energy", used.Periods[0].EnergyWh, used.Periods[0].EnergyFlags)

			job := fmt.Sprint("J-", n)
			l.post(t, "/jobs", fmt.Sprintf(`{"number":%q}`, job))
			l.post(t, "/jobs/"+job+"/work", fmt.Sprintf(`{"machine":%q,"from":%q,"to":%q}`, id(n), from.Add(-time.Hour).Format(time.RFC3339), from.Add(5*time.Hour).Format(time.RFC3339)))
			var sheet session.JobSheet
			getJSON(t, l.base, l.token, "/api/v1/sites/"+faultsSite+"/jobs/"+job, &sheet)
			figure("job", float64(sheet.Total.MilliWh)/1000, sheet.Total.EnergyFlags)

			for _, path := range []string{"/api/v1/sites/" + faultsSite + "/kpis.csv?by=day&lang=en&" + span, "/api/v1/sites/" + faultsSite + "/jobs/" + job + ".csv?lang=en"} {
				require.Contains(t, get(t, l.base, l.token, path), m.words, path)
			}
		})
	}
}

// post sends to the site's API.
func (l *line) post(t *testing.T, path, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, l.base+"/api/v1/sites/"+faultsSite+path, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+l.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(res.Body)
	require.NoError(t, err)
	require.Less(t, res.StatusCode, 300, b.String())
}
