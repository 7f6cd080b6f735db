package page

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/live"
	"karkhana/firmware-gateway/local"
	"karkhana/firmware-gateway/scan"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/uplink"
	"karkhana/internal/wire"
)

// fake is a gateway as a test wants it.
type fake struct {
	view     local.View
	scanned  scan.Ask
	verdicts []sensor.Verdict
	err      error
	hold     chan struct{} // not nil: jobs wait for it
}

func (f *fake) View() local.View { return f.view }

func (f *fake) wait(ctx context.Context) {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
		}
	}
}

func (f *fake) Scan(ctx context.Context, ask scan.Ask, progress func(string)) (*scan.Report, error) {
	f.scanned = ask
	progress("rtu:///dev/ttyUSB0: unit 3 of 32, 1 found")
	f.wait(ctx)
	return &scan.Report{Found: []scan.Found{{Bus: "I2C1", At: "0x48", Looks: "ads1115", Use: "{chip: ctclamp}"}, {Bus: "SPI0.0", At: "-", Looks: "max31855", Machine: "furnace-1"}}}, f.err
}

func (f *fake) Selftest(ctx context.Context, _ time.Duration) ([]sensor.Verdict, error) {
	f.wait(ctx)
	return f.verdicts, f.err
}

func points(values ...float32) []float32 {
	out := make([]float32, live.Points)
	for i := range out {
		out[i] = float32(math.NaN())
	}
	copy(out[live.Points-len(values):], values)
	return out
}

// workshop is a gateway with something of everything.
func workshop() *fake {
	days, undervolted := 12.4, health.UndervoltedOnce
	machines := []local.Machine{
		{ID: "furnace-1", Source: "sensors", Values: []live.Value{
			{Quantity: "power", Seen: true, Sample: wire.Sample{Quantity: "power", Number: 4210}, Age: time.Second, Course: points(4000, 4100, 4210)},
			{Quantity: "temperature", Seen: true, Sample: wire.Sample{Quantity: "temperature", Quality: "fault:open"}, Age: time.Second},
			{Quantity: "vibration", Seen: true, Sample: wire.Sample{Quantity: "vibration", Number: 0.0042, Quality: "saturated"}, Age: 40 * time.Second},
			{Quantity: "card", Seen: true, Sample: wire.Sample{Quantity: "card", Text: "0123456789abcdef"}, Age: 3 * time.Hour},
			{Quantity: "current_l2"},
		}},
		{ID: "ahu-0", Source: "replay"},
	}
	return &fake{view: local.View{
		Site: "jodhpur-cfc", Gateway: "gw-1", Version: "1.2.3", TimeMs: 1_780_000_000_000, Clock: wire.ClockSynced, Machines: machines,
		Queue:     local.Queue{Packs: 421, Bytes: 3_400_000, MaxBytes: 1 << 30, OldestAgeS: 7200, DaysLeft: &days, Receipted: 7},
		Link:      local.Link{Broker: "mqtt://h:1", ForS: 7210, Error: "dial tcp: lookup h", Trouble: uplink.TroubleName},
		System:    health.System{Throttled: &undervolted, Disk: &health.Disk{FreeBytes: 5e9, TotalBytes: 32e9}},
		AllowList: &wire.AllowListStatus{Version: 7, Cards: 120, Problem: "signature"},
		Config:    local.Config{Hash: "abc", Error: "gateway.yaml:3: <unknown>"},
	}}
}

type visitor struct {
	t    *testing.T
	base string
	http *http.Client
	host string
}

