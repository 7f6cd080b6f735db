package enrol

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/dashboards/api"
	"karkhana/dashboards/api/apitest"
	"karkhana/firmware-gateway/config"
	"karkhana/internal/broker"
	"karkhana/internal/enrol"
	"karkhana/internal/registry"
)

// server is a real API over a made-up CFC.
type server struct {
	*apitest.World
	t      *testing.T
	api    http.Handler
	broken atomic.Int32 // so many answers are lost after the server has done its work
}

func newServer(t *testing.T, brokerURL string) *server {
	t.Helper()
	w, err := apitest.New(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Registry.Close()) })
	a, err := api.New(api.Options{Store: w.Store, Registry: w.Registry, Logger: slog.New(slog.DiscardHandler), Broker: api.Broker{Announce: brokerURL}})
	require.NoError(t, err)
	return &server{World: w, t: t, api: a.Handler()}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.broken.Add(-1) >= 0 {
		s.api.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	s.api.ServeHTTP(w, r)
}

func (s *server) http() string {
	h := httptest.NewServer(s)
	s.t.Cleanup(h.Close)
	return h.URL
}

func (s *server) code(gateway string) string {
	s.t.Helper()
	c := enrol.NewCode()
	_, err := s.Registry.NewGatewayCode(s.t.Context(), apitest.Site, gateway, c.Hash(), time.Hour, "test")
	require.NoError(s.t, err)
	return c.String()
}

// knows makes sure that the key of a configuration is the gateway's at the server, and the salt the site's.
func (s *server) knows(gateway, file string) *config.Gateway {
	s.t.Helper()
	c, err := config.Load(file)
	require.NoError(s.t, err)
	g, err := s.Registry.Gateway(s.t.Context(), apitest.Site, gateway)
	require.NoError(s.t, err)
	require.Equal(s.t, g.KeyHash, registry.HashSecret(c.Key))
	salt, err := s.Registry.CardSalt(s.t.Context(), apitest.Site)
	require.NoError(s.t, err)
	require.Equal(s.t, salt, string(c.CardSalt))
	require.Len(s.t, c.CommandKey, 32)
	require.Equal(s.t, apitest.Site, c.Site)
	require.Equal(s.t, gateway, c.Gateway)
	return c
}

const brokerURL = "mqtt://192.0.2.1:1883"

// person is who stands at the gateway: what they answer, what they see.
type person struct {
	answers []string
	bytes.Buffer
}

func (p *person) ask(_ context.Context, question string) (string, error) {
	p.WriteString(question)
	if len(p.answers) == 0 {
		return "", io.EOF
	}
	a := p.answers[0]
	p.answers = p.answers[1:]
	p.WriteString(a + "\n")
	return a, nil
}

func (p *person) options(server, file string) Options {
	return Options{Server: server, Config: file, Version: "test", Ask: p.ask, Out: p, TryBroker: func(context.Context, string, string, string, string) error { return nil }}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestFreshGateway(t *testing.T) {
	s := newServer(t, brokerURL)
	file := filepath.Join(t.TempDir(), "gw", "gateway.yaml")
	code := s.code("gw-7")
	p := &person{answers: []string{"k7qm", enrol.NewCode().String(), strings.ToLower(code)}}
	require.NoError(t, Run(t.Context(), p.options(s.http(), file)), p.String())
	require.Contains(t, p.String(), "the code is mistyped: it has 4 characters, 12 are needed")
	require.Contains(t, p.String(), "the code is wrong: it was never made")
	require.Contains(t, p.String(), "Joined: this is gateway gw-7 of site "+apitest.Site)
	require.Contains(t, p.String(), "connected with the new key")

	c := s.knows("gw-7", file)
	require.Equal(t, brokerURL, c.Broker)
	require.Empty(t, c.Machines)
	require.Equal(t, filepath.Join(filepath.Dir(file), "spool"), c.Data)
	require.NotContains(t, p.String(), c.Key)
	require.Equal(t, []string{"command.pub", "gateway.key", "gateway.yaml", "site.salt"}, files(t, filepath.Dir(file)), "nothing is left over")
	for _, secret := range []string{"gateway.key", "site.salt"} {
		info, err := os.Stat(filepath.Join(filepath.Dir(file), secret))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "#   furnace-1        furnace")
	require.Contains(t, string(text), "key_file: gateway.key   # file that holds")
}

// The package's folder gives its files to a group; the service reads them through it.
func TestPackagedFolder(t *testing.T) {
	s := newServer(t, brokerURL)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o750|os.ModeSetgid))
	file := filepath.Join(dir, "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config.Packaged()), 0o644))
	p := &person{answers: []string{s.code("gw-1")}}
	require.NoError(t, Run(t.Context(), p.options(s.http(), file)), p.String())
	require.NotContains(t, p.String(), "Change it?", "nobody wrote it")
	s.knows("gw-1", file)
	for name, mode := range map[string]os.FileMode{"gateway.key": 0o640, "site.salt": 0o640, "command.pub": 0o640, "gateway.yaml": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), name)
	}
}

