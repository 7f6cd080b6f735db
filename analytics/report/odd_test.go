package report_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/report"
	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
)

// odd is a centre with one cutting machine that runs from 9 to 12 on each day of [fromMs, toMs), a main meter and two groups
// that give no numbers.
func odd(t *testing.T, fromMs, toMs int64, change func(*registry.SiteDefinition)) report.Deps {
	db := registrytest.Open(t)
	def := registry.SiteDefinition{
		Site: registry.Site{ID: site, Name: registry.Name{Hi: "जोधपुर केंद्र", En: "Jodhpur centre"}, Zone: "Asia/Kolkata"},
		Machines: []registry.MachineDefinition{
			{Machine: registry.Machine{ID: "saw", Class: "cutting", Name: registry.Name{Hi: "आरी", En: "Saw"}}, Settings: []registry.Settings{{Signal: "power", IdleAbove: 50, RunAbove: 1000, Hysteresis: 0.1}}},
			{Machine: registry.Machine{ID: "incomer", Class: registry.ClassMainMeter, Name: registry.Name{Hi: "मुख्य मीटर", En: "Main meter"}}},
		},
		Groups: []registry.GroupDefinition{{Group: registry.Group{ID: "g0", Name: registry.Name{Hi: "पहला समूह", En: "First group"}}}, {Group: registry.Group{ID: "g1"}}},
	}
	if change != nil {
		change(&def)
	}
	require.NoError(t, db.Apply(t.Context(), def, "test", toMs))
	store := tsdb.NewMemory()
	var points []tsdb.Point
	var held []registry.Session
	for at := fromMs; at < toMs; at += hour {
		h := timeline.Hour{StartMs: at}
		state, local := timeline.StateOff, time.UnixMilli(at).In(kolkata).Hour()
		if local >= 9 && local < 12 {
			state, h.RunMs, h.RunMilliWh = timeline.StateRun, hour, 2_000_000
		} else {
			h.OffMs = hour
		}
		if local == 9 {
			held = append(held, registry.Session{Site: site, Machine: "saw", StartMs: at, EndMs: at + 3*hour, Group: "g0", CardHash: "c", EndReason: "tap"})
		}
		points = append(points, h.Point(site, "saw"), timeline.Interval{State: state, StartMs: at, EndMs: at + hour, EnergyMilliWh: h.RunMilliWh}.Point(site, "saw"))
	}
	require.NoError(t, store.Write(t.Context(), points))
	require.NoError(t, db.ReplaceSessions(t.Context(), site, "saw", 0, held))
	return report.Deps{Store: store, Registry: db}
}

// anyKey is a text that was not found, a place that was not filled, or a figure that is none.
var anyKey = regexp.MustCompile(`\{\d\}|NaN|Inf|%!|(^|[\s(])(col|sum|note|def|elec|meter|heat|job|unit|problem|phase|state)\.[a-z]`)

// papers makes all reports of a month in both languages and gives their words by kind; none has a gap in its words, a figure that is
// none, or a row that is not as wide as its columns.
func papers(t *testing.T, d report.Deps, month string, nowMs int64) map[string]string {
	out := map[string]string{}
	for _, c := range []struct{ kind, machine string }{{report.KindMonth, ""}, {report.KindMonth, "saw"}, {report.KindScheme, ""}, {report.KindMeter, ""}} {
		r, err := report.Make(t.Context(), d, report.Asked{Kind: c.kind, Site: site, Month: month, Machine: c.machine, NowMs: nowMs})
		require.NoError(t, err)
		_, err = json.Marshal(r) // fails on NaN
		require.NoError(t, err)
		for _, lang := range []string{"hi", "en"} {
			p, err := r.Page(lang)
			require.NoError(t, err)
			for _, part := range p.Parts {
				require.NotEmpty(t, len(part.Paragraphs)+len(part.Rows), "%s %s: nothing under %q", c.kind, lang, part.Heading)
				for _, row := range part.Rows {
					require.Len(t, row, len(part.Columns), "%s: %s", part.Heading, row)
				}
				require.LessOrEqual(t, len(part.Links), len(part.Rows), part.Heading)
			}
			var table, paper bytes.Buffer
			require.NoError(t, p.WriteCSV(&table))
			require.NoError(t, p.WritePDF(&paper))
			require.Empty(t, anyKey.FindAllString(table.String(), -1), "%s %s: %s", c.kind, lang, table.String())
			out[strings.TrimSuffix(c.kind+" "+c.machine, " ")+" "+lang] = table.String()
			for _, part := range p.Parts {
				for _, row := range part.Rows {
					out[strings.TrimSuffix(c.kind+" "+c.machine, " ")+" "+lang+" shown"] += strings.Join(row, "|") + "\n"
				}
			}
		}
	}
	return out
}

