package benchfaults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/faultlink"
)

// fault is one thing that breaks. begin breaks it, at most for a moment; lasting is how long it stays broken; end puts
// it right again and waits until it is.
type fault struct {
	name       string
	target     string // no two of a round have the same
	lasting    time.Duration
	begin, end func(t *testing.T, l *line)
}

// kind makes a fault with everything random in it drawn, so that a seed gives the same schedule each time.
type kind struct {
	name string
	make func(l *line, rng *rand.Rand) fault
}

func between(rng *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rng.Int64N(int64(to-from)))
}

func nothing(*testing.T, *line) {}

// kinds are all ways in which the line breaks.
func kinds() []kind {
	return []kind{
		{"gateway killed", gatewayKilled},
		{"gateway stopped", gatewayStopped},
		{"gateway restarted", gatewayRestarted},
		{"power cut", powerCut},
		{"clock stepped", clockStepped},
		{"disk full", diskFull},
		{"broker killed", brokerKilled},
		{"broker stopped", brokerStopped},
		{"broker wiped", brokerWiped},
		{"ingest killed", ingestKilled},
		{"ingest stopped", ingestStopped},
		{"analytics killed", analyticsKilled},
		{"influxd killed", influxKilled},
		{"influxd stopped", influxStopped},
		{"link cut", linkFault("cut", func(k *faultlink.Link, _ *rand.Rand) { k.Cut() })},
		{"link silent", linkFault("silent", func(k *faultlink.Link, _ *rand.Rand) { k.Silence() })},
		{"link slow", linkFault("slow", func(k *faultlink.Link, rng *rand.Rand) {
			k.Slow(time.Duration(rng.IntN(300))*time.Millisecond, 4000+rng.IntN(50_000))
		})},
		{"link torn", linkFault("torn", func(k *faultlink.Link, rng *rand.Rand) { k.Tear(1 + rng.IntN(20_000)) })},
		{"link disordered", linkDisordered},
	}
}

// kinds are those that this line has.
func (l *line) kinds() []kind {
	return slices.DeleteFunc(kinds(), func(k kind) bool {
		switch k.name {
		case "disk full":
			return !l.smallDisks
		case "ingest killed", "ingest stopped", "analytics killed":
			return l.setup == allInOne
		}
		return false
	})
}

// draw makes n faults in rounds of one to three that hold at the same time.
func draw(l *line, rng *rand.Rand, n int) (rounds [][]fault) {
	all := l.kinds()
	for n > 0 {
		size := min(n, 1+rng.IntN(3))
		var round []fault
		for len(round) < size {
			f := all[rng.IntN(len(all))].make(l, rng)
			if !slices.ContainsFunc(round, func(g fault) bool { return g.target == f.target }) {
				round = append(round, f)
			}
		}
		rounds = append(rounds, round)
		n -= size
	}
	return rounds
}

// each makes one fault of each kind, in rounds of three.
func each(l *line, rng *rand.Rand) (rounds [][]fault) {
	var all []fault
	for _, k := range l.kinds() {
		all = append(all, k.make(l, rng))
	}
	for len(all) > 0 {
		var round []fault
		all = slices.DeleteFunc(all, func(f fault) bool {
			if len(round) == 3 || slices.ContainsFunc(round, func(g fault) bool { return g.target == f.target }) {
				return false
			}
			round = append(round, f)
			return true
		})
		rounds = append(rounds, round)
	}
	return rounds
}

// suffer breaks things round by round. A round ends when samples of every gateway are stored again.
func (l *line) suffer(t *testing.T, rounds [][]fault) (count int) {
	t.Helper()
	l.flows(t)
	for _, round := range rounds {
		longest := time.Duration(0)
		for _, f := range round {
			t.Logf("%s  %s", time.Now().Format("15:04:05.000"), f.name)
			f.begin(t, l)
			longest = max(longest, f.lasting)
			count++
		}
		time.Sleep(longest) // the fault itself, nothing is waited for
		for _, f := range round {
			f.end(t, l)
		}
		l.flows(t)
	}
	return count
}

func pickGateway(l *line, rng *rand.Rand) *gatewayProcess { return l.gateways[rng.IntN(gateways)] }

func gatewayKilled(l *line, rng *rand.Rand) fault {
	g := pickGateway(l, rng)
	return fault{
		name: g.id + " killed", target: g.id, lasting: between(rng, 0, time.Second),
		begin: func(t *testing.T, l *line) { l.endGateway(t, g, true) },
		end:   func(t *testing.T, l *line) { l.startGateway(t, g) },
	}
}

func gatewayRestarted(l *line, rng *rand.Rand) fault {
	g := pickGateway(l, rng)
	return fault{
		name: g.id + " restarted", target: g.id,
		begin: func(t *testing.T, l *line) { l.endGateway(t, g, false); l.startGateway(t, g) }, end: nothing,
	}
}

