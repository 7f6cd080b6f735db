package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// testKey is a key that everybody knows.
func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func TestCommandRoundTrip(t *testing.T) {
	for _, want := range []Command{
		{ID: 1, IssuedMs: 2, ExpiresMs: 3, Kind: CommandReload},
		{ID: MaxSeq, Kind: CommandReplay, Body: []byte(`{"from_ms":1}`)},
		{ID: 7, Kind: "something-newer", Body: []byte{0, 1, 255}},
		{ID: 8, Kind: CommandAllowList, Body: bytes.Repeat([]byte{7}, MaxBodyBytes)},
	} {
		payload, err := want.Sign("s", "gw-1", testKey(1))
		require.NoError(t, err)
		require.LessOrEqual(t, len(payload), MaxCommandBytes)
		got, err := OpenCommand(payload, "s", "gw-1", public(testKey(1)))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	}
}

// A signature holds for one site, one gateway, one key and the exact content.
func TestCommandForged(t *testing.T) {
	c := Command{ID: 5, IssuedMs: 6, ExpiresMs: 7, Kind: CommandReplay, Body: []byte("{}")}
	payload, err := c.Sign("site-a", "gw-1", testKey(1))
	require.NoError(t, err)
	edit := func(f func(*envelope)) []byte {
		var e envelope
		require.NoError(t, json.Unmarshal(payload, &e))
		f(&e)
		out, err := json.Marshal(e)
		require.NoError(t, err)
		return out
	}
	pub := public(testKey(1))
	for name, x := range map[string]struct {
		payload       []byte
		site, gateway string
		key           ed25519.PublicKey
	}{
		"other gateway":    {payload, "site-a", "gw-2", pub},
		"other site":       {payload, "site-b", "gw-1", pub},
		"ids moved":        {payload, "site-a-gw", "1", pub},
		"other key":        {payload, "site-a", "gw-1", public(testKey(2))},
		"no key":           {payload, "site-a", "gw-1", nil},
		"id":               {edit(func(e *envelope) { e.ID++ }), "site-a", "gw-1", pub},
		"issued":           {edit(func(e *envelope) { e.IssuedMs++ }), "site-a", "gw-1", pub},
		"expiry":           {edit(func(e *envelope) { e.ExpiresMs = 0 }), "site-a", "gw-1", pub},
		"kind":             {edit(func(e *envelope) { e.Kind = CommandReload }), "site-a", "gw-1", pub},
		"body":             {edit(func(e *envelope) { e.Body = nil }), "site-a", "gw-1", pub},
		"kind into body":   {edit(func(e *envelope) { e.Kind, e.Body = "repla", []byte("y{}") }), "site-a", "gw-1", pub},
		"no signature":     {edit(func(e *envelope) { e.Signature = nil }), "site-a", "gw-1", pub},
		"short signature":  {edit(func(e *envelope) { e.Signature = e.Signature[:63] }), "site-a", "gw-1", pub},
		"signature and":    {edit(func(e *envelope) { e.Signature = append(e.Signature, 0) }), "site-a", "gw-1", pub},
		"signature turned": {edit(func(e *envelope) { e.Signature[0] ^= 1 }), "site-a", "gw-1", pub},
	} {
		_, err := OpenCommand(x.payload, x.site, x.gateway, x.key)
		var refused *CommandError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, RefusedForged, refused.Reason, name)
	}
}

