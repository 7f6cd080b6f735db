package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"

	"karkhana/analytics"
	"karkhana/analytics/gap"
	"karkhana/analytics/session"
	"karkhana/dashboards/api"
	"karkhana/firmware-gateway/clock"
	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/gateway"
	"karkhana/firmware-gateway/live"
	"karkhana/firmware-gateway/uplink"
	"karkhana/firmware-gateway/uplink/uplinktest"
	"karkhana/hardware/chip/mfrc522/mfrc522test"
	"karkhana/hardware/meter"
	"karkhana/hardware/meter/metertest"
	"karkhana/ingest"
	"karkhana/internal/broker/brokertest"
	"karkhana/internal/electricity"
	"karkhana/internal/influxd/influxdtest"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/registry/registrytest"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// tapWorld is a lathe with its meter, its card reader and their time, which goes on as far as the test lets it: a reading of
// the meter is a step. So every tap and every change of load has its minute.
type tapWorld struct {
	t     *testing.T
	begin time.Time
	boot  string
	born  time.Time

	mu      sync.Mutex
	now, to time.Duration // since begin
	office  time.Duration // what the server's clock shows: a minute here takes less than a pack's way there

	slave *metertest.Slave
	cards mfrc522test.Chip
}

const tapStep = 30 * time.Second

// loads are from–to in minutes and watts; what lies between is off.
var tapLoads = []struct {
	from, to int
	watt     float64
}{
	{15, 60, 2000}, {60, 70, 300}, {75, 100, 2000}, // two groups after each other; the second one forgets to tap out
	{255, 285, 2000}, {325, 375, 2000}, // the mains are out for 40 minutes in between
}

// load is the power and what the register has counted.
func (w *tapWorld) load(at time.Duration) (watt, wh float64) {
	for _, l := range tapLoads {
		from, to := time.Duration(l.from)*time.Minute, time.Duration(l.to)*time.Minute
		if at >= from && at < to {
			watt = l.watt
		}
		wh += l.watt * max(0, min(at, to)-from).Hours()
	}
	return watt, 100_000 + wh
}

// ReadInput is a reading of the meter. Each but those of a round after the first is a step of the world.
func (w *tapWorld) ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	if addr == 0 {
		w.mu.Lock()
		w.now = min(w.now+tapStep, w.to)
		watt, wh := w.load(w.now)
		w.mu.Unlock()
		for name, v := range map[string]float64{quantity.Power: watt, quantity.Energy: wh, quantity.Voltage: 230} {
			if err := w.slave.Set(name, v); err != nil {
				return nil, err
			}
		}
	}
	return w.slave.ReadInput(ctx, unit, addr, n)
}

// ReadHolding implements meter.Registers.
func (w *tapWorld) ReadHolding(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error) {
	return w.slave.ReadHolding(ctx, unit, addr, n)
}

// Wall is the time of this world; the rest of clock.Kernel is that of a computer whose clock somebody keeps.
func (w *tapWorld) Wall() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begin.Add(w.now)
}

// Office is the time at the server.
func (w *tapWorld) Office() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begin.Add(w.office)
}

func (w *tapWorld) Mono() time.Duration     { return time.Since(w.born) }
func (w *tapWorld) Synced() bool            { return true }
func (w *tapWorld) RTC() (time.Time, error) { return time.Time{}, clock.ErrNoRTC }
func (w *tapWorld) Boot() string            { return w.boot }

func (w *tapWorld) SPI(string) (spi.Port, error)             { return &w.cards, nil }
func (w *tapWorld) I2C(name string) (i2c.Bus, error)         { return nil, fmt.Errorf("no bus %s", name) }
func (w *tapWorld) Pin(name string) (gpio.PinIO, error)      { return nil, fmt.Errorf("no pin %s", name) }
func (w *tapWorld) Line(meter.Line) (meter.Registers, error) { return w, nil }
func (w *tapWorld) at(minute int) time.Time                  { return w.begin.Add(time.Duration(minute) * time.Minute) }
func (w *tapWorld) soon(what string, f func() bool) {
	w.t.Helper()
	require.Eventually(w.t, f, 90*time.Second, 5*time.Millisecond, what)
}

// powerOn begins the world anew at a minute, as another boot.
func (w *tapWorld) powerOn(minute int, boot string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = time.Duration(minute) * time.Minute
	w.to, w.boot, w.born = w.now, boot, time.Now()
}

// tapGateway is a running gateway at that machine.
type tapGateway struct {
	*gateway.Gateway
	w    *tapWorld
	stop func()
}

// until lets the world go on to a minute and waits until the gateway has read the meter then.
func (g *tapGateway) until(minute int) {
	g.w.t.Helper()
	g.w.mu.Lock()
	g.w.to = time.Duration(minute) * time.Minute
	g.w.mu.Unlock()
	g.read(quantity.Energy, g.w.at(minute))
}

