package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/internal/registry"
)

// wantAccess is written by hand, apart from the table in the code: a change of rights must be made twice.
// a = accountant, g = group, m = manager, t = technician, v = viewer; admin may do everything. "*" is public.
var wantAccess = map[string]string{
	"login": "*", "logout": "*", "me": "*", "enrol": "*",
	"list-sites":    "agmtv",
	"list-machines": "amtv", "live": "amtv", "list-intervals": "amtv", "list-kpis": "amtv", "get-series": "amtv",
	"get-samples-csv": "amtv",
	"list-site-kpis":  "amtv", "get-site-kpis-csv": "amtv", "get-calendar": "amtv", "list-breakdowns": "amtv",
	"add-planned-stop": "m", "remove-planned-stop": "m", "add-breakdown": "mt", "end-breakdown": "mt", "remove-breakdown": "m",
	"list-gateways": "amtv", "list-alarms": "amtv", "list-baselines": "amtv", "list-services": "amtv",
	"shelve-alarm": "mt", "unshelve-alarm": "mt", "service-done": "mt",
	"suggest-thresholds": "mt", "confirm-thresholds": "mt",
	"acknowledge-alarm": "mt", "resolve-alarm": "mt", "list-quarantine": "mt", "list-commands": "mt", "send-command": "mt", "make-gateway-code": "m",
	"count-quarantine": "mt", "replay-quarantine": "mt", "drop-quarantine": "m",
	"list-gaps": "amtv", "get-gaps-csv": "amtv",
	"get-energy": "amtv", "get-energy-csv": "amtv", "get-machine-energy": "amtv", "get-energy-baseline": "amtv", "get-energy-baseline-csv": "amtv",
	"list-groups": "agmt", "list-sessions": "agmt",
	"list-statements": "agm", "get-statement": "agm", "get-statement-csv": "agm",
	"make-statements": "am", "list-unattributed": "am",
	"get-month-report": "am", "get-month-report-csv": "am", "get-month-report-pdf": "am",
	"get-scheme-report": "am", "get-scheme-report-csv": "am", "get-scheme-report-pdf": "am",
	"list-corrections": "agm", "correct-session": "am",
	"list-jobs": "agmt", "get-job": "agmt", "get-job-csv": "agmt", "save-job": "amt", "add-job-work": "amt", "end-job-work": "amt", "correct-job-work": "am", "get-meter-report": "am", "get-meter-report-csv": "am", "get-meter-report-pdf": "am", "get-job-pdf": "agmt", "list-unknown-cards": "amt", "give-job-card": "amt", "end-job-card": "amt",
}

// operationOf is what the test reads of the OpenAPI document.
type operationOf struct {
	OperationID string           `json:"operationId"`
	Security    []map[string]any `json:"security"`
}

// TestEveryOperationKnowsItsRoles walks the OpenAPI document as served and calls every operation as nobody, with a
// wrong token and in every role.
func TestEveryOperationKnowsItsRoles(t *testing.T) {
	r := newRig(t)
	var doc struct {
		OpenAPI string                            `json:"openapi"`
		Paths   map[string]map[string]operationOf `json:"paths"`
	}
	w := r.call(http.MethodGet, "/openapi.json", "")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	require.True(t, strings.HasPrefix(doc.OpenAPI, "3.1"))

	seen := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			seen[op.OperationID] = true
			want, listed := wantAccess[op.OperationID]
			require.True(t, listed, "%s %s (%s) is new: say here who may call it", method, path, op.OperationID)
			method := strings.ToUpper(method)
			url := strings.NewReplacer("{site}", "nowhere", "{machine}", "none", "{id}", "1").Replace(path)
			if want == "*" {
				require.Empty(t, op.Security)
				continue
			}
			require.NotEmpty(t, op.Security)
			refused(t, r.call(method, url, "{}"), http.StatusUnauthorized, "sign in")
			refused(t, r.call(method, url, "{}", header("Authorization", "Bearer wrong")), http.StatusUnauthorized, "expired")
			refused(t, r.call(method, url, "{}", header("Authorization", "Basic YTpi")), http.StatusUnauthorized)
			for _, role := range registry.Roles {
				got := r.call(method, url, "{}", r.as(role))
				if role == registry.RoleAdmin || slices.Contains([]byte(want), role[0]) {
					require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, got.Code, "%s as %s: %s", op.OperationID, role, got.Body)
				} else {
					refused(t, got, http.StatusForbidden, "role "+string(role)+" may not")
				}
			}
		}
	}
	for id := range wantAccess {
		require.True(t, seen[id], "%s is gone from the document", id)
	}
}

func TestAnonymousRole(t *testing.T) {
	r := newRig(t, func(o *api.Options) { o.AnonymousRole = registry.RoleViewer })
	require.Equal(t, http.StatusOK, r.call(http.MethodGet, base+"/machines", "").Code)
	refused(t, r.call(http.MethodGet, base+"/statements?month=2026-11", ""), http.StatusUnauthorized, "sign in", "accountant")
	refused(t, r.call(http.MethodPost, base+"/alarms/1/acknowledge", "{}"), http.StatusUnauthorized)
	refused(t, r.call(http.MethodGet, "/metrics", ""), http.StatusUnauthorized)
	refused(t, r.call(http.MethodGet, base+"/machines", "", header("Authorization", "Bearer wrong")), http.StatusUnauthorized)
}

func TestGroupSeesItsOwnOnly(t *testing.T) {
	r := newRig(t)
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, base+"/statements", `{"month":"2026-11"}`, r.as(registry.RoleAccountant)).Code)
	type rows struct{ Statements []api.StatementRow }
	all := get[rows](r, registry.RoleAccountant, base+"/statements?month=2026-11").Statements
	require.Len(t, all, 3)
	own := get[rows](r, registry.RoleGroup, base+"/statements?month=2026-11").Statements
	require.Len(t, own, 1)
	require.Equal(t, "pital-shg", own[0].Group)

	for _, s := range all {
		for _, suffix := range []string{"", ".csv"} {
			w := r.call(http.MethodGet, base+"/statements/"+itoa(s.ID)+suffix, "", r.as(registry.RoleGroup))
			if s.Group == "pital-shg" {
				require.Equal(t, http.StatusOK, w.Code)
				require.NotContains(t, w.Body.String(), "unattributed_run_ms", "the balance speaks of all groups")
			} else {
				refused(t, w, http.StatusNotFound)
			}
		}
	}

	type sessions struct{ Sessions []api.Session }
	for _, s := range get[sessions](r, registry.RoleGroup, base+"/sessions?"+today()).Sessions {
		require.Equal(t, "pital-shg", s.Group)
	}
	refused(t, r.call(http.MethodGet, base+"/sessions?group=meera-pg&"+today(), "", r.as(registry.RoleGroup)), http.StatusForbidden, "pital-shg")
	require.Greater(t, len(get[sessions](r, registry.RoleManager, base+"/sessions?"+today()).Sessions), 5)
	require.Len(t, get[struct{ Groups []api.Group }](r, registry.RoleGroup, base+"/groups").Groups, 1)
}
