package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

const faultsSite = "faults"

var faultsSiteFile = filepath.Join("testdata", "faults.site.yaml")

// TestFaults kills everything that can be killed while data flows, and then holds every sample sent against every sample
// stored, and the API's answers against those of a line that nobody disturbed. All of it are processes.
func TestFaults(t *testing.T) {
	var past [2]played
	for i := range past {
		past[i] = play(t, fmt.Sprintf("press-%d", i+1), uint64(i), time.Date(2026, 6, 1+i, 0, 10, 0, 0, time.UTC).UnixMilli(), 1000, 50_000)
	}
	now := play(t, "press-3", 3, time.Now().UnixMilli(), 100, 350)
	sources := []played{past[0], past[1], now}

	line := newFaultyLine(t)
	line.gateways[0] = &faultyGateway{config: line.gatewayFiles(t, faultsSite, "gw-1", past[0].config("2000x")+now.config("1x"))}
	line.gateways[1] = &faultyGateway{config: line.gatewayFiles(t, faultsSite, "gw-2", past[1].config("2000x"))}
	began := time.Now()
	line.faults(t)
	t.Logf("%d faults in %v, stored meanwhile: %s", line.count, time.Since(began).Round(time.Millisecond), line.stored(t, sources))
	for _, g := range line.gateways {
		require.Zero(t, g.wait(t, 2*time.Minute), "a gateway does not drain: %s", g.out.tail())
	}
	t.Logf("drained after %v", time.Since(began).Round(time.Millisecond))
	line.settle(t)
	t.Logf("settled after %v", time.Since(began).Round(time.Millisecond))
	var total comparison
	for _, p := range sources {
		c := line.compare(t, p)
		t.Logf("%s: %+v", p.machine, c)
		total.add(c)
	}
	answers := line.answers(t, sources)
	for _, p := range sources {
		require.Equal(t, p.milliWh(), line.energyMilliWh(t, p), "%s: the API's energy is not what the register counted", p.machine)
	}
	line.stop(t)
	line.nobodyLeft(t)
	t.Logf("result: faults=%d sent=%d stored=%d lost=%d doubled=%d wrong=%d", line.count, total.Sent, total.Stored, total.Lost, total.Doubled, total.Wrong)
	require.Equal(t, comparison{Sent: total.Sent, Stored: total.Sent}, total)

	for path, want := range undisturbed(t, sources) {
		want, got := withoutCauses(want), withoutCauses(answers[path])
		require.Equal(t, want, got, "%s is not what an undisturbed line answers:\n%s", path, firstDifference(want, got))
	}
}

var causes = regexp.MustCompile(`"cause":"[^"]*","evidence":"[^"]*"`)

// withoutCauses is an answer without why there is a hole: that tells of a machine's neighbours, and the undisturbed
// line has all machines on one gateway.
func withoutCauses(answer string) string { return causes.ReplaceAllString(answer, "") }

// undisturbed sends the same samples through a fresh line at full speed and returns its answers.
func undisturbed(t *testing.T, sources []played) map[string]string {
	t.Helper()
	calm := newUpServer(t, faultsSiteFile)
	calm.start(t)
	calm.find(t, `(connected to the broker)`) // what is sent before comes again only half a minute later
	machines := ""
	for _, p := range sources {
		machines += p.config("max")
	}
	config := calm.gatewayFiles(t, faultsSite, "gw-1", machines)
	out, code := command(t, nil, gatewayBinary(t), "run", "--config", config, "--exit-when-drained")
	require.Zero(t, code, out)
	calm.settle(t)
	answers := calm.answers(t, sources)
	calm.end(t, syscall.SIGTERM)
	return answers
}

// played is a recording made for the test: power is a saw whose every tooth is different, energy a register.
type played struct {
	machine string
	csv     string
	rows    []playedRow
}

type playedRow struct {
	ms            int64
	power, energy float64
}

