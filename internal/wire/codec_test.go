package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/absmach/senml"
	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/internal/quantity"
)

var formats = map[string]Format{"cbor": FormatCBOR, "json": FormatJSON}

// packGen draws any pack that the contract allows.
func packGen() *rapid.Generator[*Pack] {
	return rapid.Custom(func(t *rapid.T) *Pack {
		id := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,39}`)
		token := rapid.StringMatching(`[A-Za-z0-9._:-]{1,64}`)
		p := &Pack{
			Site: id.Draw(t, "site"), Machine: id.Draw(t, "machine"),
			Spool: token.Draw(t, "spool"), Boot: token.Draw(t, "boot"),
			Seq:   rapid.Uint64Range(1, MaxSeq).Draw(t, "seq"),
			Clock: rapid.SampledFrom([]Clock{ClockSynced, ClockRTC, ClockRepaired, ClockBounded}).Draw(t, "clock"),
		}
		base := rapid.Int64Range(MinTimeMs, 4e12).Draw(t, "base")
		spread := rapid.SampledFrom([]int64{0, 10, 10_000, 86_400_000, 4e12}).Draw(t, "spread")
		sample := rapid.Custom(func(t *rapid.T) Sample {
			q := rapid.SampledFrom(quantity.All()).Draw(t, "quantity")
			s := Sample{Quantity: q.Name, TimeMs: base + rapid.Int64Range(0, spread).Draw(t, "after")}
			s.Quality = rapid.SampledFrom([]string{"", "", "", "estimated", "stale", "saturated", "fault:open"}).Draw(t, "quality")
			if s.IsFault() {
				return s
			}
			switch q.Kind {
			case quantity.KindNumber:
				s.Number = rapid.OneOf(
					rapid.Float64Range(q.Min, q.Max),
					rapid.Map(rapid.Float32Range(float32(max(q.Min, -1000)), float32(min(q.Max, 1000))), func(f float32) float64 { return float64(f) }),
					rapid.Map(rapid.Int64Range(int64(math.Ceil(q.Min)), int64(q.Max)), func(n int64) float64 { return float64(n) }),
				).Draw(t, "number")
				if q.Check(s.Number) != nil || s.Number == 0 { // float32 rounding at the edge; −0
					s.Number = 0
				}
			case quantity.KindText:
				s.Text = strings.ReplaceAll(rapid.StringN(0, 60, MaxTextBytes).Draw(t, "text"), "\x00", "")
			case quantity.KindBool:
				s.Bool = rapid.Bool().Draw(t, "bool")
			}
			return s
		})
		p.Samples = rapid.SliceOfN(sample, 0, 60).Draw(t, "samples")
		if rapid.Bool().Draw(t, "sorted") {
			p.Sort()
		}
		// A quantity has one sample at an instant; a fault right after a value of the same instant takes its place.
		p.Samples = slices.CompactFunc(p.Samples, func(a, b Sample) bool { return a.Quantity == b.Quantity && a.TimeMs == b.TimeMs })
		if len(p.Samples) == 0 {
			p.Samples = nil
		}
		return p
	})
}

func TestDecodeGivesBackWhatWasEncoded(t *testing.T) {
	for name, f := range formats {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			p := packGen().Draw(t, "pack")
			payload, err := p.Encode(f)
			require.NoError(t, err)
			got, err := Decode(payload)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(p, got))
			again, err := got.Encode(f)
			require.NoError(t, err)
			require.Equal(t, payload, again, "the same pack must give the same bytes")
		}))
	}
}

// Another RFC 8428 library resolves our packs to the same names, times and values.
func TestForeignToolReadsPacks(t *testing.T) {
	for name, f := range formats {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			p := packGen().Draw(t, "pack")
			payload, err := p.Encode(f)
			require.NoError(t, err)
			foreign := senml.JSON
			if f == FormatCBOR {
				foreign = senml.CBOR
			}
			theirs, err := senml.Decode(payload, foreign)
			require.NoError(t, err)
			theirs, err = senml.Normalize(theirs)
			require.NoError(t, err)
			// That library sorts by time; a set of lines is compared.
			want, got := map[string]int{}, map[string]int{}
			require.NoError(t, readRecords(payload, new(record), resolveEach(func(r resolved) {
				want[line(string(r.name), r.time, numberOf(r), textOf(r), boolOf(r))]++
			})))
			for _, r := range theirs.Records {
				got[line(r.Name, r.Time, r.Value, r.StringValue, r.BoolValue)]++
			}
			require.Empty(t, cmp.Diff(want, got))
		}))
	}
}

func line(name string, seconds float64, v *float64, vs *string, vb *bool) string {
	b, _ := json.Marshal([]any{name, math.Round(seconds * 1000), v, vs, vb})
	return string(b)
}

func numberOf(r resolved) *float64 {
	if r.kind != labelV {
		return nil
	}
	return &r.num
}

func textOf(r resolved) *string {
	if r.kind != labelVs {
		return nil
	}
	s := string(r.text)
	return &s
}

func boolOf(r resolved) *bool {
	if r.kind != labelVb {
		return nil
	}
	return &r.truth
}

func resolveEach(fn func(resolved)) func(*record) *DecodeError {
	var res resolver
	return func(rec *record) *DecodeError {
		r, err := res.resolve(rec)
		if err == nil {
			fn(r)
		}
		return err
	}
}

// The multiple-measurement example of RFC 8428 resolves as the RFC says.
func TestResolvesExampleOfTheRFC(t *testing.T) {
	dir := "../../../shared/data/chip-vectors"
	input, err := os.ReadFile(filepath.Join(dir, "senml_rfc8428_multi.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("recordings are absent (../shared/data beside the repository): skipped")
	}
	require.NoError(t, err)
	wanted, err := os.ReadFile(filepath.Join(dir, "senml_rfc8428_multi_resolved.json"))
	require.NoError(t, err)
	var want []map[string]any
	require.NoError(t, json.Unmarshal(wanted, &want))
	var got []map[string]any
	require.NoError(t, readRecords(input, new(record), resolveEach(func(r resolved) {
		got = append(got, map[string]any{"n": string(r.name), "u": string(r.unit), "t": r.time, "v": r.num})
	})))
	require.Empty(t, cmp.Diff(want, got))
}

// typical is ten seconds of six quantities at 1 Hz, as a meter with float32 registers gives them.
func typical() *Pack {
	p := &Pack{Site: "jodhpur-cfc", Machine: "furnace-1", Spool: "k3x9m2qa7c4d", Seq: 123456, Boot: "5f0c9b1e77aa", Clock: ClockSynced}
	for i := range int64(10) {
		at := int64(1_795_000_000_137) + i*1000
		x := float64(i)
		for q, v := range map[string]float64{
			quantity.Power: 4210.7 + 13.3*x, quantity.Energy: 1_234_567 + 1.17*x, quantity.Voltage: 231.4 + 0.1*x,
			quantity.Current: 18.21 + 0.03*x, quantity.PowerFactor: 0.973 + 0.001*x, quantity.Frequency: 49.98 + 0.01*x,
		} {
			p.Samples = append(p.Samples, Sample{TimeMs: at, Quantity: q, Number: float64(float32(v))})
		}
	}
	p.Sort()
	return p
}

// The figure of docs/wire.md.
func TestBytesPerSample(t *testing.T) {
	p := typical()
	payload, err := p.Encode(FormatCBOR)
	require.NoError(t, err)
	perSample := float64(len(payload)) / float64(len(p.Samples))
	t.Logf("%.1f bytes for each sample, pack of %d samples in %d bytes", perSample, len(p.Samples), len(payload))
	require.LessOrEqual(t, perSample, 16.0)
}

func TestEncodingIsWellFormedCBOR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload, err := packGen().Draw(t, "pack").Encode(FormatCBOR)
		require.NoError(t, err)
		require.NoError(t, cbor.Wellformed(payload))
	})
}

// goldenPack is the pack of testdata/pack.*: every kind of value and quality.
func goldenPack() *Pack {
	at := int64(1_795_000_000_250)
	return &Pack{
		Site: "jodhpur-cfc", Machine: "furnace-1", Spool: "s1", Seq: 42, Boot: "b7", Clock: ClockRTC,
		Samples: []Sample{
			{TimeMs: at, Quantity: quantity.Power, Number: 4210.5},
			{TimeMs: at + 1000, Quantity: quantity.Power, Number: 0},
			{TimeMs: at + 2000, Quantity: quantity.Power, Number: -12.1, Quality: "estimated"},
			{TimeMs: at + 3333, Quantity: quantity.Power, Number: 70000},
			{TimeMs: at, Quantity: quantity.Temperature, Quality: "fault:open"},
			{TimeMs: at - 1500, Quantity: quantity.Card, Text: "9f86d081"},
			{TimeMs: at, Quantity: quantity.Supply, Bool: false},
			{TimeMs: at, Quantity: quantity.Energy, Number: 1e9},
		},
	}
}

// Stored packs wait on gateways' disks: these bytes must stay readable, and gateways must go on writing them.
func TestGoldenPacks(t *testing.T) {
	for name, f := range formats {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "pack."+name)
			got, err := goldenPack().Encode(f)
			require.NoError(t, err)
			if os.Getenv("KARKHANA_WRITE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, want, got)
			pack, err := Decode(want)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(goldenPack(), pack))
		})
	}
}

const identity = `{"bn":"s/m/","bt":1795000000,"n":"seq","v":7},{"n":"spool","vs":"sp"},{"n":"boot","vs":"b"},{"n":"clock","vs":"synced"}`

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, payload, reason, detail string
	}{
		{"empty", "", ReasonNotSenML, "empty"},
		{"text", "hello", ReasonNotSenML, "first byte"},
		{"object", `{"n":"a"}`, ReasonNotSenML, "first byte"},
		{"space then no array", ` {}`, ReasonNotSenML, "array"},
		{"no end", `[` + identity, ReasonNotSenML, ""},
		{"tail", `[` + identity + `] x`, ReasonNotSenML, "after the end"},
		{"not records", `[1,2]`, ReasonNotSenML, "record 0"},
		{"cbor cut", "\x82\xa1\x00", ReasonNotSenML, "cut off"},
		{"cbor nested", "\x81\xa1\x18\x63" + strings.Repeat("\x81", 50) + "\x00", ReasonNotSenML, "deep"},
		{"cbor huge array", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", ReasonNotSenML, "cut off"},
		{"cbor tail", "\x80\x80", ReasonNotSenML, "after the end"},
		{"cbor record no map", "\x81\x01", ReasonNotSenML, "map"},
		{"cbor label twice", "\x81\xa2\x00\x61a\x00\x61b", ReasonBadRecord, "twice"},
		{"cbor must understand", "\x81\xa1\x62x_\x01", ReasonBadRecord, "x_"},
		{"empty array", `[]`, ReasonMissingIdentity, "seq, spool, boot, clock"},
		{"no seq", `[{"bn":"s/m/","n":"spool","vs":"sp"},{"n":"boot","vs":"b"},{"n":"clock","vs":"rtc"}]`, ReasonMissingIdentity, "record seq"},
		{"seq zero", `[{"n":"s/m/seq","v":0}]`, ReasonOutOfRange, "seq"},
		{"seq fraction", `[{"n":"s/m/seq","v":1.5}]`, ReasonOutOfRange, "seq"},
		{"seq text", `[{"n":"s/m/seq","vs":"1"}]`, ReasonWrongType, "seq"},
		{"clock word", `[{"n":"s/m/clock","vs":"sundial"}]`, ReasonBadRecord, "sundial"},
		{"name short", `[{"n":"power","v":1}]`, ReasonBadRecord, "{site}/{machine}/{quantity}"},
		{"name chars", `[{"n":"s/m/pow er","v":1}]`, ReasonBadRecord, "allowed"},
		{"name first char", `[{"n":"-s/m/power","v":1}]`, ReasonBadRecord, "allowed"},
		{"name long", `[{"n":"` + strings.Repeat("a", 65536) + `","v":1}]`, ReasonBadRecord, "65536"},
		{"no name", `[{"v":1}]`, ReasonBadRecord, "no name"},
		{"site id", `[{"n":"Site/m/power","v":1}]`, ReasonBadRecord, "site id"},
		{"two machines", `[` + identity + `,{"bn":"s/n/","n":"power","v":1}]`, ReasonBadRecord, "one machine"},
		{"two values", `[` + identity + `,{"n":"power","v":1,"vs":"1"}]`, ReasonBadRecord, "two values"},
		{"no value", `[` + identity + `,{"n":"power"}]`, ReasonBadRecord, "no value"},
		{"null value", `[` + identity + `,{"n":"power","v":null}]`, ReasonWrongType, "v has"},
		{"must understand", `[{"n":"s/m/seq","v":1,"x_":1}]`, ReasonBadRecord, "x_"},
		{"unknown quantity", `[` + identity + `,{"n":"wattage","v":1}]`, ReasonUnknownQuantity, "wattage"},
		{"unknown unit", `[` + identity + `,{"n":"power","u":"hp","v":1}]`, ReasonUnknownUnit, `use "W"`},
		{"base unit", `[` + identity + `,{"bu":"Cel","n":"power","v":1}]`, ReasonUnknownUnit, "Cel"},
		{"text for number", `[` + identity + `,{"n":"power","vs":"1"}]`, ReasonWrongType, "a number"},
		{"text in v", `[` + identity + `,{"n":"power","v":"1"}]`, ReasonWrongType, "v has"},
		{"zero byte", `[` + identity + `,{"n":"card","vs":"a\u0000b"}]`, ReasonOutOfRange, "card"},
		{"number for text", `[` + identity + `,{"n":"card","v":1}]`, ReasonWrongType, "a text"},
		{"number for bool", `[` + identity + `,{"n":"supply","v":1}]`, ReasonWrongType, "true or false"},
		{"data", `[` + identity + `,{"n":"power","vd":"AA"}]`, ReasonWrongType, "a number"},
		{"sum alone", `[` + identity + `,{"n":"power","s":1}]`, ReasonBadRecord, "a sum"},
		{"sum beside a value", `[` + identity + `,{"n":"power","v":1,"s":1}]`, ReasonBadRecord, "a sum"},
		{"base sum", `[` + identity + `,{"n":"power","v":1,"bs":0}]`, ReasonBadRecord, "a sum"},
		{"label twice", `[` + identity + `,{"n":"power","v":1,"v":2}]`, ReasonBadRecord, "record 4: a label stands twice"},
		{"label twice, once escaped", `[` + identity + `,{"n":"power","v":1,"\u0076":2}]`, ReasonBadRecord, "twice"},
		{"cbor label as text", "\x81\xa2\x00\x61n\x62bu\x61W", ReasonBadRecord, `"bu" is a text: in CBOR it is the number -4`},
		{"cbor version as text", "\x81\xa1\x64bver\x0b", ReasonBadRecord, "number -1"},
		{"time word", `[` + identity + `,{"n":"power","v":1,"t":"now"}]`, ReasonBadRecord, "label t"},
		{"relative time", `[{"n":"s/m/power","v":1,"t":-5}]`, ReasonAbsurdTime, "relative"},
		{"1970", `[` + identity + `,{"bt":60,"n":"power","v":1}]`, ReasonAbsurdTime, "1970"},
		{"year 10000", `[` + identity + `,{"bt":3e11,"n":"power","v":1}]`, ReasonAbsurdTime, ""},
		{"time infinite", `[` + identity + `,{"bt":1e999,"n":"power","v":1}]`, ReasonAbsurdTime, "Inf"},
		{"number infinite", `[` + identity + `,{"n":"power","v":1e999}]`, ReasonOutOfRange, "Inf"},
		{"negative register", `[` + identity + `,{"n":"energy","v":-1}]`, ReasonOutOfRange, "energy"},
		{"quality alone", `[` + identity + `,{"n":"power.q","vs":"stale"}]`, ReasonBadRecord, "right before"},
		{"quality word", `[` + identity + `,{"n":"power","v":1},{"n":"power.q","vs":"lovely"}]`, ReasonBadRecord, "lovely"},
		{"quality of nothing", `[` + identity + `,{"n":"joy.q","vs":"stale"}]`, ReasonUnknownQuantity, "joy"},
		{"quality number", `[` + identity + `,{"n":"power","v":1},{"n":"power.q","v":1}]`, ReasonWrongType, "power.q"},
		{"bytes", `[` + strings.Repeat(" ", MaxPackBytes), ReasonTooLarge, "bytes"},
		{"records", `[` + identity + strings.Repeat(`,{"n":"spool","vs":""}`, MaxRecords) + `]`, ReasonBadRecord, "spool"},
		{"records JSON", `[` + identity + strings.Repeat(`,{"n":"crest","v":1}`, MaxRecords) + `]`, ReasonTooLarge, "records"},
		{"records CBOR", "\x9f\xa3\x00\x63s/m\x03\x60\x01\x60", ReasonBadRecord, "want {site}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode([]byte(tt.payload))
			var refusal *DecodeError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, tt.reason, refusal.Reason, refusal.Detail)
			require.Contains(t, refusal.Detail, tt.detail)
		})
	}
}

// Base fields that have no meaning refuse the whole pack, in both formats, wherever they stand.
func TestBaseFields(t *testing.T) {
	for _, tt := range []struct {
		label          string
		json           string // "" where JSON cannot say it
		cbor           any
		reason, detail string // "" is accepted
	}{
		{"bver", "10", 10, "", ""},
		{"bver", "11", 11, ReasonBadRecord, "version 11"},
		{"bver", "26", 26, ReasonBadRecord, "version 26"}, // 10 and secondary units, RFC 9100 §4
		{"bver", "5", 5, ReasonBadRecord, "version 5"},
		{"bver", "0", 0, ReasonBadRecord, "version 0"},
		{"bver", "-1", -1, ReasonBadRecord, "version -1"},
		{"bver", "-10", -10, ReasonBadRecord, "version -10"},
		{"bver", "10.5", 10.5, ReasonBadRecord, ""},
		{"bver", "1e999", math.Inf(1), ReasonBadRecord, ""},
		{"bver", "-1e999", math.Inf(-1), ReasonBadRecord, ""},
		{"bver", "", math.NaN(), ReasonBadRecord, "bver"},
		{"bver", "", 10.0, ReasonBadRecord, "bver"}, // in CBOR only an unsigned integer is allowed
		{"bver", `"10"`, "10", ReasonBadRecord, "bver"},
		{"bver", "null", nil, ReasonBadRecord, "bver"},
		{"bver", "true", true, ReasonBadRecord, "bver"},
		{"bt", "1795000000", 1795000000, "", ""},
		{"bt", "1e999", math.Inf(1), ReasonAbsurdTime, "Inf"},
		{"bt", "", math.NaN(), ReasonAbsurdTime, "NaN"},
		{"bt", `"now"`, "now", ReasonBadRecord, "label bt"},
		{"bv", "0", 0, "", ""},
		{"bv", "-1e999", math.Inf(-1), ReasonOutOfRange, "base value"},
		{"bv", "", math.NaN(), ReasonOutOfRange, "base value"},
		{"bv", `"1"`, "1", ReasonBadRecord, "label bv"},
		{"bs", "0", 0, ReasonBadRecord, "sum"},
		{"bs", "-1", -1, ReasonBadRecord, "sum"},
		{"bs", "", math.NaN(), ReasonBadRecord, "sum"},
		{"s", "1", 1, ReasonBadRecord, "sum"},
		{"bu", `"W"`, "W", "", ""},
		{"bu", `"hp"`, "hp", ReasonUnknownUnit, "hp"},
		{"bu", "1", 1, ReasonBadRecord, "label bu"},
		{"bn", `"s/m/"`, "s/m/", "", ""},
		{"bn", "1", 1, ReasonBadRecord, "label bn"},
		{"x_", "1", 1, ReasonBadRecord, "x_"},
		{"_", "null", nil, ReasonBadRecord, "_"},
		{"x", "1", 1, "", ""},
	} {
		for _, at := range []int{0, 4} { // of the identity, of a sample
			check := func(format string, payload []byte) {
				_, err := Decode(payload)
				if tt.reason == "" {
					require.NoError(t, err, "%s in %s: %q", tt.label, format, payload)
					return
				}
				var refusal *DecodeError
				require.ErrorAs(t, err, &refusal, "%s in %s: %q", tt.label, format, payload)
				require.Equal(t, tt.reason, refusal.Reason, refusal.Detail)
				require.Contains(t, refusal.Detail, tt.detail)
			}
			records := func() []map[string]any {
				return []map[string]any{
					{"bn": "s/m/", "n": "seq", "v": 7}, {"n": "spool", "vs": "sp"}, {"n": "boot", "vs": "b"}, {"n": "clock", "vs": "synced"},
					{"n": "power", "v": 1, "t": 1795000000},
				}
			}
			inCBOR := make([]map[any]any, 5)
			for i, r := range records() {
				inCBOR[i] = map[any]any{}
				if i == at {
					r[tt.label] = tt.cbor
				}
				for label, v := range r {
					inCBOR[i][cborLabel(label)] = v
				}
			}
			payload, err := cbor.Marshal(inCBOR)
			require.NoError(t, err)
			check("CBOR", payload)
			if tt.json != "" {
				inJSON := records()
				inJSON[at][tt.label] = json.RawMessage(tt.json)
				payload, err := json.Marshal(inJSON)
				require.NoError(t, err)
				check("JSON", payload)
			}
		}
	}
}

// cborLabel is the label that CBOR has for a name of JSON.
func cborLabel(name string) any {
	for i, l := range labels {
		if l.name == name {
			return i - 6
		}
	}
	return name
}

// A refused pack still says which one it is, wherever its identity stands.
func TestRefusedPackKeepsItsIdentity(t *testing.T) {
	for _, payload := range []string{
		`[` + identity + `,{"n":"power","v":"x"}]`, // the fault after the identity
		`[{"bn":"s/m/","bt":1795000000,"n":"joy","v":1},` + identity + `]`,
		`[` + identity + `,{"n":"joy","v":1},{"n":"power","v":1}]`,
	} {
		p, err := Decode([]byte(payload))
		require.Error(t, err)
		require.Empty(t, cmp.Diff(&Pack{Site: "s", Machine: "m", Spool: "sp", Seq: 7, Boot: "b", Clock: ClockSynced}, p))
	}
}

func TestDecodeUnderstandsForeignSenML(t *testing.T) {
	const sec = 1795000000
	for _, tt := range []struct {
		name, records string
		want          []Sample
	}{
		{"units", `{"n":"power","u":"kW","v":1.5},{"n":"energy","u":"kWh","v":2},{"n":"current","u":"mA","v":250}`, []Sample{
			{TimeMs: sec * 1000, Quantity: "power", Number: 1500}, {TimeMs: sec * 1000, Quantity: "energy", Number: 2000}, {TimeMs: sec * 1000, Quantity: "current", Number: 0.25},
		}},
		{"base value", `{"bv":100,"n":"power","v":1},{"n":"power","v":2,"t":1}`, []Sample{
			{TimeMs: sec * 1000, Quantity: "power", Number: 101}, {TimeMs: sec*1000 + 1000, Quantity: "power", Number: 102},
		}},
		{"base unit and own unit", `{"bu":"kW","n":"power","v":1},{"n":"power","v":2,"u":"W","t":1}`, []Sample{
			{TimeMs: sec * 1000, Quantity: "power", Number: 1000}, {TimeMs: sec*1000 + 1000, Quantity: "power", Number: 2},
		}},
		{"unknown labels", `{"n":"power","v":0,"ut":5,"x":{"y":[1],"v":2},"x:\"":3}`, []Sample{{TimeMs: sec * 1000, Quantity: "power"}}},
		{"false", `{"n":"supply","vb":false}`, []Sample{{TimeMs: sec * 1000, Quantity: "supply"}}},
		{"negative t", `{"n":"power","v":1,"t":-0.5}`, []Sample{{TimeMs: sec*1000 - 500, Quantity: "power", Number: 1}}},
		{"fault with value", `{"n":"power","v":1},{"n":"power.q","vs":"fault:open"}`, []Sample{{TimeMs: sec * 1000, Quantity: "power", Quality: "fault:open"}}},
		{"absolute t", `{"bt":0,"n":"power","v":1,"t":1795000001}`, []Sample{{TimeMs: sec*1000 + 1000, Quantity: "power", Number: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Decode([]byte(`[` + identity + `,` + tt.records + `]`))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, p.Samples))
		})
	}
}

// CBOR written by another library, with all that RFC 8428 §6 allows: decimal fractions, indefinite lengths, floats.
func TestDecodeUnderstandsForeignCBOR(t *testing.T) {
	enc := func(v any) []byte {
		b, err := cbor.Marshal(v)
		require.NoError(t, err)
		return b
	}
	rec := func(m map[any]any) []byte { return enc(m) }
	parts := [][]byte{
		{0x9f},
		rec(map[any]any{-1: 10, -2: "s/m/", -3: 1795000000.25, 0: "seq", 2: 7}),
		rec(map[any]any{0: "spool", 3: "sp"}), rec(map[any]any{0: "boot", 3: "b"}), rec(map[any]any{0: "clock", 3: "synced"}),
		rec(map[any]any{0: "power", 2: cbor.Tag{Number: 4, Content: []int{-1, 2301}}, "note": []any{1, map[string]int{"a": 1}}, 99: 1}),
		rec(map[any]any{0: "power", 2: float32(1.5), 6: 1, 7: 3.5, 1: "W"}),
		{0xbf, 0x00, 0x66, 's', 'u', 'p', 'p', 'l', 'y', 0x04, 0xf5, 0xff},
		{0xff},
	}
	p, err := Decode(bytes.Join(parts, nil))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]Sample{
		{TimeMs: 1795000000250, Quantity: "power", Number: 230.1},
		{TimeMs: 1795000001250, Quantity: "power", Number: 1.5},
		{TimeMs: 1795000000250, Quantity: "supply", Bool: true},
	}, p.Samples))
}

func TestEncodeRefuses(t *testing.T) {
	change := func(f func(p *Pack)) *Pack {
		p := goldenPack()
		f(p)
		return p
	}
	for name, p := range map[string]*Pack{
		"site":         change(func(p *Pack) { p.Site = "Jodhpur" }),
		"machine":      change(func(p *Pack) { p.Machine = "" }),
		"spool":        change(func(p *Pack) { p.Spool = "a b" }),
		"seq":          change(func(p *Pack) { p.Seq = 0 }),
		"2^53":         change(func(p *Pack) { p.Seq = 1 << 53 }),
		"clock":        change(func(p *Pack) { p.Clock = "sun" }),
		"not finite":   change(func(p *Pack) { p.Samples[0].Number = math.NaN() }),
		"out of range": change(func(p *Pack) { p.Samples[0].Number = 1e9 }),
		"quantity":     change(func(p *Pack) { p.Samples[0].Quantity = "joy" }),
		"time":         change(func(p *Pack) { p.Samples[0].TimeMs = 1000 }),
		"quality":      change(func(p *Pack) { p.Samples[0].Quality = "good" }),
		"text":         change(func(p *Pack) { p.Samples[5].Text = strings.Repeat("x", 257) }),
		"records": change(func(p *Pack) {
			for range MaxRecords {
				p.Samples = append(p.Samples, p.Samples[0])
			}
		}),
	} {
		_, err := p.Encode(FormatCBOR)
		require.Error(t, err, name)
	}
}

func FuzzDecode(f *testing.F) {
	for _, format := range formats {
		b, err := goldenPack().Encode(format)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`[` + identity + `,{"n":"power","v":1,"bver":5}]`))
	f.Add([]byte("\x9f\xbf\x00\x61a\xff\xff"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		p, err := Decode(payload)
		require.NotNil(t, p)
		if err != nil {
			var refusal *DecodeError
			require.ErrorAs(t, err, &refusal)
			return
		}
		require.LessOrEqual(t, len(p.Samples), MaxRecords)
		if payload[0] >= 0x80 {
			require.NoError(t, cbor.Wellformed(payload), "we must not read what is not CBOR")
		}
		// What was read can be written, and read again to the same.
		again, err := p.Encode(FormatCBOR)
		if err != nil {
			return // longer in our form than a pack may be
		}
		q, err := Decode(again)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, q))
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, f := range formats {
		b.Run(name, func(b *testing.B) {
			p := typical()
			payload, err := p.Encode(f)
			require.NoError(b, err)
			b.ReportAllocs()
			var d Decoder
			for b.Loop() {
				if _, err := d.Decode(payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*len(p.Samples))/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}

// A Decoder gives what Decode gives, whatever it decoded before.
func TestDecoderIsDecode(t *testing.T) {
	var d Decoder
	good := func(machine string, n int) []byte {
		p := &Pack{Site: "s", Machine: machine, Spool: "sp-" + machine, Seq: uint64(n), Boot: "b", Clock: ClockRTC}
		for i := range n {
			p.Samples = append(p.Samples, Sample{TimeMs: 1_795_000_000_000 + int64(i), Quantity: "power", Number: float64(i)})
		}
		b, err := p.Encode(Format(n % 2))
		require.NoError(t, err)
		return b
	}
	payloads := [][]byte{good("m1", 3), good("m2", 1), []byte("x"), good("m1", 5000), {}, good("m3", 2), good("m3", 2)[:40], good("m4", 4), []byte(`[{"bn":"s/m9/","n":"seq","v":7}]`), good("m1", 1)}
	for i, payload := range payloads {
		want, wantErr := Decode(payload)
		got, err := d.Decode(payload)
		require.Equal(t, wantErr, err, i)
		require.Equal(t, want, got, i)
	}
}

// What a name and a unit mean is remembered from record to record, and must not outlive a change of either.
func TestUnitsAndNamesThatChange(t *testing.T) {
	const head = `[{"bn":"s/m/","bt":1795000000,"n":"seq","v":1},{"n":"spool","vs":"sp"},{"n":"boot","vs":"b"},{"n":"clock","vs":"rtc"},`
	payload := head + `{"n":"power","u":"W","v":1},{"n":"power","u":"kW","v":2,"t":1},{"n":"power","v":3,"t":2},{"n":"power","u":"W","v":4,"t":3},
		{"bu":"kW","n":"power","v":5,"t":4},{"n":"power","u":"mW","v":6000,"t":5},{"n":"power","v":7,"t":6},{"bu":"W","n":"power","v":8,"t":7},
		{"n":"power","vs":"stale","t":8}]`
	wrong := payload[:len(payload)-1]
	_, err := Decode([]byte(wrong + "]"))
	require.ErrorContains(t, err, "power: want a number (v)")

	payload = strings.Replace(payload, `{"n":"power","vs":"stale","t":8}]`, `{"bn":"s/m/p","bu":"","n":"ower","v":9,"t":8},{"bn":"s/m/power","v":10,"t":9},{"n":".q","vs":"stale","t":9},{"v":11,"t":10}]`, 1)
	p, err := Decode([]byte(payload))
	require.NoError(t, err)
	var got []float64
	for i, s := range p.Samples {
		require.Equal(t, quantity.Power, s.Quantity)
		require.Equal(t, int64(1_795_000_000_000)+1000*int64(i), s.TimeMs)
		got = append(got, s.Number)
	}
	require.Equal(t, []float64{1, 2000, 3, 4, 5000, 6, 7000, 8, 9, 10, 11}, got)
	require.Equal(t, "stale", p.Samples[9].Quality)

	_, err = Decode([]byte(head + `{"n":"power","v":1},{"n":"power","u":"bar","v":2},{"n":"power","u":"bar","v":2}]`))
	require.ErrorContains(t, err, `bar`)
	_, err = Decode([]byte(head + `{"n":"power","v":1},{"n":"power","v":1e300}]`))
	require.ErrorContains(t, err, "outside")
	_, err = Decode([]byte(head + `{"n":"steam","v":1},{"n":"steam","v":1}]`))
	require.ErrorContains(t, err, "steam")
}