// open serves a page as if it listened at an address.
func open(t *testing.T, g local.Gateway, listen string, setup ...Setup) (*visitor, *Page, Options) {
	t.Helper()
	o := Options{Gateway: g, Listen: listen, PINFile: filepath.Join(t.TempDir(), "page.pin"), Hostname: "gw-1", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if len(setup) > 0 {
		o.Setup = setup[0]
	}
	ctx, stop := context.WithCancel(t.Context())
	p, err := New(ctx, o)
	require.NoError(t, err)
	s := httptest.NewServer(p.Handler())
	t.Cleanup(func() { stop(); s.Close(); p.Wait() })
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t: t, base: s.URL, http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, p, o
}

func (v *visitor) do(method, path, body string, header ...string) (int, string, http.Header) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(body))
	require.NoError(v.t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if v.host != "" {
		req.Host = v.host
	}
	resp, err := v.http.Do(req)
	require.NoError(v.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	return resp.StatusCode, string(b), resp.Header
}

func (v *visitor) get(path string) (int, string) {
	v.t.Helper()
	status, body, _ := v.do(http.MethodGet, path, "")
	return status, body
}

func (v *visitor) signIn(file string) {
	v.t.Helper()
	pin, err := ReadPIN(file)
	require.NoError(v.t, err)
	status, _, h := v.do(http.MethodPost, "/pin", url.Values{"pin": {pin}}.Encode())
	require.Equal(v.t, http.StatusSeeOther, status)
	require.Contains(v.t, h.Get("Set-Cookie"), "HttpOnly")
	require.Contains(v.t, h.Get("Set-Cookie"), "SameSite=Strict")
}

func TestLivePage(t *testing.T) {
	v, _, _ := open(t, workshop(), "127.0.0.1:8093")
	status, body := v.get("/")
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{
		`<html lang="hi">`, "4.21 <small>kW</small>", "थर्मोकपल टूटा है या जुड़ा नहीं", "4.20 <small>mm/s</small>", "सीमा पर कटा हुआ", "40 सेकंड पहले",
		"3 घंटे 0 मिनट पहले", "करंट L2", "421 पैकेट", "12 दिन", "सर्वर का नाम नहीं मिला", "सप्लाई कभी कमज़ोर", "gateway.yaml:3: &lt;unknown&gt;", "120 कार्ड (सूची 7)", "कार्डों की सूची: signature",
		`aria-label="पिछले पाँच मिनट: 4.00 से 4.21 kW"`, "रिकॉर्डिंग चल रही है",
	} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, "0123456789abcdef", "the hash of a card is shown to nobody")
	require.Regexp(t, `(?s)<div data-poll="/part">.*</div>`, body)
	status, part := v.get("/part")
	require.Equal(t, http.StatusOK, status)
	require.True(t, strings.HasPrefix(part, `<div data-poll="/part">`), part[:60])

	status, _, h := v.do(http.MethodGet, "/?lang=en", "")
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "/", h.Get("Location"))
	_, body = v.get("/")
	require.Contains(t, body, "Not connected to the server for 2 h 0 min")
	require.Contains(t, body, "12 days")
	_, _, h = v.do(http.MethodGet, "//evil.example/?lang=hi", "")
	require.NotContains(t, h.Get("Location"), "//", "never to another host")
}

// A whole workshop stays below 30 kB, with style and script.
func TestLight(t *testing.T) {
	g := workshop()
	for len(g.view.Machines) < 8 {
		m := g.view.Machines[0]
		m.Values = nil
		for _, q := range []string{"power", "energy", "current", "voltage", "power_factor", "frequency", "vibration"} {
			c := make([]float32, live.Points)
			for i := range c {
				c[i] = float32(i * i % 17)
			}
			m.Values = append(m.Values, live.Value{Quantity: q, Seen: true, Sample: wire.Sample{Quantity: q, Number: 1234}, Course: c})
		}
		g.view.Machines = append(g.view.Machines, m)
	}
	v, _, _ := open(t, g, "127.0.0.1:8093")
	total := 0
	for _, path := range []string{"/", "/static/page.css", "/static/page.js", "/static/icon.svg"} {
		status, body := v.get(path)
		require.Equal(t, http.StatusOK, status, path)
		t.Logf("%s: %d bytes", path, len(body))
		total += len(body)
	}
	require.Less(t, total, 30_000)
}