// play writes n rows, stepMs apart but for one hole of ten minutes in recordings that are longer.
func play(t *testing.T, machine string, seed uint64, fromMs, stepMs int64, n int) played {
	t.Helper()
	p := played{machine: machine, csv: filepath.Join(t.TempDir(), machine+".csv"), rows: make([]playedRow, n)}
	rng := rand.New(rand.NewPCG(seed, 17))
	period, at, counted := 40+rng.IntN(900), fromMs, 1000*(1+rng.Float64())
	var b strings.Builder
	b.WriteString("time,machine,power[W],energy[Wh]\n")
	for i := range n {
		power := 64*math.Floor(46*float64(i%period)/float64(period)) + float64(i)/2048 // exact in 4 bytes, and never twice the same
		counted += power * float64(stepMs) / 3_600_000
		p.rows[i] = playedRow{at, power, math.Floor(counted*8) / 8}
		fmt.Fprintf(&b, "%s,%s,%s,%s\n", unixSeconds(at), machine, strconv.FormatFloat(power, 'f', -1, 64), strconv.FormatFloat(p.rows[i].energy, 'f', -1, 64))
		at += stepMs
		if i == n/3 && n > 10_000 {
			at += 600_000
		}
		if i%period == period-1 {
			period = 40 + rng.IntN(900)
		}
	}
	require.NoError(t, os.WriteFile(p.csv, []byte(b.String()), 0o600))
	return p
}

// config is the machine's part of gateway.yaml. Packs are short, so that there are many of them.
func (p played) config(speed string) string {
	return fmt.Sprintf("  - id: %s\n    source: replay\n    replay: {file: %s, speed: %s, shift: none}\n    pack: 50ms\n", p.machine, p.csv, speed)
}

func (p played) first() playedRow { return p.rows[0] }

func (p played) last() playedRow { return p.rows[len(p.rows)-1] }

// milliWh is what the register counted.
func (p played) milliWh() int64 {
	return int64(math.Round((p.last().energy - p.first().energy) * 1000))
}

func (p played) path(call string, query url.Values, fromMs, toMs int64) string {
	query.Set("from", time.UnixMilli(fromMs).UTC().Format(time.RFC3339Nano))
	query.Set("to", time.UnixMilli(toMs).UTC().Format(time.RFC3339Nano))
	return "/api/v1/sites/" + faultsSite + "/machines/" + p.machine + "/" + call + "?" + query.Encode()
}

func (p played) days() (fromMs, toMs int64) {
	return dayStart(p.first().ms).UnixMilli(), dayStart(p.last().ms).AddDate(0, 0, 1).UnixMilli()
}

// answers asks for everything whose answer does not depend on when it is asked: of a day that is not over, only the
// intervals, and of the one that is open not its end.
func (u *upServer) answers(t *testing.T, sources []played) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, p := range sources {
		paths := []string{p.path("intervals", url.Values{}, p.first().ms, p.last().ms)}
		if from, to := p.days(); to < time.Now().UnixMilli() {
			paths = append(paths, p.path("intervals", url.Values{}, from, to), p.path("kpis", url.Values{"by": {"hour"}}, from, to), p.path("kpis", url.Values{"by": {"day"}}, from, to))
		}
		for _, path := range paths {
			out[path] = withoutNow(t, u.get(t, path))
		}
	}
	return out
}

var openEnd = regexp.MustCompile(`"end":"[^"]*","duration_s":[0-9.]+(,[^{}]*"open":true)`)

// withoutNow takes the end out of an open interval: it is the moment of asking.
func withoutNow(t *testing.T, answer string) string {
	t.Helper()
	out := openEnd.ReplaceAllString(answer, `"end":"now"$1`)
	require.Equal(t, strings.Count(answer, `"open":true`), strings.Count(out, `"end":"now"`), answer)
	return out
}