const existing = `# mine
site: old-site
gateway: "gw-0"   # of the old days
broker: mqtt://old:1883
key: inline # secret
clock: trusted
machines:
  - {id: furnace-1, source: sim, sim: {seed: 1, epoch: 2026-10-23T00:00:00Z, kind: furnace}}
card_salt_file: 'my salt' # of the site
`

func TestExistingConfigurationIsChangedAfterAsking(t *testing.T) {
	s := newServer(t, brokerURL)
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(existing), 0o640))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "my salt"), []byte("old"), 0o600))
	code := s.code("gw-1")
	p := &person{answers: []string{"no", code}}
	require.ErrorContains(t, Run(t.Context(), p.options(s.http(), file)), "nothing was changed")
	require.Contains(t, p.String(), "for gateway gw-0 of site old-site")
	require.Equal(t, []string{"gateway.yaml", "my salt"}, files(t, dir))

	p = &person{answers: []string{"y", code}}
	require.NoError(t, Run(t.Context(), p.options(s.http(), file)), p.String())
	require.Len(t, s.knows("gw-1", file).Machines, 1)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	want := strings.NewReplacer("old-site", apitest.Site, `"gw-0"`, "gw-1", "mqtt://old:1883", brokerURL, "'my salt'", "my salt",
		"key: inline # secret", "# key is in key_file").Replace(existing) + "key_file: gateway.key\ncommand_key_file: command.pub\n"
	require.Equal(t, want, string(text))
	kept, err := os.ReadFile(file + ".old")
	require.NoError(t, err)
	require.Equal(t, existing, string(kept))
	info, err := os.Stat(file + ".old")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
}

// Whatever stops it, the same command goes on: the answer that was lost, and each file that can't be written.
func TestGoesOnAfterACrash(t *testing.T) {
	t.Run("answer lost", func(t *testing.T) {
		s := newServer(t, brokerURL)
		file := filepath.Join(t.TempDir(), "gateway.yaml")
		p := &person{}
		o := p.options(s.http(), file)
		o.Code = s.code("gw-1")
		s.broken.Store(1)
		require.ErrorContains(t, Run(t.Context(), o), "run the same command again, with the same code")
		require.NoFileExists(t, file)
		require.NoError(t, Run(t.Context(), o))
		s.knows("gw-1", file)
	})
	t.Run("after its end", func(t *testing.T) {
		s := newServer(t, brokerURL)
		file := filepath.Join(t.TempDir(), "gateway.yaml")
		p := &person{}
		o := p.options(s.http(), file)
		o.Code = s.code("gw-1")
		require.NoError(t, Run(t.Context(), o))
		key := s.knows("gw-1", file).Key
		o.Yes = true
		require.NoError(t, Run(t.Context(), o), "the key that used the code is there still")
		require.Equal(t, key, s.knows("gw-1", file).Key)
		require.Equal(t, []string{"command.pub", "gateway.key", "gateway.yaml", "site.salt"}, files(t, filepath.Dir(file)))
	})
	for _, name := range []string{"site.salt", "command.pub", "gateway.key", "gateway.yaml"} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, brokerURL)
			file := filepath.Join(t.TempDir(), "gateway.yaml")
			p := &person{}
			o := p.options(s.http(), file)
			o.Code = s.code("gw-1")
			block := filepath.Join(filepath.Dir(file), name+".tmp") // the temporary name is taken
			require.NoError(t, os.Mkdir(block, 0o700))
			err := Run(t.Context(), o)
			require.ErrorContains(t, err, "run the same command with the same code again")
			require.FileExists(t, filepath.Join(filepath.Dir(file), "gateway.key.enrol"))
			require.NoError(t, os.Remove(block))
			require.NoError(t, Run(t.Context(), o))
			s.knows("gw-1", file)
		})
	}
}

