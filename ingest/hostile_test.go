package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"karkhana/internal/broker/brokertest"
	"karkhana/internal/tsdb"
	"karkhana/internal/wire"
)

// hostile are messages that no gateway of ours sends, with the reason under which each is counted. "" means that it is
// a pack like others.
func hostile(t testing.TB) map[string]struct {
	payload []byte
	reason  string
} {
	t.Helper()
	const head = `[{"bn":"s/m1/","bt":1795000000,"n":"seq","v":900},{"n":"spool","vs":"sp"},{"n":"boot","vs":"b"},{"n":"clock","vs":"rtc"},`
	record := func(name string, value []byte) []byte { // a pack in CBOR with one record of any bytes as value
		good := encode(t, &wire.Pack{Site: "s", Machine: "m1", Spool: "sp", Seq: 900, Boot: "b", Clock: wire.ClockRTC,
			Samples: []wire.Sample{{TimeMs: baseMs, Quantity: "power", Number: 1}}}, wire.FormatCBOR)
		good[0]++ // one record more
		good = append(good, 0xa2, 0x00, 0x60|byte(len(name)))
		good = append(append(good, name...), 0x02)
		return append(good, value...)
	}
	float := func(v float64) []byte { return binary.BigEndian.AppendUint64([]byte{0xfb}, math.Float64bits(v)) }
	many := append([]byte{0x9a}, binary.BigEndian.AppendUint32(nil, 100_000)...)
	for range 100_000 {
		many = append(many, 0xa1, 0x02, 0x01)
	}
	type message = struct {
		payload []byte
		reason  string
	}
	return map[string]message{
		"10 MB":                   {bytes.Repeat([]byte("x"), 10<<20), wire.ReasonTooLarge},
		"10 MB of CBOR":           {append([]byte{0x9f}, bytes.Repeat([]byte{0xa0}, 10<<20)...), wire.ReasonTooLarge},
		"100k records":            {many, wire.ReasonBadRecord}, // the first has no name
		"100k named records":      {[]byte(head + strings.Repeat(`{"n":"power","v":1},`, 24_000) + `{"n":"power","v":1}]`), wire.ReasonTooLarge},
		"lists in lists":          {bytes.Repeat([]byte{0x9f}, 500_000), wire.ReasonNotSenML},
		"deep value":              {append([]byte{0x81, 0xa1, 0x18, 0x63}, bytes.Repeat([]byte{0x81}, 400_000)...), wire.ReasonNotSenML},
		"array of 2^64 records":   {[]byte{0x9b, 255, 255, 255, 255, 255, 255, 255, 255}, wire.ReasonNotSenML},
		"text of 2^63 bytes":      {[]byte{0x81, 0xa1, 0x00, 0x7b, 127, 255, 255, 255, 255, 255, 255, 255}, wire.ReasonNotSenML},
		"JSON lists in lists":     {bytes.Repeat([]byte("["), 400_000), wire.ReasonNotSenML},
		"not a number":            {record("power", float(math.NaN())), wire.ReasonOutOfRange},
		"plus infinity":           {record("power", float(math.Inf(1))), wire.ReasonOutOfRange},
		"minus infinity":          {record("power", float(math.Inf(-1))), wire.ReasonOutOfRange},
		"half infinity":           {record("power", []byte{0xf9, 0x7c, 0x00}), wire.ReasonOutOfRange},
		"decimal bomb":            {record("power", []byte{0xc4, 0x82, 0x1a, 0x7f, 0xff, 0xff, 0xff, 0x01}), wire.ReasonOutOfRange},
		"register below zero":     {[]byte(head + `{"n":"energy","v":-1}]`), wire.ReasonOutOfRange},
		"name of 64 kB":           {[]byte(head + `{"n":"` + strings.Repeat("p", 64<<10) + `","v":1}]`), wire.ReasonBadRecord},
		"site of 64 kB":           {[]byte(`[{"bn":"` + strings.Repeat("p", 64<<10) + `/m1/","n":"seq","v":1}]`), wire.ReasonBadRecord},
		"card of 64 kB":           {[]byte(head + `{"n":"card","vs":"` + strings.Repeat("c", 64<<10) + `"}]`), wire.ReasonOutOfRange},
		"tag in the name":         {[]byte(`[{"bn":"s/m1,site=other/","n":"seq","v":1}]`), wire.ReasonBadRecord},
		"seq beyond all":          {[]byte(strings.Replace(head, `"v":900`, `"v":1e300`, 1) + `{"n":"power","v":1}]`), wire.ReasonOutOfRange},
		"the same time again":     {[]byte(head + `{"n":"power","v":1},{"n":"power","v":2},{"n":"power","v":3}]`), ""},
		"20k times the same time": {[]byte(head + strings.Repeat(`{"n":"power","v":1},`, 19_000) + `{"n":"power","v":3}]`), ""},
		"another machine's pack":  {encode(t, packOf(901, "m2"), wire.FormatCBOR), ReasonForeignTopic},
	}
}