// energyMilliWh sums the energy of the machine's days up.
func (u *upServer) energyMilliWh(t *testing.T, p played) int64 {
	t.Helper()
	from, to := p.days()
	var sum int64
	for _, wh := range energyWh(t, u.get(t, p.path("kpis", url.Values{"by": {"day"}}, from, to))) {
		sum += int64(math.Round(wh * 1000))
	}
	return sum
}

// settle waits until analytics has rebuilt everything that was touched.
func (u *upServer) settle(t *testing.T) {
	t.Helper()
	db, err := registry.Open(context.Background(), "sqlite://"+filepath.Join(u.data, "registry.db"))
	require.NoError(t, err)
	defer db.Close()
	require.True(t, waitFor(time.Minute, func() bool {
		rows, err := db.TouchedRows(context.Background())
		return err == nil && len(rows) == 0
	}), "analytics does not finish: %s", u.out.tail())
}

// faultyLine is a server and two gateways, and the list of all processes there ever were.
type faultyLine struct {
	*upServer
	gateways [2]*faultyGateway
	rng      *rand.Rand
	pids     []int
	count    int
}

type faultyGateway struct {
	*process
	config string
}

func newFaultyLine(t *testing.T) *faultyLine {
	t.Helper()
	return &faultyLine{upServer: newUpServer(t, faultsSiteFile), rng: rand.New(rand.NewPCG(20261122, 1))}
}

// faults starts the line and breaks it in every way while data flow. At the end all of it runs.
func (l *faultyLine) faults(t *testing.T) {
	t.Helper()
	l.up(t)
	l.gateway(t, 0)
	l.gateway(t, 1)

	l.fault(t, "gateway 1 killed")
	l.gateways[0].end(t, syscall.SIGKILL)
	l.gateway(t, 0)

	l.fault(t, "gateway 2 killed")
	l.gateways[1].end(t, syscall.SIGKILL)
	l.gateway(t, 1)

	l.fault(t, "influxd killed")
	l.killInflux(t)

	l.fault(t, "influxd stopped for 3 s")
	pid := l.influx(t)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	time.Sleep(3 * time.Second)
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))

	l.fault(t, "the server killed")
	l.killUp(t)
	l.up(t)

	l.fault(t, "the server and gateway 1 killed, the broker's files lost")
	l.killUp(t)
	l.gateways[0].end(t, syscall.SIGKILL)
	require.NoError(t, os.RemoveAll(filepath.Join(l.data, "broker")))
	l.up(t)
	l.gateway(t, 0)

	l.fault(t, "influxd killed again and again")
	for range 3 {
		l.killInflux(t)
		time.Sleep(time.Duration(l.rng.IntN(300)) * time.Millisecond)
	}

	l.fault(t, "everything stopped and started")
	for _, g := range l.gateways {
		g.end(t, syscall.SIGTERM)
		require.Zero(t, g.cmd.ProcessState.ExitCode(), g.out.tail())
	}
	l.stop(t)
	l.up(t)
	l.gateway(t, 0, "--exit-when-drained")
	l.gateway(t, 1, "--exit-when-drained")
}

// fault lets data flow for a while before the next thing breaks.
func (l *faultyLine) fault(t *testing.T, what string) {
	t.Helper()
	time.Sleep(time.Duration(500+l.rng.IntN(2000)) * time.Millisecond)
	l.count++
	t.Logf("%s  %s", time.Now().Format("15:04:05.000"), what)
}

func (l *faultyLine) up(t *testing.T) {
	t.Helper()
	l.start(t)
	l.pids = append(l.pids, l.pid())
	l.influx(t)
}

// influx returns influxd's process and remembers it.
func (l *faultyLine) influx(t *testing.T) int {
	t.Helper()
	pid := l.influxd(t)
	l.pids = append(l.pids, pid)
	return pid
}

func (l *faultyLine) gateway(t *testing.T, i int, args ...string) {
	t.Helper()
	g := l.gateways[i]
	g.process = run(t, nil, gatewayBinary(t), append([]string{"run", "--config", g.config}, args...)...)
	l.pids = append(l.pids, g.pid())
}

