package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/session"
	"karkhana/dashboards/api"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

type (
	sessionList    struct{ Sessions []api.Session }
	correctionList struct{ Corrections []api.Correction }
	correctedOnce  struct {
		Correction api.Correction
		Remade     int
	}
	statementList struct{ Statements []api.StatementRow }
)

// TestCorrectionMovesTheDraft assigns a stretch of nobody, sees the session and the draft follow, and takes it back.
func TestCorrectionMovesTheDraft(t *testing.T) {
	r := newRig(t)
	accountant := r.as(registry.RoleAccountant)
	drafts := func() map[string]int64 {
		out := map[string]int64{}
		for _, s := range get[statementList](r, registry.RoleAccountant, base+"/statements?month=2026-11").Statements {
			out[s.Group] = s.Total.RunS
		}
		return out
	}
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, base+"/statements", `{"month":"2026-11"}`, accountant).Code)
	before := drafts()

	assign := `{"kind":"assign","machine":"polishing-1","start":"2026-11-19T13:05:00+05:30","end":"2026-11-19T14:10:00+05:30","group":"meera-pg","reason":"card was forgotten at home"}`
	made := decoded[correctedOnce](r, r.call(http.MethodPost, base+"/corrections", assign, accountant))
	require.Equal(t, "applied", made.Correction.Status)
	require.Equal(t, "accountant one", made.Correction.Author)
	require.Equal(t, 3, made.Remade)
	after := drafts()
	require.Equal(t, before["meera-pg"]+65*60, after["meera-pg"])
	require.Equal(t, before["pital-shg"], after["pital-shg"])

	day := span("2026-11-19T00:00:00+05:30", "2026-11-20T00:00:00+05:30")
	find := func(list []api.Session, machine string) (out []api.Session) {
		for _, s := range list {
			if s.Machine == machine && s.Group == "meera-pg" {
				out = append(out, s)
			}
		}
		return out
	}
	got := find(get[sessionList](r, registry.RoleManager, base+"/sessions?evidence=true&machine=polishing-1&"+day).Sessions, "polishing-1")
	require.Len(t, got, 1)
	require.Equal(t, []int64{made.Correction.ID}, got[0].Corrections)
	require.Equal(t, session.EndCorrection, got[0].EndReason)
	require.NotEmpty(t, got[0].Evidence.Intervals)

	refused(t, r.call(http.MethodPost, base+"/corrections", assign, accountant), http.StatusConflict, "meera-pg")
	for body, words := range map[string]string{
		`{"kind":"assign","machine":"polishing-1","start":"2026-11-19T13:05:00+05:30","end":"2026-11-19T13:05:00+05:30","group":"meera-pg","reason":"x"}`: "before",
		`{"kind":"assign","machine":"polishing-1","start":"2027-11-19T13:05:00+05:30","end":"2027-11-19T14:05:00+05:30","group":"meera-pg","reason":"x"}`: "future",
		`{"kind":"assign","machine":"polishing-1","group":"meera-pg","reason":"x"}`:                                                                       "start and end",
		`{"kind":"training","machine":"polishing-1","reason":"x"}`:                                                                                        "start",
		`{"kind":"group","machine":"polishing-1","start":"2026-11-19T13:05:00+05:30","reason":"x"}`:                                                       "group",
		`{"kind":"void","machine":"polishing-1","reason":"x"}`:                                                                                            "tap",
		`{"kind":"end","machine":"polishing-1","start":"2026-11-19T13:05:00+05:30","at":"2026-11-19T15:05:00+05:30","reason":"x"}`:                        "inside",
		`{"kind":"training","machine":"polishing-1","start":"2026-11-19T13:05:00+05:30","reason":"  "}`:                                                   "why",
	} {
		refused(t, r.call(http.MethodPost, base+"/corrections", body, accountant), http.StatusBadRequest, words)
	}
	refused(t, r.call(http.MethodPost, base+"/corrections", strings.Replace(assign, "meera-pg", "nobody", 1), accountant), http.StatusNotFound, "known groups")

	back := decoded[correctedOnce](r, r.call(http.MethodPost, base+"/corrections", `{"kind":"reverse","reverses":`+itoa(made.Correction.ID)+`,"reason":"wrong group"}`, accountant))
	require.Equal(t, "reverse", back.Correction.Kind)
	require.Equal(t, before, drafts())
	refused(t, r.call(http.MethodPost, base+"/corrections", `{"kind":"reverse","reverses":`+itoa(made.Correction.ID)+`,"reason":"again"}`, accountant), http.StatusConflict, "reversed already")

	all := get[correctionList](r, registry.RoleManager, base+"/corrections?"+day).Corrections
	require.Len(t, all, 2)
	require.Equal(t, "reversed", all[0].Status)
	require.Equal(t, "card was forgotten at home", all[0].Reason)
	require.Empty(t, get[correctionList](r, registry.RoleGroup, base+"/corrections?"+day).Corrections, "pital-shg has no part in it")
	log, err := r.Registry.AuditLog(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "correct session", log[0].What)
}

// TestVoidedTap lets a tap of seven seconds' distance end a session, and takes it out.
func TestVoidedTap(t *testing.T) {
	r := newRig(t)
	begin := r.Now().Add(-2 * time.Hour).Truncate(time.Minute)
	card := "00112233445566778899aabbccddeeff"
	tap := func(after time.Duration) tsdb.Point {
		return tsdb.Point{Measurement: tsdb.Telemetry, Site: "jodhpur-cfc", Machine: "design-1", TimeMs: begin.Add(after).UnixMilli(), Fields: []tsdb.Field{{Key: "card", Value: card}}}
	}
	require.NoError(t, r.Store.Write(t.Context(), []tsdb.Point{tap(0), tap(7 * time.Second), tap(time.Hour)}))
	require.NoError(t, session.New(session.Options{Store: r.Store, Registry: r.Registry, Now: r.Now}).Rebuilt(t.Context(), "jodhpur-cfc", "design-1", begin.UnixMilli(), 0))
	sessions := func() (out []api.Session) {
		url := base + "/sessions?evidence=true&machine=design-1&" + span(begin.Format(time.RFC3339), r.Now().Format(time.RFC3339))
		for _, s := range get[sessionList](r, registry.RoleManager, url).Sessions {
			if s.Card == card {
				out = append(out, s)
			}
		}
		return out
	}
	require.Len(t, sessions(), 2)
	body := `{"kind":"void","machine":"design-1","card":"` + card + `","at":"` + begin.Add(7*time.Second).Format(time.RFC3339) + `","reason":"tapped twice"}`
	made := decoded[correctedOnce](r, r.call(http.MethodPost, base+"/corrections", body, r.as(registry.RoleManager)))
	got := sessions()
	require.Len(t, got, 1)
	require.Equal(t, begin.Add(time.Hour).UnixMilli(), got[0].End.UnixMilli())
	require.Len(t, got[0].Evidence.Taps, 3)
	require.True(t, got[0].Evidence.Taps[1].Void)
	refused(t, r.call(http.MethodPost, base+"/corrections", strings.Replace(body, card, "ff"+card[2:], 1), r.as(registry.RoleManager)), http.StatusNotFound, "no tap")
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, base+"/corrections", `{"kind":"reverse","reverses":`+itoa(made.Correction.ID)+`,"reason":"it was right"}`, r.as(registry.RoleManager)).Code)
	require.Len(t, sessions(), 2)
}