// Each hostile message costs bounded memory and little time, is refused for its reason, and leaves the next pack alone.
func TestHostileMessages(t *testing.T) {
	in, err := New(Options{
		Source: "mqtt://127.0.0.1:1", ClientID: "h", Store: tsdb.NewMemory(), Registry: newFakeRegistry("m1", "m2"),
		Logger: quiet(), Registerer: prometheus.NewRegistry(), Now: func() time.Time { return time.UnixMilli(baseMs + 3_600_000) },
	})
	require.NoError(t, err)
	c := newCollector(in, in.lanes[0].counted, nil)
	for name, m := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			b := &batch{}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			topic := wire.PackTopic("s", "gw-1", "m1", wire.LaneLive)
			c.add(t.Context(), b, &delivery{topic: topic, payload: m.payload, intake: in.lanes[0].intake})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if m.reason == "" {
				require.Nil(t, b.items[0].refusal)
			} else {
				require.NotNil(t, b.items[0].refusal)
				require.Equal(t, m.reason, b.items[0].refusal.reason, b.items[0].refusal.detail)
				require.Less(t, len(b.items[0].refusal.detail), 1024)
				require.Zero(t, b.lines.Len())
			}
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "bytes allocated, most of them freed at once")
			require.Less(t, took, 5*time.Second)
			c.add(t.Context(), b, &delivery{topic: topic, payload: encode(t, packOf(1, "m1"), wire.FormatCBOR), intake: in.lanes[0].intake})
			require.Nil(t, b.items[1].refusal)
			require.Equal(t, 10, b.items[1].values)
		})
	}
}

// One gateway that sends everything hostile delays nobody: another one's packs are stored and receipted, and each
// message is counted under its reason. What is larger than the broker takes never comes.
func TestHostileGatewayDisturbsNobody(t *testing.T) {
	onEachSource(t, func(t *testing.T, w *world) {
		bad := brokertest.ClientOptions(w.broker, "s.probe", "p", "bad").SetAutoReconnect(true).SetMaxReconnectInterval(50 * time.Millisecond)
		evil := brokertest.Connect(t, bad)
		for _, m := range hostile(t) {
			if len(m.payload) < 600_000 { // else the broker ends the connection
				evil.Publish(wire.PackTopic("s", "probe", "m2", wire.LaneLive), 1, false, m.payload)
			}
		}
		evil.Publish(wire.PackTopic("s", "gw-1", "m1", wire.LaneLive), 1, false, encode(t, packOf(77, "m1"), wire.FormatCBOR)) // another's topic
		g := newGateway(t, w)
		all := packs(t, 20)
		g.deliver(all)
		require.Equal(t, wantLines(20), w.store.dump(t, "m1", "power_w", "energy_wh"), "the forged pack is not there, the good ones are")
		require.Eventually(t, func() bool { return metric(t, w, "karkhana_ingest_packs_refused_total") > 0 }, patience, every)
	})
}

// A gateway that sends nothing but what is refused holds up nobody: the packs of a moment go to quarantine together, and
// after those that are stored.
func TestRefusedPacksGoToQuarantineTogether(t *testing.T) {
	r := newFakeRegistry("m1")
	in, err := New(Options{
		Source: "mqtt://127.0.0.1:1", ClientID: "h", Store: tsdb.NewMemory(), Registry: r,
		Logger: quiet(), Registerer: prometheus.NewRegistry(), Now: func() time.Time { return time.UnixMilli(baseMs + 3_600_000) },
	})
	require.NoError(t, err)
	l := in.lanes[0]
	c, b := newCollector(in, l.counted, nil), &batch{}
	var order []string
	add := func(name string, payload []byte) {
		c.add(t.Context(), b, &delivery{topic: wire.PackTopic("s", "gw-1", "m1", wire.LaneLive), payload: payload, intake: l.intake, broker: noted{name, &order}})
	}
	for i := range 500 {
		add("refused", fmt.Appendf(nil, "no pack %d", i))
	}
	add("stored", encode(t, packOf(1, "m1"), wire.FormatCBOR))
	l.finish(t.Context(), b.items)
	require.Len(t, order, 501)
	require.Equal(t, "stored", order[0])
	require.Len(t, r.quarantine, 500)
	require.Equal(t, 1, r.refusals, "transactions of the registry")
}

// noted is a handle that writes down what is done with its message.
type noted struct {
	name  string
	order *[]string
}

func (n noted) acknowledge() { *n.order = append(*n.order, n.name) }
func (n noted) drop()        { *n.order = append(*n.order, n.name+" dropped") }

// The names and help texts of the metrics are as Prometheus wants them.
func TestMetricsAreWellFormed(t *testing.T) {
	r := prometheus.NewRegistry()
	in, err := New(Options{Source: "mqtt://127.0.0.1:1", ClientID: "h", Store: tsdb.NewMemory(), Registry: newFakeRegistry("m1"), Logger: quiet(), Registerer: r})
	require.NoError(t, err)
	for i := range 2 * maxSpoolAges {
		in.gateways.status("s", fmt.Sprint("gw-", i), []byte(fmt.Sprintf(`{"online":true,"oldest_age_s":%d}`, i)), false)
	}
	families, err := r.Gather()
	require.NoError(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	for _, f := range families {
		switch f.GetName() {
		case "karkhana_ingest_gateway_spool_age_seconds":
			require.Len(t, f.GetMetric(), maxSpoolAges)
		case "karkhana_ingest_statuses_refused_total":
			require.Len(t, f.GetMetric(), len(wire.StatusReasons()), "before the first refusal")
		case "karkhana_ingest_packs_refused_total":
			require.Len(t, f.GetMetric(), len(Reasons()), "before the first refusal")
		}
	}
}