// killInflux kills it and waits until another one runs.
func (l *faultyLine) killInflux(t *testing.T) {
	t.Helper()
	killed := l.influx(t)
	require.NoError(t, syscall.Kill(killed, syscall.SIGKILL))
	require.True(t, waitFor(30*time.Second, func() bool {
		pid := childOf(l.pid(), "influxd")
		return pid != 0 && pid != killed
	}), "influxd is not started again: %s", l.out.tail())
}

// killUp kills the server; its influxd must not live on.
func (l *faultyLine) killUp(t *testing.T) {
	t.Helper()
	child := l.influx(t)
	l.end(t, syscall.SIGKILL)
	require.True(t, waitFor(5*time.Second, func() bool { return !alive(child) }), "influxd outlives the server")
}

// stop stops the server as its operator does.
func (l *faultyLine) stop(t *testing.T) {
	t.Helper()
	child := l.influx(t)
	l.end(t, syscall.SIGTERM)
	require.Zero(t, l.cmd.ProcessState.ExitCode(), l.out.tail())
	require.False(t, alive(child), "influxd outlives the server")
}

// nobodyLeft wants every process there ever was to have ended.
func (l *faultyLine) nobodyLeft(t *testing.T) {
	t.Helper()
	for _, pid := range l.pids {
		require.False(t, alive(pid), "process %d is left", pid)
	}
}

// comparison counts values: each row has two.
type comparison struct{ Sent, Stored, Lost, Doubled, Wrong int }

func (c *comparison) add(o comparison) {
	c.Sent, c.Stored, c.Lost, c.Doubled, c.Wrong = c.Sent+o.Sent, c.Stored+o.Stored, c.Lost+o.Lost, c.Doubled+o.Doubled, c.Wrong+o.Wrong
}

// compare holds all values that are stored of a machine, of whatever time, against those sent.
func (l *faultyLine) compare(t *testing.T, p played) comparison {
	t.Helper()
	c := comparison{Sent: 2 * len(p.rows)}
	sent := make(map[int64]playedRow, len(p.rows))
	for _, r := range p.rows {
		sent[r.ms] = r
	}
	q := tsdb.Query{
		Measurement: tsdb.Telemetry, Site: faultsSite, Machine: p.machine,
		Fields: []string{"power_w", "energy_wh", "power_w_q", "energy_wh_q"}, FromMs: 0, ToMs: 1 << 43,
	}
	seen := map[int64]bool{}
	err := l.store(t).Read(context.Background(), q, func(row tsdb.Row) error {
		r, known := sent[row.TimeMs]
		for i, want := range []any{r.power, r.energy, nil, nil} {
			got := row.Values[i]
			switch {
			case got == nil:
				continue
			case seen[row.TimeMs]:
				c.Doubled++
			case !known || got != want:
				c.Wrong++
			default:
				c.Stored++
			}
		}
		seen[row.TimeMs] = true
		return nil
	})
	require.NoError(t, err)
	c.Lost = c.Sent - c.Stored
	return c
}

// stored says how far each machine's samples have come.
func (l *faultyLine) stored(t *testing.T, sources []played) string {
	t.Helper()
	newest := map[string]int64{}
	store := l.store(t)
	require.True(t, waitFor(30*time.Second, func() bool {
		rows, err := store.Last(context.Background(), tsdb.Query{
			Measurement: tsdb.Telemetry, Site: faultsSite, Fields: []string{"power_w"}, FromMs: 0, ToMs: 1 << 43,
		})
		for _, r := range rows {
			newest[r.Machine] = r.TimeMs
		}
		return err == nil
	}))
	share := map[string]string{}
	for _, p := range sources {
		share[p.machine] = fmt.Sprintf("%s %.0f %%", p.machine, 100*float64(newest[p.machine]-p.first().ms)/float64(p.last().ms-p.first().ms))
	}
	return strings.Join(slices.Sorted(maps.Values(share)), ", ")
}