func TestCommandRefuses(t *testing.T) {
	signature := base64.StdEncoding.EncodeToString(make([]byte, 64))
	for name, payload := range map[string]string{
		"empty":      ``,
		"array":      `[]`,
		"null":       `null`,
		"text":       `reload`,
		"no id":      `{"kind":"reload","signature":"` + signature + `"}`,
		"id 0":       `{"id":0,"kind":"reload"}`,
		"negative":   `{"id":-1,"kind":"reload"}`,
		"fraction":   `{"id":1.5,"kind":"reload"}`,
		"huge":       `{"id":9007199254740992,"kind":"reload"}`,
		"text id":    `{"id":"1","kind":"reload"}`,
		"no kind":    `{"id":1}`,
		"odd kind":   `{"id":1,"kind":"Reload\n"}`,
		"long kind":  `{"id":1,"kind":"` + strings.Repeat("k", 41) + `"}`,
		"NUL kind":   `{"id":1,"kind":"a\u0000b"}`,
		"issued":     `{"id":1,"kind":"reload","issued_ms":-1}`,
		"expires":    `{"id":1,"kind":"reload","expires_ms":1e300}`,
		"body":       `{"id":1,"kind":"reload","body":"%%"}`,
		"body plain": `{"id":1,"kind":"replay","body":{"from_ms":1}}`,
		"tail":       `{"id":1,"kind":"reload"} {}`,
		"deep":       strings.Repeat("[", 20_000),
	} {
		_, err := OpenCommand([]byte(payload), "s", "g", public(testKey(1)))
		var refused *CommandError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, RefusedNotCommand, refused.Reason, name)
		require.Less(t, len(err.Error()), 400, name)
	}
	_, err := OpenCommand(make([]byte, 10<<20), "s", "g", public(testKey(1)))
	require.ErrorContains(t, err, "too-long: 10485760 bytes, at most 983040")
	for name, c := range map[string]Command{
		"no id": {Kind: "reload"}, "no kind": {ID: 1}, "long": {ID: 1, Kind: "x", Body: make([]byte, MaxBodyBytes+1)},
	} {
		_, err := c.Sign("s", "g", testKey(1))
		require.Error(t, err, name)
	}
	_, err = Command{ID: 1, Kind: "reload"}.Sign("S\x00", "g", testKey(1))
	require.Error(t, err)
}

func TestReplayBody(t *testing.T) {
	b, err := Replay{FromMs: 1, ToMs: 2}.Encode()
	require.NoError(t, err)
	got, err := DecodeReplay(b)
	require.NoError(t, err)
	require.Equal(t, Replay{FromMs: 1, ToMs: 2}, got)
	got, err = DecodeReplay(nil)
	require.NoError(t, err)
	require.Zero(t, got)
	for _, bad := range []string{`[]`, `{"from":1}`, `{"from_ms":2,"to_ms":1}`, `{"from_ms":-1}`, `{"from_ms":"1"}`, `{}{}`, strings.Repeat(" ", 2000)} {
		_, err := DecodeReplay([]byte(bad))
		require.Error(t, err, bad)
	}
	_, err = Replay{FromMs: 2, ToMs: 1}.Encode()
	require.Error(t, err)
}

func TestPublicKey(t *testing.T) {
	text := FormatPublicKey(public(testKey(1)))
	require.Len(t, text, 44)
	key, err := ParsePublicKey(" " + text + "\n")
	require.NoError(t, err)
	require.True(t, key.Equal(public(testKey(1))))
	require.Len(t, KeyFingerprint(key), 16)
	require.NotEqual(t, KeyFingerprint(key), KeyFingerprint(public(testKey(2))))
	for _, bad := range []string{"", "x", text[:43], text + text, strings.Repeat("A", 44)[:40]} {
		_, err := ParsePublicKey(bad)
		require.ErrorContains(t, err, "signing-key", bad)
	}
}

func randomCards(n int, r *rand.Rand) *AllowList {
	l := &AllowList{Version: 1 + r.Int64N(MaxSeq)}
	for range n {
		var c AllowedCard
		for i := range c.Hash {
			c.Hash[i] = byte(r.Uint32())
		}
		c.FromMs = r.Int64N(2_000_000_000_000)
		if r.IntN(2) == 0 {
			c.ToMs = c.FromMs + r.Int64N(2_000_000_000_000)
		}
		l.Cards = append(l.Cards, c)
	}
	return l
}