func gatewayStopped(l *line, rng *rand.Rand) fault {
	g := pickGateway(l, rng)
	return stopped(g.id, between(rng, 500*time.Millisecond, 4*time.Second), func(*testing.T, *line) int { return g.cmd.Process.Pid })
}

// stopped stands still and goes on.
func stopped(name string, lasting time.Duration, pid func(*testing.T, *line) int) fault {
	var held int
	return fault{
		name: fmt.Sprintf("%s stopped for %v", name, lasting.Round(time.Millisecond)), target: name, lasting: lasting,
		begin: func(t *testing.T, l *line) {
			held = pid(t, l)
			require.NoError(t, syscall.Kill(held, syscall.SIGSTOP))
		},
		end: func(t *testing.T, _ *line) { require.NoError(t, syscall.Kill(held, syscall.SIGCONT)) },
	}
}

// powerCut ends the gateway and its boot. The next one begins without knowing the time, which comes later.
func powerCut(l *line, rng *rand.Rand) fault {
	g := pickGateway(l, rng)
	return fault{
		name: g.id + " without power, no time after it", target: g.id, lasting: between(rng, time.Second, 4*time.Second),
		begin: func(t *testing.T, l *line) {
			l.endGateway(t, g, true)
			g.clock.set(t, clockBoot, g.clock.get(t, clockBoot)+1)
			k, err := openKernel(g.clock.f.Name())
			require.NoError(t, err)
			g.clock.set(t, clockBootedAt, k.Kernel.Mono().Milliseconds())
			g.clock.set(t, clockUnsynced, 1)
			l.startGateway(t, g)
		},
		end: func(t *testing.T, _ *line) {
			from := g.length()
			g.clock.set(t, clockUnsynced, 0)
			g.find(t, from, "msg=clock .*is=(synced)")
		},
	}
}

// clockStepped sets a gateway's clock wrong, a little or much, and right again. Ahead it stays within what ingest takes
// for true.
func clockStepped(l *line, rng *rand.Rand) fault {
	g := pickGateway(l, rng)
	step := between(rng, 200*time.Millisecond, time.Minute)
	switch rng.IntN(4) {
	case 0:
		step = -step
	case 1:
		step = between(rng, time.Minute, 8*time.Minute)
	case 2:
		step = -between(rng, time.Minute, 3*time.Hour)
	}
	set := func(t *testing.T, to time.Duration) {
		from := g.length()
		g.clock.set(t, clockStep, to.Milliseconds())
		g.find(t, from, "clock was (stepped)")
	}
	name, killed := fmt.Sprintf("%s's clock stepped by %v", g.id, step.Round(time.Millisecond)), step%2 == 0
	if killed { // what ran ahead of the clock must not be run into
		name += ", killed when it is right again"
	}
	return fault{
		name: name, target: g.id, lasting: between(rng, 0, 2*time.Second),
		begin: func(t *testing.T, _ *line) { set(t, step) },
		end: func(t *testing.T, l *line) {
			set(t, 0)
			if killed {
				l.endGateway(t, g, true)
				l.startGateway(t, g)
			}
		},
	}
}

// diskFull fills a gateway's disk while nothing can leave it.
func diskFull(l *line, rng *rand.Rand) fault {
	g := pickGateway(l, rng)
	var empty func()
	return fault{
		name: g.id + "'s disk full, its link cut", target: g.id, lasting: between(rng, 0, 2*time.Second),
		begin: func(t *testing.T, _ *line) {
			g.link.Cut()
			from := g.length()
			empty = fill(t, g.disk)
			waitFor(t, g.id+" does not notice its full disk", func() bool {
				said := g.said(from)
				// The journal goes on within the blocks that it has, and is all that is written once the recordings have ended.
				return strings.Contains(said, "disk does not take samples") || strings.Count(g.said(g.from), "recording ended") == 2
			})
		},
		end: func(t *testing.T, _ *line) {
			from := g.length()
			noticed := strings.Contains(g.said(g.from), "disk does not take samples")
			empty()
			if noticed {
				g.find(t, from, "(disk works again)")
			}
			g.link.Mend()
		},
	}
}

func brokerKilled(l *line, rng *rand.Rand) fault {
	return fault{
		name: l.broker.name + " killed", target: "broker", lasting: between(rng, 0, time.Second),
		begin: func(t *testing.T, l *line) { l.killBroker(t) },
		end:   func(t *testing.T, l *line) { l.startBroker(t) },
	}
}

// killBroker kills it. With all in one influxd must not live on.
func (l *line) killBroker(t *testing.T) {
	t.Helper()
	pid := 0
	if l.setup == allInOne {
		pid = l.influxPid(t)
	}
	l.broker.kill()
	waitFor(t, "influxd outlives the server", func() bool { return pid == 0 || !alive(pid) })
}

