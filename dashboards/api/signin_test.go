package api_test

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/internal/registry"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func (r *rig) login(role registry.Role, changes ...with) *http.Cookie {
	r.t.Helper()
	w := r.call(http.MethodPost, "/api/v1/login", `{"token":"`+r.Tokens[role]+`"}`, changes...)
	require.Equal(r.t, http.StatusOK, w.Code, w.Body.String())
	cookies := w.Result().Cookies()
	require.Len(r.t, cookies, 1)
	return cookies[0]
}

func using(c *http.Cookie) with {
	return func(q *http.Request) { q.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value}) }
}

func TestSignIn(t *testing.T) {
	r := newRig(t)
	c := r.login(registry.RoleAccountant)
	require.True(t, c.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, 12*3600, c.MaxAge)
	require.False(t, c.Secure, "plain HTTP on the workshop's own network")
	require.NotContains(t, c.Value, r.Tokens[registry.RoleAccountant])
	require.True(t, r.login(registry.RoleViewer, func(q *http.Request) { q.TLS = &tls.ConnectionState{} }).Secure)
	require.True(t, r.login(registry.RoleViewer, header("X-Forwarded-Proto", "https")).Secure)

	me := decoded[api.Me](r, r.call(http.MethodGet, "/api/v1/me", "", using(c)))
	require.True(t, me.SignedIn)
	require.Equal(t, "accountant", me.Role)
	require.Equal(t, http.StatusOK, r.call(http.MethodGet, base+"/statements?month=2026-11", "", using(c)).Code)
	refused(t, r.call(http.MethodPost, base+"/alarms/1/acknowledge", "{}", using(c)), http.StatusForbidden)

	out := r.call(http.MethodPost, "/api/v1/logout", "{}", using(c)).Result().Cookies()
	require.Len(t, out, 1)
	require.Negative(t, out[0].MaxAge)
}

func TestSessionEnds(t *testing.T) {
	r := newRig(t)
	c := r.login(registry.RoleManager)
	machines := func(c *http.Cookie) int { return r.call(http.MethodGet, base+"/machines", "", using(c)).Code }
	require.Equal(t, http.StatusOK, machines(c))

	forged := *c
	_, rest, _ := strings.Cut(c.Value, ".")
	forged.Value = "99999999999." + rest
	require.Equal(t, http.StatusUnauthorized, machines(&forged), "a longer life is not signed")
	other := newRig(t)
	require.Equal(t, http.StatusUnauthorized, other.call(http.MethodGet, base+"/machines", "", using(c)).Code, "another key")

	require.NoError(t, r.Advance(t.Context(), 11*time.Hour+59*time.Minute))
	require.Equal(t, http.StatusOK, machines(c))
	require.NoError(t, r.Advance(t.Context(), 2*time.Minute))
	require.Equal(t, http.StatusUnauthorized, machines(c), "after twelve hours")

	again := r.login(registry.RoleManager)
	require.NoError(t, r.Registry.DeleteToken(t.Context(), registry.HashSecret(r.Tokens[registry.RoleManager])))
	require.Equal(t, http.StatusUnauthorized, machines(again), "a token taken back ends its sessions at once")
}

func TestLoginFailuresAreLimited(t *testing.T) {
	r := newRig(t)
	wrong := func(from string) with { return func(q *http.Request) { q.RemoteAddr = from + ":1" } }
	for range 5 {
		refused(t, r.call(http.MethodPost, "/api/v1/login", `{"token":"guess"}`, wrong("192.0.2.1")), http.StatusUnauthorized)
	}
	w := r.call(http.MethodPost, "/api/v1/login", `{"token":"`+r.Tokens[registry.RoleViewer]+`"}`, wrong("192.0.2.1"))
	refused(t, w, http.StatusTooManyRequests, "wait")
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.NotNil(t, r.login(registry.RoleViewer, wrong("192.0.2.2")), "others are not held up")
	require.NoError(t, r.Advance(t.Context(), time.Minute))
	require.NotNil(t, r.login(registry.RoleViewer, wrong("192.0.2.1")))
}

func TestCallsFromOtherSitesAreRefused(t *testing.T) {
	r := newRig(t)
	c := r.login(registry.RoleTechnician)
	refused(t, r.call(http.MethodPost, base+"/alarms/1/acknowledge", "{}", using(c), header("Origin", "https://evil.example")), http.StatusForbidden, "another web site")
	refused(t, r.call(http.MethodPost, base+"/alarms/1/acknowledge", "{}", using(c), header("Sec-Fetch-Site", "cross-site")), http.StatusForbidden)
	refused(t, r.call(http.MethodPost, base+"/alarms/1/acknowledge", "a=b", using(c), header("Content-Type", "application/x-www-form-urlencoded")), http.StatusUnsupportedMediaType, "JSON")
	require.Equal(t, http.StatusOK, r.call(http.MethodPost, base+"/alarms/1/acknowledge", "{}", using(c), header("Origin", "http://example.com")).Code, "the page itself")
}