func TestWhoMaySee(t *testing.T) {
	for _, c := range []struct {
		listen, path string
		open         bool
	}{
		{"127.0.0.1:8093", "/", true}, {"[::1]:8093", "/part", true}, {"localhost:8093", "/", true},
		{"127.0.0.1:8093", "/setup", false}, {"127.0.0.1:8093", "/setup/scan", false}, {"127.0.0.1:8093", "/setup/test", false},
		{"0.0.0.0:8093", "/", false}, {":8093", "/part", false}, {"192.168.1.7:8093", "/setup", false},
		{"0.0.0.0:8093", "/static/page.css", true}, {"0.0.0.0:8093", "/pin", true},
	} {
		v, _, o := open(t, workshop(), c.listen)
		status, body := v.get(c.path)
		if c.open {
			require.Equal(t, http.StatusOK, status, c)
			if c.path == "/pin" {
				require.NotContains(t, body, "jodhpur", "nothing is said of the site")
			}
			continue
		}
		require.Equal(t, http.StatusSeeOther, status, c)
		require.NotContains(t, body, "furnace")
		status, _, _ = v.do(http.MethodGet, c.path, "", "X-Part", "1")
		require.Equal(t, http.StatusUnauthorized, status, c)
		v.signIn(o.PINFile)
		status, _ = v.get(c.path)
		require.Equal(t, http.StatusOK, status, c)
		v.do(http.MethodPost, "/out", "")
		status, _ = v.get(c.path)
		require.Equal(t, http.StatusSeeOther, status, "after leaving")
	}
	v, _, _ := open(t, workshop(), "127.0.0.1:8093")
	for _, path := range []string{"/setup/scan", "/setup/test"} {
		status, _, _ := v.do(http.MethodPost, path, "")
		require.Equal(t, http.StatusUnauthorized, status, "what does something needs the PIN everywhere")
	}
}

// A foreign page whose name leads here, and one that sends forms here, get nothing.
func TestForeignPages(t *testing.T) {
	for host, listens := range map[string][2]bool{ // loopback, network
		"127.0.0.1:8093": {true, true}, "localhost:8093": {true, true}, "[::1]:8093": {true, true}, "192.168.1.7": {false, true},
		"gw-1": {false, true}, "gw-1.local:8093": {false, true}, "evil.example": {false, false}, "gw-1.evil.example": {false, false},
		"localhost.evil.example:8093": {false, false}, "127.0.0.1.nip.io": {false, false},
	} {
		for i, listen := range []string{"127.0.0.1:8093", "0.0.0.0:8093"} {
			v, _, _ := open(t, workshop(), listen)
			v.host = host
			status, body := v.get("/pin")
			if listens[i] {
				require.Equal(t, http.StatusOK, status, "%s at %s", host, listen)
				continue
			}
			require.Equal(t, http.StatusMisdirectedRequest, status, "%s at %s", host, listen)
			require.NotContains(t, body, "gw-1")
		}
	}
	g := workshop()
	v, _, o := open(t, g, "0.0.0.0:8093")
	v.signIn(o.PINFile)
	for _, header := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "null"}, {"Sec-Fetch-Site", "same-site"}} {
		for _, path := range []string{"/setup/scan", "/setup/test", "/out", "/pin"} {
			status, _, _ := v.do(http.MethodPost, path, "wide=1", header...)
			require.Equal(t, http.StatusForbidden, status, "%v %s", header, path)
		}
	}
	require.Empty(t, g.scanned)
	_, _, h := v.do(http.MethodGet, "/", "")
	require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	status, _, _ := v.do(http.MethodPost, "/pin", "pin="+strings.Repeat("1", maxForm))
	require.NotEqual(t, http.StatusSeeOther, status)
}

// Wrong PINs cost more and more time, also those who know it; a changed PIN ends sessions.
func TestPIN(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.pin")
	pin, err := EnsurePIN(file)
	require.NoError(t, err)
	require.Len(t, pin, pinDigits)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	again, err := EnsurePIN(file)
	require.NoError(t, err)
	require.Equal(t, pin, again)
	now := time.Unix(1_780_000_000, 0)
	d := newDoor(file, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	wrong := strings.Repeat("9", 9)
	for i, seconds := range []int{0, 0, 1, 2, 4, 8, 16, 32, 60, 60} {
		cookie, wait := d.try(wrong, "x")
		require.Empty(t, cookie)
		require.InDelta(t, seconds, wait.Seconds(), 0, i)
		if wait > 0 {
			_, left := d.try(pin, "x")
			require.Equal(t, wait, left, "too early, even when right")
		}
		now = now.Add(wait)
	}
	cookie, _ := d.try(pin, "x")
	require.NotEmpty(t, cookie)
	_, wait := d.try(wrong, "x")
	require.Zero(t, wait, "counts anew")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: cookie})
	require.True(t, d.inside(r))
	now = now.Add(sessionFor)
	require.False(t, d.inside(r))
	now = now.Add(-time.Minute)
	require.NoError(t, WritePIN(file, "123456"))
	require.False(t, d.inside(r))
	cookie, _ = d.try("123456", "x")
	require.NotEmpty(t, cookie)
	for range 3 * maxSessions {
		_, _ = d.try("123456", "x")
	}
	require.Len(t, d.sessions, maxSessions)
	for _, bad := range []string{"", "12345", "12345a", strings.Repeat("1", 17), "१२३४५६"} {
		require.Error(t, WritePIN(file, bad), bad)
	}
	require.NoError(t, os.WriteFile(file, []byte("oops"), 0o600))
	cookie, wait = d.try("oops", "x")
	require.Empty(t, cookie)
	require.Positive(t, wait)
	_, err = EnsurePIN(file)
	require.ErrorContains(t, err, "pin --new")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { d.try("oops", "x"); d.inside(r); d.forget(r) })
	}
	all.Wait()
}

