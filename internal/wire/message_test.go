package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestReceiptRoundTrip(t *testing.T) {
	want := &Receipt{Spool: "s1", Stored: [][2]uint64{{1, 5}, {9, MaxSeq}}, Refused: []Refusal{{Seq: 6, Reason: ReasonAbsurdTime}}}
	b, err := want.Encode()
	require.NoError(t, err)
	require.JSONEq(t, `{"spool":"s1","stored":[[1,5],[9,9007199254740991]],"refused":[{"seq":6,"reason":"absurd-time"}]}`, string(b))
	got, err := DecodeReceipt(b)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
}

func TestReceiptRefuses(t *testing.T) {
	for name, payload := range map[string]string{
		"empty":      ``,
		"array":      `[]`,
		"no spool":   `{"stored":[[1,2]]}`,
		"null":       `null`,
		"backwards":  `{"spool":"s","stored":[[3,2]]}`,
		"zero":       `{"spool":"s","stored":[[0,2]]}`,
		"negative":   `{"spool":"s","stored":[[-1,2]]}`,
		"too large":  `{"spool":"s","stored":[[1,9007199254740992]]}`,
		"one number": `{"spool":"s","stored":[[1]]}`,
		"fraction":   `{"spool":"s","stored":[[1.5,2]]}`,
		"no reason":  `{"spool":"s","refused":[{"seq":1}]}`,
		"tail":       `{"spool":"s"} {}`,
		"long":       `{"spool":"s"}` + strings.Repeat(" ", MaxReceiptBytes),
	} {
		_, err := DecodeReceipt([]byte(payload))
		require.Error(t, err, name)
	}
	_, err := (&Receipt{Spool: "s", Stored: [][2]uint64{{2, 1}}}).Encode()
	require.Error(t, err)
	_, err = DecodeReceipt([]byte(`{"spool":"s","stored":[[1,2]],"hint":"new field of a newer server"}`))
	require.NoError(t, err)
}

func TestStatusRoundTrip(t *testing.T) {
	supply, bits, written := false, uint32(0x50005), uint64(1<<40)
	want := &Status{Online: true, Version: "1", Boot: "b", Clock: ClockRTC, Spool: "s", SpoolPacks: 3, OldestAgeS: 9, ConfigHash: "c", Supply: &supply, Undervolted: &supply, Throttled: &bits, Disk: &Disk{FreeBytes: 1, WrittenBytes: &written, ReadOnly: true}, TimeMs: 5}
	b, err := want.Encode()
	require.NoError(t, err)
	got, err := DecodeStatus(b)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
	will, err := (&Status{}).Encode()
	require.NoError(t, err)
	require.JSONEq(t, `{"online":false,"spool_packs":0,"oldest_age_s":0}`, string(will))
	for _, bad := range []string{``, `{"online":1}`, `{"clock":"sun"}`, `{"spool":" "}`, `{"boot":"ü"}`, `{"oldest_age_s":-1}`, `{}x`, strings.Repeat(" ", MaxStatusBytes+1)} {
		_, err := DecodeStatus([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestParseTopic(t *testing.T) {
	for topic, want := range map[string]Topic{
		PackTopic("s-1", "gw-1", "m-1", LaneLive):    {Site: "s-1", Gateway: "gw-1", Machine: "m-1", Kind: KindTelemetry},
		PackTopic("s-1", "gw-1", "m-1", LaneHistory): {Site: "s-1", Gateway: "gw-1", Machine: "m-1", Kind: KindHistory},
		ReceiptTopic("s", "g"):                       {Site: "s", Gateway: "g", Kind: KindReceipt},
		StatusTopic("s", "g"):                        {Site: "s", Gateway: "g", Kind: KindStatus},
		CommandTopic("s", "g"):                       {Site: "s", Gateway: "g", Kind: KindCommand},
	} {
		got, err := ParseTopic(topic)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for topic, words := range map[string]string{
		"":                         "does not start",
		"cfc/v2/s/g/status":        "does not start",
		"cfc/v1/s/g":               "not one of",
		"cfc/v1/s/g/m/receipt":     "not one of",
		"cfc/v1/s/g/telemetry":     "not one of",
		"cfc/v1/s/g/m/x/telemetry": "not one of",
		"cfc/v1//g/m/telemetry":    "site id",
		"cfc/v1/s/G/m/telemetry":   "gateway id",
		"cfc/v1/s/g/+/telemetry":   "machine id",
		"cfc/v1/s/g/#/history":     "machine id",
		"cfc/v1/s/" + strings.Repeat("g", 41) + "/status": "gateway id",
	} {
		_, err := ParseTopic(topic)
		require.ErrorContains(t, err, words, topic)
	}
}

func FuzzParseTopic(f *testing.F) {
	f.Add(PackTopic("s", "g", "m", LaneLive))
	f.Add("cfc/v1/s/g/status")
	f.Add("cfc/v1/\x00/g/+/#")
	f.Add("cfc/v1/s/g/" + strings.Repeat("\xff", 2000) + "/telemetry") // the error held the whole id
	f.Fuzz(func(t *testing.T, s string) {
		topic, err := ParseTopic(s)
		if err != nil {
			require.Less(t, len(err.Error()), 2000)
			return
		}
		again := map[Kind]string{
			KindTelemetry: PackTopic(topic.Site, topic.Gateway, topic.Machine, LaneLive),
			KindHistory:   PackTopic(topic.Site, topic.Gateway, topic.Machine, LaneHistory),
			KindReceipt:   ReceiptTopic(topic.Site, topic.Gateway),
			KindStatus:    StatusTopic(topic.Site, topic.Gateway),
			KindCommand:   CommandTopic(topic.Site, topic.Gateway),
		}[topic.Kind]
		require.Equal(t, s, again)
	})
}

func FuzzDecodeReceipt(f *testing.F) {
	f.Add([]byte(`{"spool":"s1","stored":[[1,5]],"refused":[{"seq":6,"reason":"x"}]}`))
	f.Fuzz(func(_ *testing.T, payload []byte) {
		_, _ = DecodeReceipt(payload)
	})
}

func FuzzDecodeStatus(f *testing.F) {
	yes, machines := true, 2
	for _, s := range []Status{
		{},
		{Online: true, Version: "1", Boot: "b", Clock: ClockSynced, Spool: "s", SpoolPacks: 3, OldestAgeS: 9, Supply: &yes, Machines: &machines, Disk: &Disk{FreeBytes: 1}},
		{Commands: &CommandStatus{Key: "k", Last: &CommandOutcome{ID: 1, Kind: CommandReload, Detail: "two\nlines"}}, AllowList: &AllowListStatus{Version: 1, Problem: "old"}},
	} {
		b, err := s.Encode()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`null`))
	f.Add([]byte(`{"clock":"` + strings.Repeat("\xff", 5000) + `"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := DecodeStatus(payload)
		if err != nil {
			require.Less(t, len(err.Error()), 2000)
			return
		}
		again, err := s.Encode() // cuts what is too long, so what is compared below is what it wrote
		if err != nil {
			require.ErrorContains(t, err, "bytes, at most") // < and & are written with six
			return
		}
		same, err := DecodeStatus(again)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(s, same))
	})
}