func brokerStopped(l *line, rng *rand.Rand) fault {
	f := stopped(l.broker.name, between(rng, 500*time.Millisecond, 4*time.Second), func(_ *testing.T, l *line) int { return l.broker.cmd.Process.Pid })
	f.target = "broker"
	return f
}

func brokerWiped(l *line, rng *rand.Rand) fault {
	return fault{
		name: l.broker.name + " killed, the broker's files lost", target: "broker", lasting: between(rng, 0, time.Second),
		begin: func(t *testing.T, l *line) {
			l.killBroker(t)
			require.NoError(t, os.RemoveAll(l.brokerData))
		},
		end: func(t *testing.T, l *line) { l.startBroker(t) },
	}
}

func ingestKilled(l *line, rng *rand.Rand) fault {
	p := l.ingest[rng.IntN(len(l.ingest))]
	return fault{
		name: p.name + " killed", target: p.name, lasting: between(rng, 0, time.Second),
		begin: func(*testing.T, *line) { p.kill() },
		end:   func(t *testing.T, _ *line) { p.start(t) },
	}
}

func ingestStopped(l *line, rng *rand.Rand) fault {
	p := l.ingest[rng.IntN(len(l.ingest))]
	return stopped(p.name, between(rng, 500*time.Millisecond, 4*time.Second), func(*testing.T, *line) int { return p.cmd.Process.Pid })
}

func analyticsKilled(_ *line, rng *rand.Rand) fault {
	return fault{
		name: "analytics killed", target: "analytics", lasting: between(rng, 0, time.Second),
		begin: func(_ *testing.T, l *line) { l.analytics.kill() },
		end:   func(t *testing.T, l *line) { l.analytics.start(t) },
	}
}

// influxTarget is influxd, or with all in one the server, without which there is none.
func (l *line) influxTarget() string {
	if l.setup == allInOne {
		return "broker"
	}
	return "influxd"
}

func influxKilled(l *line, _ *rand.Rand) fault {
	killed := 0
	return fault{
		name: "influxd killed", target: l.influxTarget(),
		begin: func(t *testing.T, l *line) {
			killed = l.influxPid(t)
			require.NoError(t, syscall.Kill(killed, syscall.SIGKILL))
		},
		end: func(t *testing.T, l *line) {
			waitFor(t, "influxd is not started again", func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				return l.influxPid(t) != killed && l.tsdb.Ping(ctx) == nil
			})
		},
	}
}

func influxStopped(l *line, rng *rand.Rand) fault {
	f := stopped("influxd", between(rng, 500*time.Millisecond, 4*time.Second), func(t *testing.T, l *line) int { return l.influxPid(t) })
	f.target = l.influxTarget()
	return f
}

// influxPid waits until an influxd runs.
func (l *line) influxPid(t *testing.T) (pid int) {
	t.Helper()
	waitFor(t, "influxd does not run", func() bool {
		if l.influx != nil {
			pid = l.influx.Pid()
		} else {
			pid = childOf(l.broker.cmd.Process.Pid, "influxd")
		}
		return pid != 0
	})
	return pid
}

// link is one of the line's links and what it joins.
type link struct {
	*faultlink.Link
	name string
	mqtt bool
}

func (l *line) links() (out []link) {
	for _, g := range l.gateways {
		out = append(out, link{g.link, g.id + " to broker", true})
	}
	for i, p := range l.ingest {
		out = append(out, link{l.brokerLinks[i], p.name + " to broker", l.setup != embeddedNATS}, link{l.influxLinks[i], p.name + " to influxd", false})
	}
	for i, k := range l.sqlLinks {
		out = append(out, link{k, l.ingest[i].name + " to PostgreSQL", false})
	}
	return out
}

// linkFault spoils any link.
func linkFault(how string, spoil func(*faultlink.Link, *rand.Rand)) func(*line, *rand.Rand) fault {
	return func(l *line, rng *rand.Rand) fault { return spoiled(l.links(), how, rng, spoil) }
}

// linkDisordered doubles and disorders what passes a link that speaks MQTT.
func linkDisordered(l *line, rng *rand.Rand) fault {
	speaksMQTT := slices.DeleteFunc(l.links(), func(k link) bool { return !k.mqtt })
	return spoiled(speaksMQTT, "disordered", rng, func(k *faultlink.Link, _ *rand.Rand) { k.Disorder() })
}

func spoiled(links []link, how string, rng *rand.Rand, spoil func(*faultlink.Link, *rand.Rand)) fault {
	k := links[rng.IntN(len(links))]
	seed := rng.Uint64()
	return fault{
		name: k.name + " " + how, target: k.name, lasting: between(rng, 500*time.Millisecond, 5*time.Second),
		begin: func(*testing.T, *line) { spoil(k.Link, rand.New(rand.NewPCG(seed, 0))) },
		end:   func(*testing.T, *line) { k.Mend() },
	}
}