// A good configuration survives whatever goes wrong, and the code is not used up by what was wrong before.
func TestGoodConfigurationStays(t *testing.T) {
	s := newServer(t, brokerURL)
	url := s.http()
	setup := func(t *testing.T, text string) (file string, unchanged func()) {
		file = filepath.Join(t.TempDir(), "gateway.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(file), "my salt"), []byte("old"), 0o600))
		return file, func() {
			t.Helper()
			is, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, text, string(is))
			salt, err := os.ReadFile(filepath.Join(filepath.Dir(file), "my salt"))
			require.NoError(t, err)
			require.Equal(t, "old", string(salt))
		}
	}
	run := func(url, file, code string) error {
		p := &person{}
		o := p.options(url, file)
		o.Yes, o.Code = true, code
		return Run(t.Context(), o)
	}
	t.Run("wrong code", func(t *testing.T) {
		file, unchanged := setup(t, existing)
		require.ErrorContains(t, run(url, file, enrol.NewCode().String()), "the code is wrong")
		unchanged()
	})
	t.Run("used code", func(t *testing.T) {
		file, unchanged := setup(t, existing)
		code := s.code("gw-1")
		other := filepath.Join(t.TempDir(), "gateway.yaml")
		require.NoError(t, run(url, other, code))
		require.ErrorContains(t, run(url, file, code), "was used already")
		unchanged()
		s.knows("gw-1", other)
	})
	t.Run("expired code", func(t *testing.T) {
		file, unchanged := setup(t, existing)
		c := enrol.NewCode()
		_, err := s.Registry.NewGatewayCode(t.Context(), apitest.Site, "gw-9", c.Hash(), 0, "test")
		require.NoError(t, err)
		require.ErrorContains(t, run(url, file, c.String()), "has expired")
		unchanged()
	})
	t.Run("configuration broken", func(t *testing.T) {
		code := s.code("gw-2")
		for text, want := range map[string]string{
			existing + "histroy: 1\n": "gateway.yaml:10: unknown key \"histroy\"", "site: [": "is not right; mend it first",
			"{site: a, gateway: b, broker: 'mqtt://h:1', key: k, machines: []}\n": "gateway.yaml",
		} {
			file, unchanged := setup(t, text)
			err := run(url, file, code)
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), ".enrol")
			unchanged()
		}
		require.NoError(t, run(url, filepath.Join(t.TempDir(), "gateway.yaml"), code), "the code is still good")
	})
	t.Run("no server", func(t *testing.T) {
		file, unchanged := setup(t, existing)
		closed := httptest.NewServer(s)
		closed.Close()
		require.ErrorContains(t, run(closed.URL, file, enrol.NewCode().String()), "nothing listens at this port")
		require.ErrorContains(t, run("http://nobody.invalid:80", file, enrol.NewCode().String()), "its name is not known")
		unchanged()
	})
	t.Run("no Karkhana", func(t *testing.T) {
		file, unchanged := setup(t, existing)
		for answer, want := range map[string]string{
			"text/html:<h1>router</h1>": "no Karkhana server would", "application/json:{": "is no JSON", "application/json:{}": "can't use: site id",
			`application/json:{"site":"s","gateway":"g","broker":"mqtt://h\nx: y","card_salt":"0123456789abcdef"}`: "can't use: broker",
		} {
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				kind, body, _ := strings.Cut(answer, ":")
				w.Header().Set("Content-Type", kind)
				_, _ = io.WriteString(w, body)
			}))
			require.ErrorContains(t, run(other.URL, file, enrol.NewCode().String()), want)
			other.Close()
		}
		moved := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/api", http.StatusTemporaryRedirect))
		defer moved.Close()
		require.ErrorContains(t, run(moved.URL, file, enrol.NewCode().String()), "sends on to https://elsewhere.example")
		unchanged()
	})
	t.Run("no folder", func(t *testing.T) {
		file, _ := setup(t, existing)
		require.ErrorContains(t, run(url, filepath.Join(file, "gateway.yaml"), enrol.NewCode().String()), "can't be written")
	})
}

func TestServerAddress(t *testing.T) {
	p := &person{}
	for server, want := range map[string]string{
		"karkhana.local": "write it as https://host", "ftp://x": "write it as", "https://": "write it as",
		"https://x/api/v1": "leave out what stands behind the host and its port: https://x", "http://a:b@x": "leave out",
		"http://203.0.113.5": "http:// is not encrypted and goes only to addresses within the building, and 203.0.113.5 is none",
	} {
		o := p.options(server, filepath.Join(t.TempDir(), "gateway.yaml"))
		o.Code = enrol.NewCode().String()
		require.ErrorContains(t, Run(t.Context(), o), want, server)
	}
	c, err := newClient(p.options("http://192.168.1.5:8080", ""))
	require.NoError(t, err)
	require.Contains(t, c.warning(), "not encrypted")
	require.NoError(t, c.onlyNear("tcp", "192.168.1.5:8080", nil))
	require.NoError(t, c.onlyNear("tcp", "[fe80::1%eth0]:8080", nil))
	require.NoError(t, c.onlyNear("tcp", "[fd00::1]:8080", nil))
	require.Error(t, c.onlyNear("tcp", "[2001:db8::1]:8080", nil))
}