// The largest list fits into a message whatever its cards are, and the usual one of 10,000 with room to spare.
func TestAllowListSize(t *testing.T) {
	for n, most := range map[int]int{0: 300, 1: 300, 10_000: 440 << 10, MaxAllowedCards: MaxCommandBytes} {
		l := randomCards(n, rand.New(rand.NewPCG(1, 2)))
		body, err := l.Encode()
		require.NoError(t, err)
		payload, err := Command{ID: l.Version, Kind: CommandAllowList, Body: body}.Sign("s", "g", testKey(1))
		require.NoError(t, err)
		require.LessOrEqual(t, len(payload), most, "%d cards", n)
		t.Logf("%d cards: %d bytes, as a command %d", n, len(body), len(payload))
		got, err := DecodeAllowList(body)
		require.NoError(t, err)
		require.Len(t, got.Cards, n)
		for _, c := range l.Cards {
			require.True(t, got.Holds(c.Hash, c.FromMs))
			require.False(t, got.Holds(c.Hash, c.FromMs-1))
			require.True(t, c.ToMs == 0 || !got.Holds(c.Hash, c.ToMs))
			require.True(t, got.Has(c.Hash))
		}
		require.False(t, got.Has([16]byte{1}))
	}
	_, err := randomCards(MaxAllowedCards+1, rand.New(rand.NewPCG(1, 2))).Encode()
	require.ErrorContains(t, err, "at most 20000")
}

func TestAllowListOfACardTwice(t *testing.T) {
	h, err := ParseCardHash(CardHash([]byte("salt"), "04:A1:B2:C3"))
	require.NoError(t, err)
	l := &AllowList{Version: 9, Cards: []AllowedCard{{h, 50, 60}, {h, 10, 20}, {h, 10, 20}}}
	body, err := l.Encode()
	require.NoError(t, err)
	got, err := DecodeAllowList(body)
	require.NoError(t, err)
	require.Equal(t, []AllowedCard{{h, 10, 20}, {h, 50, 60}}, got.Cards)
	for ms, on := range map[int64]bool{9: false, 10: true, 19: true, 20: false, 49: false, 50: true, 60: false} {
		require.Equal(t, on, got.Holds(h, ms), ms)
	}
	for _, bad := range []string{"", "aa", "0123456789abcdef0123456789abcdeg", strings.Repeat("a", 33)} {
		_, err := ParseCardHash(bad)
		require.Error(t, err, bad)
	}
}

func TestAllowListRefuses(t *testing.T) {
	good, err := randomCards(3, rand.New(rand.NewPCG(1, 2))).Encode()
	require.NoError(t, err)
	with := func(at int, bytes ...byte) []byte {
		out := append([]byte(nil), good...)
		copy(out[at:], bytes)
		return out
	}
	for name, b := range map[string][]byte{
		"empty":       nil,
		"short":       good[:allowListHeader-1],
		"cut":         good[:len(good)-5],
		"magic":       with(0, 'C'),
		"version 0":   with(6, make([]byte, 8)...),
		"negative":    with(6, 255),
		"more cards":  with(14, 0, 0, 0, 4),
		"fewer cards": with(14, 0, 0, 0, 2),
		"huge count":  with(14, 255, 255, 255, 255),
		"not deflate": with(18, 255, 255, 255),
		"too long":    make([]byte, MaxBodyBytes+1),
	} {
		_, err := DecodeAllowList(b)
		require.ErrorContains(t, err, "decode list of cards: ", name)
	}
	_, err = (&AllowList{Version: 1, Cards: []AllowedCard{{FromMs: 5, ToMs: 4}}}).Encode()
	require.Error(t, err)
	_, err = (&AllowList{}).Encode()
	require.Error(t, err)
}