func TestJobs(t *testing.T) {
	g := workshop()
	g.hold = make(chan struct{})
	g.verdicts = []sensor.Verdict{
		{Machine: "furnace-1", Sensor: "max31855 at SPI0.0", Do: []string{"open circuit"}, Advice: []sensor.Advice{{Code: "fault:open"}}},
		{Machine: "lathe-1", Sensor: "sdm630 unit 3", Do: []string{"x"}, Advice: []sensor.Advice{{Code: "swapped", What: "l2, l3"}}},
		{Machine: "fan-1", Sensor: "adxl345", OK: true, Seen: "vibration 4 mm/s"},
	}
	v, _, o := open(t, g, "127.0.0.1:8093")
	v.signIn(o.PINFile)
	status, _, _ := v.do(http.MethodPost, "/setup/scan", "wide=1")
	require.Equal(t, http.StatusSeeOther, status)
	require.Eventually(t, func() bool {
		_, body := v.get("/setup/scan")
		return strings.Contains(body, "unit 3 of 32") && strings.Contains(body, `data-poll="/setup/scan"`)
	}, 10*time.Second, 10*time.Millisecond)
	v.do(http.MethodPost, "/setup/test", "")
	close(g.hold)
	require.Eventually(t, func() bool {
		_, body := v.get("/setup/scan")
		return strings.Contains(body, "furnace-1 के लिए पढ़ा जा रहा है") && !strings.Contains(body, "data-poll")
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, byte(247), g.scanned.Units)
	var body string
	require.Eventually(t, func() bool {
		_, body = v.get("/setup/test")
		return strings.Contains(body, "2 सेंसर पर ध्यान दें")
	}, 10*time.Second, 10*time.Millisecond)
	require.Contains(t, body, "थर्मोकपल टूटा है या जुड़ा नहीं: थर्मोकपल कसकर लगाएँ")
	require.Contains(t, body, "l2, l3 के क्लैम्प शायद अदल-बदल गए हैं")
	g.err = local.ErrBusy
	v.do(http.MethodPost, "/setup/test", "")
	require.Eventually(t, func() bool {
		_, body = v.get("/setup/test")
		return strings.Contains(body, "एक और खोज या जाँच")
	}, 10*time.Second, 10*time.Millisecond)
}

// Both languages have the same words, and every word that the templates and the code name.
func TestTexts(t *testing.T) {
	all, err := loadTexts()
	require.NoError(t, err)
	places := regexp.MustCompile(`\{[a-z]\}`)
	for key, hi := range all["hi"] {
		en, ok := all["en"][key]
		require.True(t, ok, "en has no %s", key)
		require.ElementsMatch(t, places.FindAllString(hi, -1), places.FindAllString(en, -1), key)
	}
	require.Len(t, all["en"], len(all["hi"]))
	named := regexp.MustCompile(`\bT\(?\s?"([a-z0-9.]+)"`)
	templates, err := fs.Glob(files, "templates/*.html")
	require.NoError(t, err)
	code, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, f := range append(templates, code...) {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, m := range named.FindAllStringSubmatch(string(b), -1) {
			if strings.HasSuffix(m[1], ".") || strings.HasSuffix(f, "_test.go") {
				continue
			}
			require.Contains(t, all["hi"], m[1], f)
		}
	}
	for _, cause := range sensor.Causes() {
		require.Contains(t, all["hi"], "fault."+cause)
	}
	b, err := json.Marshal(all["hi"])
	require.NoError(t, err)
	require.NotContains(t, string(b), "{}")
}
