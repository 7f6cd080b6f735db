package api_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/internal/enrol"
	"karkhana/internal/registry"
)

// newCode makes a code as the manager.
func (r *rig) newCode(gateway, body string) api.GatewayCode {
	r.t.Helper()
	return decoded[api.GatewayCode](r, r.call(http.MethodPost, base+"/gateways/"+gateway+"/code", body, r.as(registry.RoleManager)))
}

// join calls as a gateway with the key.
func (r *rig) join(code, key string, changes ...with) *httptest.ResponseRecorder {
	r.t.Helper()
	b, err := json.Marshal(enrol.JoinRequest{Code: code, KeySHA256: registry.HashSecret(key), Host: "gw-1", Version: "1.0"})
	require.NoError(r.t, err)
	return r.call(http.MethodPost, enrol.Path, string(b), changes...)
}

func from(address string) with { return func(q *http.Request) { q.RemoteAddr = address } }

func TestEnrol(t *testing.T) {
	r := newRig(t, func(o *api.Options) { o.Broker.Listen = "0.0.0.0:1884" })
	made := r.newCode("gw-new", "{}")
	_, err := enrol.ParseCode(made.Code)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), made.Expires, time.Minute, "the registry's clock")

	refused(t, r.join("K7QM-4T2X", "key"), http.StatusUnprocessableEntity, "mistyped")
	refused(t, r.join(enrol.NewCode().String(), "key"), http.StatusNotFound, "the code is wrong")
	refused(t, r.call(http.MethodPost, enrol.Path, `{"code":"x","key_sha256":"the key itself"}`), http.StatusUnprocessableEntity, "key_sha256")

	var first enrol.JoinAnswer
	for i := range 2 {
		answer := decoded[enrol.JoinAnswer](r, r.join(strings.ToLower(made.Code), "key", func(q *http.Request) { q.Host = "192.168.1.10:8080" }))
		require.NoError(t, answer.Check())
		if i == 0 {
			first = answer
		}
		require.Equal(t, first, answer, "a lost answer can be asked for again")
	}
	require.Equal(t, apitest.Site, first.Site)
	require.Equal(t, "gw-new", first.Gateway)
	require.Equal(t, "Asia/Kolkata", first.Zone)
	require.Equal(t, "mqtt://192.168.1.10:1884", first.Broker)
	require.Empty(t, first.BrokerNote)
	salt, err := r.Registry.CardSalt(t.Context(), apitest.Site)
	require.NoError(t, err)
	require.Equal(t, salt, first.CardSalt)
	key, err := r.Registry.SigningKey(t.Context(), apitest.Site)
	require.NoError(t, err)
	require.Equal(t, base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey)), first.CommandKey)
	require.Len(t, first.Machines, 7)
	require.Equal(t, "furnace", first.Machines[0].Class)
	require.NotEmpty(t, first.Machines[0].NameHi)

	g, err := r.Registry.Gateway(t.Context(), apitest.Site, "gw-new")
	require.NoError(t, err)
	require.Equal(t, registry.HashSecret("key"), g.KeyHash)

	refused(t, r.join(made.Code, "another key"), http.StatusConflict, "was used already")
	again := r.newCode("gw-new", `{"valid_s":60}`)
	refused(t, r.join(made.Code, "key"), http.StatusNotFound, "newer one")
	require.WithinDuration(t, time.Now().Add(time.Minute), again.Expires, 30*time.Second)
	decoded[enrol.JoinAnswer](r, r.join(again.Code, "another key"))
}

func TestNewGatewayCodeRefuses(t *testing.T) {
	r := newRig(t)
	manager := r.as(registry.RoleManager)
	refused(t, r.call(http.MethodPost, "/api/v1/sites/nowhere/gateways/gw-1/code", "{}", manager), http.StatusNotFound, "known sites")
	refused(t, r.call(http.MethodPost, base+"/gateways/GW_1/code", "{}", manager), http.StatusBadRequest, "gateway id")
	refused(t, r.call(http.MethodPost, base+"/gateways/gw-1/code", `{"valid_s":1}`, manager), http.StatusUnprocessableEntity)
	_, err := r.Registry.Gateway(t.Context(), apitest.Site, "GW_1")
	require.ErrorIs(t, err, registry.ErrNotFound)
}