func TestOddMonths(t *testing.T) {
	t.Run("no data at all", func(t *testing.T) {
		d := odd(t, local(2026, 10, 1), local(2026, 11, 1), func(def *registry.SiteDefinition) {
			tariffs := late()
			tariffs[0].ValidFromMs = local(2026, 1, 1)
			def.Electricity = electricity.Config{Tariffs: tariffs, Emission: []electricity.Emission{{Year: 2024, MicroKgPerKWh: 710_000, Version: "CEA v21.0"}}}
		})
		p := papers(t, d, "2026-08", local(2026, 12, 1))
		require.Contains(t, p["month en shown"], "Unknown (hours)|744.00\n")
		require.Contains(t, p["month en shown"], "Energy (kWh)|–\n", "nothing was heard: that is not zero")
		require.Contains(t, p["month en shown"], "Utilisation by PBT (availability)|low coverage\n")
		require.Contains(t, p["month saw en"], "Nothing is known of these days: 01–31-08-2026")
		require.NotContains(t, p["month en"], "CO2 of this month's energy: 0.00")
		require.Contains(t, p["month en"], "Little was heard, true energy and cost may be more: Saw (0.0 % known)")
		require.Contains(t, p["month en shown"], "Fixed charge||₹1,000.00||||₹0.00|₹1,000.00\nTotal|–||||||₹1,000.00\n", "nobody can share it, it is paid all the same")
		require.NotRegexp(t, `(?m)^Saw\|.*₹0.00`, p["month en shown"])
	})
	t.Run("February of a leap year, and no month after it yet", func(t *testing.T) {
		p := papers(t, odd(t, local(2028, 2, 1), local(2028, 3, 1), nil), "2028-02", local(2028, 3, 1))
		require.Contains(t, p["month en"], "01-02-2028 to 29-02-2028")
		require.NotContains(t, p["month en"], "Provisional")
		require.Contains(t, p["month en shown"], "Run (hours)|87.00\n") // 29 × 3
		require.Contains(t, p["month en shown"], "Share of 2,400 hours a year so far (machine hours)|190.16\n", "2400 × 29 ÷ 366")
		require.Contains(t, p["month saw hi"], "\n29-02-2028,3.00,")
	})
	t.Run("the turn of the year and of the financial year", func(t *testing.T) {
		d := odd(t, local(2026, 12, 1), local(2027, 5, 1), nil)
		p := papers(t, d, "2026-12", local(2027, 6, 1))
		require.Contains(t, p["scheme en"], "01-12-2026 to 31-12-2026")
		require.Contains(t, p["scheme en"], "Financial year from 01-04-2026")
		require.Contains(t, p["scheme en"], "First samples (time before them counts as unknown): 01-12-2026 (Saw)")
		p = papers(t, d, "2027-03", local(2027, 6, 1))
		require.Contains(t, p["scheme en shown"], "Run (hours)|93.00|363.00\n", "four months of the financial year")
		p = papers(t, d, "2027-04", local(2027, 6, 1))
		require.Contains(t, p["scheme en"], "Financial year from 01-04-2027")
		require.Contains(t, p["scheme en shown"], "Run (hours)|90.00|90.00\n", "the first month of the financial year")
		require.NotContains(t, p["scheme en"], "First samples")
	})
	t.Run("a machine from the middle of the month", func(t *testing.T) {
		p := papers(t, odd(t, local(2026, 10, 16), local(2026, 11, 1), nil), "2026-10", local(2026, 12, 1))
		require.Contains(t, p["month hi"], "पहला माप कब का है (उससे पहले का समय अज्ञात गिना गया): 16-10-2026 (आरी)")
		require.Contains(t, p["month saw en"], "Nothing is known of these days: 01–15-10-2026")
		require.Contains(t, p["month en shown"], "Run (hours)|48.00\n")
	})
	t.Run("no member is given", func(t *testing.T) {
		p := papers(t, odd(t, local(2026, 10, 1), local(2026, 11, 1), nil), "2026-10", local(2026, 12, 1))
		require.Contains(t, p["scheme hi shown"], "महिलाएँ|नहीं दिया||नहीं दिया|\n")
		require.Contains(t, p["scheme hi shown"], "कुल|नहीं दिया|नहीं दिया|नहीं दिया|नहीं दिया||31|93.00|")
		require.Contains(t, p["scheme en"], "\nTotal,,,,,,31,93.00,", "a spreadsheet gets no zero")
	})
	t.Run("a group that gives some numbers", func(t *testing.T) {
		d := odd(t, local(2026, 10, 1), local(2026, 11, 1), func(def *registry.SiteDefinition) {
			def.Groups[0].Members = []registry.Members{{Members: 10, Women: 0, SC: registry.NotGiven, ST: registry.NotGiven}}
		})
		p := papers(t, d, "2026-10", local(2026, 12, 1))
		require.Contains(t, p["scheme en shown"], "First group|10|0|not given|not given|since ever|31|", "no women is 0, not said is not")
		require.Contains(t, p["scheme en shown"], "Total|≥ 10|≥ 0|not given|not given||31|")
	})
	t.Run("no price for half of the month", func(t *testing.T) {
		d := odd(t, local(2026, 10, 1), local(2026, 11, 1), func(def *registry.SiteDefinition) {
			def.Tariffs = []registry.Tariff{{Class: "cutting", ValidFromMs: local(2026, 10, 16), PaisePerRunHour: 10_000}}
			def.Electricity = electricity.Config{Tariffs: late()}
		})
		p := papers(t, d, "2026-10", local(2026, 12, 1))
		require.Contains(t, p["month hi shown"], "पहला समूह|31|93.00|186.00|₹4,800.00|दर तय नहीं, राशि अधूरी (आरी)\n", "16 days × 3 h × ₹100")
		require.Contains(t, p["month en"], "† No tariff is in force before 11-10-2026: 60.00 kWh have no price")
		require.Contains(t, p["month en shown"], "Saw|186.00|126.00|60.00|0.0 %|₹945.00 †|₹677.42 †|₹1,622.42 †|–|† without 60.00 kWh\n")
		require.Contains(t, p["month saw en shown"], "No tariff|60.00||||||no price\n")
	})
	t.Run("the thresholds changed within the month", func(t *testing.T) {
		d := odd(t, local(2026, 10, 1), local(2026, 11, 1), func(def *registry.SiteDefinition) {
			def.Machines[0].Settings = append(def.Machines[0].Settings, registry.Settings{ValidFromMs: local(2026, 10, 12) + 15*hour, Signal: "current", IdleAbove: 0.5, RunAbove: 2.25, Hysteresis: 0.05})
		})
		p := papers(t, d, "2026-10", local(2026, 12, 1))
		require.Contains(t, p["month en shown"], "Saw|since ever|power (W)|50 W|1,000 W|10\nSaw|12-10-2026 15:00|current (A)|0.5 A|2.25 A|5\n")
	})
	t.Run("a centre with nothing but a main meter", func(t *testing.T) {
		d := odd(t, local(2026, 10, 1), local(2026, 10, 2), func(def *registry.SiteDefinition) {
			def.Groups, def.Machines = nil, append(def.Machines[1:], def.Machines[0])
		})
		papers(t, d, "2026-10", local(2026, 10, 2))
	})
}