// A status with everything about commands stays below its limit, and a reader that knows nothing of them reads it.
func TestStatusWithCommands(t *testing.T) {
	st := Status{Online: true, Commands: &CommandStatus{Key: "k", Refused: 3, Reason: strings.Repeat("ä", 1000),
		Last: &CommandOutcome{ID: 4, Kind: CommandSelfTest, Done: true, Detail: strings.Repeat("zeile\n", 9000)}},
		AllowList: &AllowListStatus{Version: 7, Cards: 10, Problem: strings.Repeat("p", 9000)}}
	b, err := st.Encode()
	require.NoError(t, err)
	require.Less(t, len(b), MaxStatusBytes)
	got, err := DecodeStatus(b)
	require.NoError(t, err)
	require.Equal(t, int64(4), got.Commands.Last.ID)
	require.LessOrEqual(t, len(got.Commands.Last.Detail), MaxDetailBytes)
	require.True(t, strings.HasSuffix(got.Commands.Last.Detail, "…"))
	require.Equal(t, uint64(3), got.Commands.Refused)
	require.Equal(t, int64(7), got.AllowList.Version)
	for _, odd := range []string{"<", "\x00", "\xff", "€", "\u2028"} {
		st.Commands.Last.Detail, st.Commands.Reason, st.AllowList.Problem = strings.Repeat(odd, 9000), strings.Repeat(odd, 9000), odd
		b, err := st.Encode()
		require.NoError(t, err, odd)
		_, err = DecodeStatus(b)
		require.NoError(t, err, odd)
	}
	var old struct {
		Online     bool   `json:"online"`
		SpoolPacks uint64 `json:"spool_packs"`
	}
	require.NoError(t, json.Unmarshal(b, &old))
	require.True(t, old.Online)
}

func FuzzOpenCommand(f *testing.F) {
	for _, kind := range []string{CommandReload, CommandReplay, CommandAllowList} {
		b, err := Command{ID: 1, Kind: kind, Body: []byte("{}")}.Sign("s", "g", testKey(1))
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"id":1,"kind":"reload","signature":"AA=="}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := OpenCommand(payload, "s", "g", public(testKey(1)))
		var refused *CommandError
		require.True(t, err == nil || errors.As(err, &refused), fmt.Sprint(err))
		if err == nil { // signing it again gives a command that says the same
			again, err := c.Sign("s", "g", testKey(1))
			require.NoError(t, err)
			same, err := OpenCommand(again, "s", "g", public(testKey(1)))
			require.NoError(t, err)
			require.Equal(t, c.ID, same.ID)
			require.True(t, bytes.Equal(c.Body, same.Body))
		}
		_, err = OpenCommand(payload, "s", "h", public(testKey(1)))
		require.Error(t, err)
	})
}

func FuzzDecodeReplay(f *testing.F) {
	for _, r := range []Replay{{}, {FromMs: 1, ToMs: MaxSeq}} {
		b, err := r.Encode()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"from_ms":5,"to_ms":4}`))
	f.Add([]byte(`{"` + strings.Repeat("\xff", 900) + `":1}`)) // an error names it
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeReplay(body)
		if err != nil {
			require.Less(t, len(err.Error()), 5000)
			require.Zero(t, r)
			return
		}
		again, err := r.Encode()
		require.NoError(t, err)
		same, err := DecodeReplay(again)
		require.NoError(t, err)
		require.Equal(t, r, same)
	})
}

func FuzzDecodeAllowList(f *testing.F) {
	for _, n := range []int{0, 1, 5} {
		b, err := randomCards(n, rand.New(rand.NewPCG(1, 2))).Encode()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := DecodeAllowList(b)
		if err != nil {
			return
		}
		again, err := l.Encode()
		require.NoError(t, err)
		same, err := DecodeAllowList(again)
		require.NoError(t, err)
		require.Equal(t, l.Version, same.Version)
		require.LessOrEqual(t, len(same.Cards), len(l.Cards)) // the same card twice becomes one
	})
}