func TestExpiredCode(t *testing.T) {
	r := newRig(t)
	code := enrol.NewCode()
	_, err := r.Registry.NewGatewayCode(t.Context(), apitest.Site, "gw-1", code.Hash(), 0, "test")
	require.NoError(t, err)
	refused(t, r.join(code.String(), "key"), http.StatusGone, "has expired")
}

// Codes can't be guessed: an address waits after ten wrong ones, and many addresses share a limit, too. Typing errors
// are no guesses, and the right code passes from elsewhere.
func TestEnrolIsLimited(t *testing.T) {
	r := newRig(t)
	made := r.newCode("gw-1", "{}")
	for range 20 {
		refused(t, r.join("K7QM", "key"), http.StatusUnprocessableEntity)
	}
	for range 10 {
		refused(t, r.join(enrol.NewCode().String(), "key"), http.StatusNotFound)
	}
	w := r.join(made.Code, "key")
	refused(t, w, http.StatusTooManyRequests, "wait")
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	decoded[enrol.JoinAnswer](r, r.join(made.Code, "key", from("192.0.2.8:1")))

	for i := range 10 { // one IPv6 network counts as one address
		refused(t, r.join(enrol.NewCode().String(), "key", from(fmt.Sprintf("[2001:db8::%x]:1", i))), http.StatusNotFound)
	}
	refused(t, r.join(made.Code, "key", from("[2001:db8::ffff]:1")), http.StatusTooManyRequests)

	for i := 20; i < 300; i++ {
		refused(t, r.join(enrol.NewCode().String(), "key", from(fmt.Sprintf("198.51.%d.%d:1", i/100, i%100))), http.StatusNotFound)
	}
	refused(t, r.join(made.Code, "key", from("203.0.113.5:1")), http.StatusTooManyRequests)
}

func TestAnnouncedBroker(t *testing.T) {
	for name, c := range map[string]struct {
		broker          api.Broker
		host, url, note string
	}{
		"as told":               {api.Broker{Announce: "mqtts://cfc.example:8883", Listen: "127.0.0.1:1883"}, "cfc.example", "mqtts://cfc.example:8883", ""},
		"from the host":         {api.Broker{Listen: "0.0.0.0:1883"}, "karkhana.local:8080", "mqtt://karkhana.local:1883", ""},
		"IPv6":                  {api.Broker{Listen: "[::]:1885"}, "[fd00::1]:8080", "mqtt://[fd00::1]:1885", ""},
		"IPv6 without port":     {api.Broker{Listen: "[::]:1885"}, "[fd00::1]", "mqtt://[fd00::1]:1885", ""},
		"one address":           {api.Broker{Listen: "192.168.1.5:1883"}, "192.168.1.5:80", "mqtt://192.168.1.5:1883", ""},
		"same computer":         {api.Broker{Listen: "127.0.0.1:1883"}, "localhost:8080", "mqtt://localhost:1883", ""},
		"loopback from afar":    {api.Broker{Listen: "127.0.0.1:1883"}, "192.168.1.5:8080", "mqtt://192.168.1.5:1883", "--mqtt-listen 0.0.0.0:1883"},
		"broker runs elsewhere": {api.Broker{}, "192.168.1.5:8080", "mqtt://192.168.1.5:1883", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *api.Options) { o.Broker = c.broker })
			answer := decoded[enrol.JoinAnswer](r, r.join(r.newCode("gw-1", "{}").Code, "key", func(q *http.Request) { q.Host = c.host }))
			require.Equal(t, c.url, answer.Broker)
			if c.note == "" {
				require.Empty(t, answer.BrokerNote)
			}
			require.Contains(t, answer.BrokerNote, c.note)
		})
	}
}