// read waits until the gateway has read a quantity at a time.
func (g *tapGateway) read(name string, at time.Time) {
	g.w.t.Helper()
	g.w.soon(fmt.Sprintf("%s at %s", name, at), func() bool {
		return slices.ContainsFunc(g.View().Machines[0].Values, func(v live.Value) bool {
			return v.Quantity == name && v.Sample.TimeMs == at.UnixMilli()
		})
	})
}

// tap holds a card at the reader until it was read.
func (g *tapGateway) tap(uid []byte) {
	g.w.t.Helper()
	taps := func() int64 { s := g.Status().AllowList; return int64(s.Accepted + s.Unknown) }
	before := taps()
	g.w.cards.Place(uid)
	g.w.soon("the card is read", func() bool { return taps() == before+1 })
	g.w.cards.Place()
	g.read(quantity.Card, g.w.Wall())
}

// synced waits until everything that was read so far is on the disk.
func (g *tapGateway) synced() {
	for range 2 { // the first may have begun before
		written := g.Stats().Spool.BytesWritten
		g.w.soon("written", func() bool { return g.Stats().Spool.BytesWritten > written })
	}
}

// TestFromTheTapToTheJobSheet follows cards from the reader of a gateway through MQTT, ingest, InfluxDB and analytics to what
// the API says: sessions of groups and sheets of jobs, with a takeover, a forgotten tap-out, a power cut in the middle of a
// job, and a backlog that comes after somebody has read the sheet.
func TestFromTheTapToTheJobSheet(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	profile, err := meter.LoadProfile("sdm120")
	require.NoError(t, err)
	w := &tapWorld{t: t, begin: time.Date(2026, 6, 2, 3, 30, 0, 0, time.UTC), slave: metertest.NewSlave(profile, 1)} // 09:00 in Kolkata
	w.powerOn(0, "boot-1")

	// What the server holds: two groups with a card each, and two jobs.
	db := registrytest.Open(t)
	const salt = "a-salt"
	asha, meera, lamp, bell := []byte{0x04, 0xA1, 0xB2, 0xC3}, []byte{0x04, 0xA1, 0xB2, 0xC4}, []byte{0x04, 0xA1, 0xB2, 0xC5}, []byte{0x04, 0xA1, 0xB2, 0xC6}
	hash := func(uid []byte) string { return wire.CardHash([]byte(salt), fmt.Sprintf("%X", uid)) }
	name := registry.Name{Hi: "ख", En: "L"}
	require.NoError(t, db.Apply(t.Context(), registry.SiteDefinition{
		Site: registry.Site{ID: uplinktest.Site, Name: name, Zone: "Asia/Kolkata"}, Gateways: []string{uplinktest.Gateway},
		Machines: []registry.MachineDefinition{{Machine: registry.Machine{ID: "lathe", Class: "cutting", Name: name},
			Settings: []registry.Settings{{Signal: quantity.Power, IdleAbove: 100, RunAbove: 1000, Hysteresis: 0.1, ReportMs: 300_000}}}},
		Groups: []registry.GroupDefinition{
			{Group: registry.Group{ID: "asha", Name: name}, Cards: []string{hash(asha)}},
			{Group: registry.Group{ID: "meera", Name: name}, Cards: []string{hash(meera)}},
		},
		Electricity: electricity.Config{Emission: []electricity.Emission{{Year: 2026, MicroKgPerKWh: 710_000, Version: "CEA v21.0"}}},
	}, "test", w.begin.Add(-time.Hour).UnixMilli()))
	token := "a-token"
	require.NoError(t, db.AddToken(t.Context(), registry.Token{Hash: registry.HashSecret(token), Name: "test", Role: registry.RoleAdmin}))

	// The server: its own broker, ingest, a real InfluxDB, analytics, API.
	b := brokertest.Embedded(t, uplinktest.Users())
	link := uplinktest.NewProxy(t, b.URL())
	influx := influxdtest.Start(t, filepath.Join(t.TempDir(), "influxdb"))
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: influx.URL(), Token: influx.Token(), Bucket: "karkhana/autogen"})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	in, err := ingest.New(ingest.Options{
		Source: b.URL(), Username: "ingest", Password: "secret", ClientID: "karkhana-ingest",
		Store: store, Registry: db, Commands: db, Logger: log, Registerer: prometheus.NewRegistry(), Now: time.Now,
	})
	require.NoError(t, err)
	gaps := gap.New(gap.Options{Store: store, Registry: db, Now: w.Office, Every: 50 * time.Millisecond})
	states, err := analytics.New(analytics.Options{
		Store: store, Registry: db, Logger: log, Every: 50 * time.Millisecond,
		Followers: []analytics.Follower{session.New(session.Options{Store: store, Registry: db, Now: w.Wall}), gaps},
	})
	require.NoError(t, err)
	running(t, in.Run)
	running(t, gaps.Run)
	running(t, states.Run)
	pages, err := api.New(api.Options{Store: store, Registry: db, Now: w.Office, Logger: log})
	require.NoError(t, err)
	ask := func(method, path, body string, out any) string {
		t.Helper()
		q := httptest.NewRequestWithContext(t.Context(), method, "/api/v1/sites/"+uplinktest.Site+path, strings.NewReader(body))
		q.Header.Set("Authorization", "Bearer "+token)
		q.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		pages.Handler().ServeHTTP(rec, q)
		require.Less(t, rec.Code, 300, rec.Body.String())
		if out != nil {
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), out))
		}
		return rec.Body.String()
	}
	paper := func(job string) string { // the sheet as a table, in words
		t.Helper()
		return ask(http.MethodGet, "/jobs/"+job+".csv?lang=en", "", nil)
	}
	sheet := func(job string) (s session.JobSheet) {
		t.Helper()
		ask(http.MethodGet, "/jobs/"+job, "", &s)
		return s
	}
	for job, card := range map[string][]byte{"J-1": lamp, "J-2": bell} {
		ask(http.MethodPost, "/jobs", fmt.Sprintf(`{"number":%q,"pieces":100}`, job), nil)
		ask(http.MethodPost, "/jobs/"+job+"/cards", fmt.Sprintf(`{"card":%q}`, hash(card)), nil)
	}

	// The gateway.
	key, err := db.SigningKey(t.Context(), uplinktest.Site)
	require.NoError(t, err)
	files := map[string]string{
		"key": uplinktest.Key, "salt": salt, "command.pub": wire.FormatPublicKey(key.Public().(ed25519.PublicKey)),
		"gateway.yaml": fmt.Sprintf(`site: %s
gateway: %s
broker: %s
key_file: key
card_salt_file: salt
command_key_file: command.pub
data: data
clock: trusted
machines:
  - id: lathe
    source: sensors
    every: 10ms
    pack: 1m
    sensors:
      - {meter: sdm120, line: {url: "rtu:///dev/null"}, unit: 1}
      - {card_reader: mfrc522, bus: SPI1.0}
`, uplinktest.Site, uplinktest.Gateway, link.URL()),
	}
	start := func(dir string) *tapGateway {
		t.Helper()
		for file, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
		}
		c, err := config.Load(filepath.Join(dir, "gateway.yaml"))
		require.NoError(t, err)
		g, err := gateway.New(gateway.Options{Config: c, Version: "test", Logger: log, Buses: w, Kernel: w,
			TuneUplink: func(o *uplink.Options) {
				o.RetryMin, o.RetryMax, o.StatusEvery = 10*time.Millisecond, 50*time.Millisecond, 500*time.Millisecond
			}})
		require.NoError(t, err)
		return &tapGateway{g, w, running(t, g.Run)}
	}
	dir := t.TempDir()
	g := start(dir)
	w.soon("the list of cards arrives", func() bool { return g.Status().AllowList.Cards == 4 })

	g.until(9)
	g.tap(asha)
	g.until(10)
	g.tap(lamp)
	for _, minute := range []int{15, 60, 70} {
		g.until(minute)
	}
	g.tap(meera)
	g.until(75)
	g.until(100)
	g.tap(lamp) // and meera goes home without a tap
	g.until(249)
	g.tap(asha)
	g.until(250)
	g.tap(bell)
	g.until(255)

	// The link is out, then the mains: what is on the disk then is all that the next boot finds.
	g.until(280)
	link.Cut()
	g.until(285)
	g.synced()
	after := t.TempDir()
	require.NoError(t, os.CopyFS(after, os.DirFS(dir)))
	g.stop()
	link.Mend()
	w.powerOn(325, "boot-2")
	g = start(after)
	g.until(325)
	g.until(355)
	w.soon("everything is there", func() bool { return g.Stats().Spool.Packs == 0 })

	// The link is out again: the machine works on, the job leaves it, and the server knows nothing of it.
	link.Cut()
	for _, minute := range []int{375, 379} {
		g.until(minute)
	}
	g.tap(asha)
	g.until(380)
	g.tap(bell)
	g.until(400)
	w.mu.Lock()
	w.office = w.now
	w.mu.Unlock()

	// The job of the morning is done: 45 and 25 minutes at 2 kW, 10 at 300 W, and 10 off. It went on through the takeover.
	w.soon("the first job", func() bool { s := sheet("J-1"); return len(s.Stretches) == 1 && !s.Stretches[0].Open })
	done := sheet("J-1")
	require.Equal(t, []time.Time{w.at(10), w.at(100)}, []time.Time{done.Stretches[0].From, done.Stretches[0].To})
	require.Equal(t, tapFigures(70, 10, 10, 0, 2383_000, 1692, 1), done.Total)
	require.Empty(t, done.Late)
	require.InDelta(t, 100_000, done.Stretches[0].Register.FromWh, 0)
	require.InDelta(t, 102_383, done.Stretches[0].Register.ToWh, 0)

	// Somebody reads the sheet of the other one: it says how far it is known, and that it goes on.
	known := func(minute int) func() bool {
		return func() bool {
			s := sheet("J-2")
			return len(s.Stretches) == 1 && s.Total.UnknownMs < int64(400-minute+45)*60_000
		}
	}
	w.soon("as far as was sent", known(355))
	read := sheet("J-2")
	require.True(t, read.Stretches[0].Open)
	require.Equal(t, []time.Time{w.at(250), w.at(400)}, []time.Time{read.Stretches[0].From, read.Stretches[0].To})
	require.GreaterOrEqual(t, read.Total.UnknownMs, int64(85*60_000), "the power cut, and what nobody has heard yet")
	require.LessOrEqual(t, read.Total.MilliWh, int64(2_000_000))
	require.Less(t, *read.Total.Coverage, 0.45)
	require.Empty(t, read.Late)
	require.Contains(t, paper("J-2"), "goes on")
	require.Contains(t, paper("J-2"), "are not known")

	// The backlog comes: the sheet has the right figures and says that it is another one.
	link.Mend()
	w.soon("everything is there", func() bool { return g.Stats().Spool.Packs == 0 })
	w.soon("everything is built", func() bool {
		rows, err := db.TouchedRows(t.Context())
		return err == nil && len(rows) == 0
	})
	// Why nobody knows 40 minutes of it: the gateway was started anew. That the mains were out, a second gateway or a sensor would tell.
	span := url.Values{"from": {w.at(0).Format(time.RFC3339)}, "to": {w.at(400).Format(time.RFC3339)}}.Encode()
	holes := func() (g [][3]any) {
		var list struct {
			Gaps []struct {
				Start, End time.Time
				Cause      string
			}
		}
		ask(http.MethodGet, "/gaps?"+span, "", &list)
		for _, h := range list.Gaps {
			g = append(g, [3]any{h.Start.Sub(w.begin).Minutes(), h.End.Sub(w.begin).Minutes(), h.Cause})
		}
		return g
	}
	w.soon("the ledger follows", func() bool {
		h := holes()
		return len(h) == 2 && h[0] == [3]any{285.0, 325.0, gap.CauseGateway} && h[1][2] == gap.CauseLink && h[1][1] == 399.0
	})
	right := sheet("J-2")
	require.Equal(t, []time.Time{w.at(250), w.at(380)}, []time.Time{right.Stretches[0].From, right.Stretches[0].To})
	require.Equal(t, tapFigures(80, 0, 10, 40, 2667_000, 1894, 90.0/130), right.Total)
	require.InDelta(t, 102_383, right.Stretches[0].Register.FromWh, 0)
	require.InDelta(t, 105_050, right.Stretches[0].Register.ToWh, 0)
	require.Len(t, right.Late, 1)
	late := right.Late[0]
	require.WithinRange(t, late.From, w.at(353), w.at(355))
	require.Equal(t, w.at(400), late.Filled)
	require.Contains(t, paper("J-2"), "the measured values came late")
	require.NotContains(t, paper("J-2"), "goes on")
	require.Equal(t, done.Total, sheet("J-1").Total, "the other sheet is what it was")

	// Whose time it was.
	type held struct {
		Start     time.Time
		End       *time.Time
		Group     string
		EndReason string `json:"end_reason"`
		Job       string
	}
	var sessions struct{ Sessions []held }
	ask(http.MethodGet, "/sessions?"+span, "", &sessions)
	end := func(minute int) *time.Time { at := w.at(minute); return &at }
	require.Equal(t, []held{
		{Start: w.at(9), End: end(70), Group: "asha", EndReason: session.EndTakeover},
		{Start: w.at(70), End: end(100), Group: "meera", EndReason: session.EndForgotten},
		{Start: w.at(249), End: end(379), Group: "asha", EndReason: session.EndTap},
	}, sessions.Sessions)
}

// tapFigures are minutes per state, mWh, g of CO2 and coverage of a job whose energy is all read from the register.
func tapFigures(run, idle, off, unknown, milliWh, grams int64, coverage float64) session.JobFigures {
	const minute = 60_000
	return session.JobFigures{
		RunMs: run * minute, IdleMs: idle * minute, OffMs: off * minute, UnknownMs: unknown * minute,
		MilliWh: milliWh, EnergyFlags: []string{}, GramsCO2: &grams, Coverage: &coverage,
	}
}
