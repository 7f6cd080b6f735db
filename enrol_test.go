package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/secret"
)

// TestEnrolOfARealGateway takes a gateway from nothing to online: the manager makes a code over the API, the installer
// gives it to karkhana-gateway enrol, and the gateway runs with its own key, first without machines and then with one.
func TestEnrolOfARealGateway(t *testing.T) {
	const site = "recordings"
	u := newUpServer(t, "testdata/recordings.site.yaml")
	u.start(t)
	file := filepath.Join(t.TempDir(), "gw", "gateway.yaml")
	enrol := func(code string) (string, int) {
		return command(t, nil, gatewayBinary(t), "enrol", "--server", u.base, "--config", file, "--code", code)
	}

	var made struct{ Code string }
	require.NoError(t, json.Unmarshal([]byte(u.post(t, "/api/v1/sites/"+site+"/gateways/gw-village/code", "{}")), &made))
	out, code := enrol(made.Code)
	require.Zero(t, code, out)
	require.Contains(t, out, "connected with the new key")
	out, code = command(t, nil, gatewayBinary(t), "check", "--config", file)
	require.Zero(t, code, out)
	require.Contains(t, out, "no machines are configured yet")

	type gateway struct {
		ID       string
		Online   bool
		Machines *int
	}
	online := func(machines int) {
		t.Helper()
		require.Eventually(t, func() bool {
			var body struct{ Gateways []gateway }
			getJSON(t, u.base, u.token, "/api/v1/sites/"+site+"/gateways", &body)
			for _, g := range body.Gateways {
				if g.ID == "gw-village" && g.Online && g.Machines != nil && *g.Machines == machines {
					return true
				}
			}
			return false
		}, time.Minute, 100*time.Millisecond, "gateway is not online")
	}
	gw := run(t, nil, gatewayBinary(t), "run", "--config", file)
	online(0)
	gw.end(t, syscall.SIGINT)

	// Another gateway can't come in by the same code, and the key is nowhere but in its file.
	first, err := secret.Read(filepath.Join(filepath.Dir(file), "gateway.key"))
	require.NoError(t, err)
	require.NotContains(t, u.out.String()+out, first)
	mine := file
	file = filepath.Join(t.TempDir(), "gateway.yaml")
	out, code = enrol(made.Code)
	require.NotZero(t, code)
	require.Contains(t, out, "was used already")
	require.NoFileExists(t, file)
	file = mine

	// A new code from the command line gives a new key; the machines that were listed meanwhile stay.
	replay := filepath.Join(t.TempDir(), "ahu-0.csv")
	require.NoError(t, os.WriteFile(replay, []byte("time,machine,power[W]\n1780000000,ahu-0,1\n"), 0o600))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text = append(text, []byte("  - {id: ahu-0, source: replay, replay: {file: "+replay+", speed: max}}\n")...)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	out, code = command(t, nil, serverBinary(t), "admin", "gateway-code", site, "gw-village", "--data", u.data)
	require.Zero(t, code, out)
	again, _, _ := strings.Cut(out, "\n")
	out, code = enrol(again)
	require.NotZero(t, code)
	require.Contains(t, out, "give --yes")
	out, code = command(t, nil, gatewayBinary(t), "enrol", "--server", u.base, "--config", file, "--code", again, "--yes")
	require.Zero(t, code, out)
	second, err := secret.Read(filepath.Join(filepath.Dir(file), "gateway.key"))
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	run(t, nil, gatewayBinary(t), "run", "--config", file)
	online(1)
}

// TestCardHashOnTheCommandLine makes the hash that a gateway with the site's salt makes.
func TestCardHashOnTheCommandLine(t *testing.T) {
	u := newUpServer(t, "testdata/recordings.site.yaml")
	admin := func(args ...string) (string, int) {
		return command(t, nil, serverBinary(t), append(append([]string{"admin"}, args...), "--data", u.data)...)
	}
	salt := filepath.Join(t.TempDir(), "site.salt")
	require.NoError(t, os.WriteFile(salt, []byte("site-salt\n"), 0o600))
	out, code := admin("card-salt", "recordings", "--import", salt)
	require.Zero(t, code, out)
	out, code = admin("card-hash", "recordings", "04:a2:b3:c4")
	require.Zero(t, code, out)
	require.Equal(t, "8f436ac7dd537a670f29f5a50a82e7c9\n", out) // printf 04A2B3C4 | openssl dgst -sha256 -hmac site-salt
	out, code = admin("card-salt", "recordings")
	require.Zero(t, code, out)
	require.Equal(t, "site-salt\n", out)

	require.NoError(t, os.WriteFile(salt, []byte("another"), 0o600))
	out, code = admin("card-salt", "recordings", "--import", salt)
	require.NotZero(t, code)
	require.Contains(t, out, "--force")
	out, code = admin("card-hash", "recordings", "lathe")
	require.NotZero(t, code)
	require.Contains(t, out, "is no card number")
	out, code = admin("gateway-code", "nowhere", "gw-1")
	require.NotZero(t, code)
	require.Contains(t, out, "karkhana admin apply")
}

// post calls the API and wants an answer.
func (u *upServer) post(t *testing.T, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, u.base+path, bytes.NewBufferString(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+u.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", path, b)
	return string(b)
}