// A clock that is wrong makes certificates invalid: that is said, not just "certificate has expired".
func TestTLS(t *testing.T) {
	s := newServer(t, brokerURL)
	h := httptest.NewUnstartedServer(s)
	h.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	h.StartTLS()
	t.Cleanup(h.Close)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}), 0o600))
	p := &person{}
	o := p.options(h.URL, filepath.Join(dir, "gateway.yaml"))
	o.Code = s.code("gw-1")
	require.ErrorContains(t, Run(t.Context(), o), "--ca FILE")
	o.CAFile = ca
	for at, want := range map[time.Time]string{
		time.Unix(-1000, 0):                     "this computer's clock is wrong: it says 1969-12-31T23:43:20Z",
		h.Certificate().NotAfter.Add(time.Hour): "if the clock is wrong, set it",
	} {
		o.Now = func() time.Time { return at }
		require.ErrorContains(t, Run(t.Context(), o), want)
	}
	o.Now = nil
	require.ErrorContains(t, explain(x509.HostnameError{Certificate: h.Certificate(), Host: "other"}), "another name")
	plain := o
	plain.Server = strings.Replace(s.http(), "http:", "https:", 1)
	require.ErrorContains(t, Run(t.Context(), plain), "does not speak TLS")
	require.NoError(t, Run(t.Context(), o))
	s.knows("gw-1", o.Config)

	o.CAFile = o.Config
	require.ErrorContains(t, Run(t.Context(), o), "there is no certificate in it")
}

// The clock of the gateway is off, and the server is not behind TLS: it is said.
func TestClockNote(t *testing.T) {
	s := newServer(t, brokerURL)
	p := &person{}
	o := p.options(s.http(), filepath.Join(t.TempDir(), "gateway.yaml"))
	o.Code, o.Now = s.code("gw-1"), func() time.Time { return time.Now().Add(-time.Hour) }
	require.NoError(t, Run(t.Context(), o))
	require.Contains(t, p.String(), "this computer's clock says")
}

func TestBroker(t *testing.T) {
	const key = "the key"
	b, err := broker.New(broker.Options{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(user, password string) (broker.Rights, bool) {
			return broker.GatewayRights(apitest.Site, "gw-1"), user == apitest.Site+".gw-1" && password == key
		}})
	require.NoError(t, err)
	require.NoError(t, b.Start(t.Context()))
	t.Cleanup(b.Stop)
	require.NoError(t, tryBroker(t.Context(), b.URL(), apitest.Site, "gw-1", key))
	require.ErrorContains(t, tryBroker(t.Context(), b.URL(), apitest.Site, "gw-1", "another"), "refuses this gateway's key")
	url := b.URL()
	b.Stop()
	require.ErrorContains(t, tryBroker(t.Context(), url, apitest.Site, "gw-1", key), "nothing listens at this port")

	// The gateway has joined all the same, and is told what is left to do.
	s := newServer(t, "")
	p := &person{}
	o := p.options(s.http(), filepath.Join(t.TempDir(), "gateway.yaml"))
	o.Code, o.TryBroker = s.code("gw-1"), func(context.Context, string, string, string, string) error { return errors.New("refused") }
	err = Run(t.Context(), o)
	require.ErrorIs(t, err, ErrBroker)
	require.ErrorContains(t, err, "mqtt://127.0.0.1:1883")
	s.knows("gw-1", o.Config)
}

// A changed key is there with its value, once, and every other line stays as it is.
func FuzzSetKey(f *testing.F) {
	f.Add("site: a # b\nkey: x\n", "jodhpur")
	f.Add(existing, "s")
	f.Add(`site: "a # b"  # c`, "s")
	f.Fuzz(func(t *testing.T, text, value string) {
		if strings.ContainsAny(value, "\n\r") {
			return
		}
		got := setKey(text, "site", value)
		require.Contains(t, got, "site: "+value)
		was, is := strings.Split(text, "\n"), strings.Split(got, "\n")
		changed := 0
		for i, line := range was {
			if line != is[i] {
				changed++
			}
		}
		require.LessOrEqual(t, changed, 1)
	})
}
