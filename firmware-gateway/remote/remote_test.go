package remote

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"karkhana/firmware-gateway/feedback"
	"karkhana/internal/wire"
)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

// rig is a remote whose commands only note that they were done.
type rig struct {
	t     require.TestingT
	r     *Remote
	o     Options
	done  []string
	fails error
	at    time.Time // zero: nobody knows
	key   ed25519.PublicKey
}

func newRig(t require.TestingT, dir string) *rig {
	g := &rig{t: t, at: time.UnixMilli(1_795_000_000_000), key: key(1).Public().(ed25519.PublicKey)}
	do := func(kind string) func(context.Context, []byte) (string, error) {
		return func(_ context.Context, body []byte) (string, error) {
			g.done = append(g.done, kind+string(body))
			return "did " + kind, g.fails
		}
	}
	g.o = Options{
		Site: "s", Gateway: "gw-1", Dir: dir, Key: func() ed25519.PublicKey { return g.key },
		Do:   map[string]func(context.Context, []byte) (string, error){"reload": do("reload"), "replay": do("replay")},
		Date: func() (time.Time, bool) { return g.at, !g.at.IsZero() },
	}
	g.open()
	return g
}

// open is a start of the gateway.
func (g *rig) open() {
	g.r = Open(g.o)
}

func (g *rig) signed(c wire.Command) []byte {
	b, err := c.Sign("s", "gw-1", key(1))
	require.NoError(g.t, err)
	return b
}

func (g *rig) take(c wire.Command) wire.CommandOutcome {
	g.r.Handle(context.Background(), g.signed(c))
	return g.last()
}

func (g *rig) last() wire.CommandOutcome {
	if l := g.r.Status().Last; l != nil {
		return *l
	}
	return wire.CommandOutcome{}
}

func TestCommandIsDoneOnceAndTold(t *testing.T) {
	g := newRig(t, t.TempDir())
	c := wire.Command{ID: 5, Kind: "reload", ExpiresMs: g.at.UnixMilli() + 1}
	want := wire.CommandOutcome{ID: 5, Kind: "reload", Done: true, OK: true, Detail: "did reload"}
	require.Equal(t, want, g.take(c))
	require.Equal(t, want, g.take(c), "again")
	g.open()
	require.Equal(t, want, g.last(), "after a restart")
	require.Equal(t, want, g.take(c), "again after a restart")
	require.Equal(t, want, g.take(wire.Command{ID: 4, Kind: "replay"}), "an older one")
	require.Equal(t, []string{"reload"}, g.done)
	g.fails = errors.New("disk full")
	require.Equal(t, wire.CommandOutcome{ID: 6, Kind: "replay", Done: true, Detail: "did replay\ndisk full"}, g.take(wire.Command{ID: 6, Kind: "replay", Body: []byte("{}")}))
	require.Equal(t, []string{"reload", "replay{}"}, g.done)
	require.Zero(t, g.r.Status().Refused)
}

// What can't be done is told in words, and is done with.
func TestCommandRefusedInWords(t *testing.T) {
	g := newRig(t, t.TempDir())
	for i, x := range []struct {
		c     wire.Command
		words string
	}{
		{wire.Command{Kind: "open-door"}, `knows no command "open-door"; it knows reload, replay`},
		{wire.Command{Kind: "reload", ExpiresMs: g.at.UnixMilli()}, "after its time had run out (2026-11-18T"},
	} {
		x.c.ID = int64(i + 1)
		got := g.take(x.c)
		require.True(t, got.Done && !got.OK)
		require.Equal(t, x.c.ID, got.ID)
		require.Contains(t, got.Detail, x.words)
	}
	g.at = time.Time{} // nobody knows the time: nothing is too late
	require.True(t, g.take(wire.Command{ID: 9, Kind: "reload", ExpiresMs: 1}).OK)
	g.o.Do["reload"] = func(context.Context, []byte) (string, error) { panic("index out of range") }
	require.Contains(t, g.take(wire.Command{ID: 10, Kind: "reload"}).Detail, "failed inside: index")
	require.Equal(t, []string{"reload"}, g.done)
}

func TestForgedIsCounted(t *testing.T) {
	g := newRig(t, t.TempDir())
	c := wire.Command{ID: 1, Kind: "reload"}
	other, err := c.Sign("s", "gw-2", key(1))
	require.NoError(t, err)
	elsewhere, err := c.Sign("z", "gw-1", key(1))
	require.NoError(t, err)
	forged, err := c.Sign("s", "gw-1", key(2))
	require.NoError(t, err)
	for i, b := range [][]byte{other, elsewhere, forged, []byte("x"), nil} {
		g.r.Handle(t.Context(), b)
		require.Equal(t, uint64(i+1), g.r.Status().Refused)
	}
	require.Contains(t, g.r.Status().Reason, "not-a-command: ")
	g.r.Take(make([]byte, 10<<20))
	require.Contains(t, g.r.Status().Reason, "too-long: 10485760 bytes")
	require.Nil(t, g.r.Status().Last)
	require.Empty(t, g.done)
	require.True(t, g.take(c).OK, "a good one is taken all the same")
}

func TestWithoutAKey(t *testing.T) {
	g := newRig(t, t.TempDir())
	g.key = nil
	require.Zero(t, g.take(wire.Command{ID: 1, Kind: "reload"}))
	s := g.r.Status()
	require.Equal(t, uint64(1), s.Refused)
	require.Contains(t, s.Reason, "command_key_file")
	require.Empty(t, s.Key)
	require.Empty(t, g.done)
}

// A power cut in the middle of a command: it is not begun again, and that is told.
func TestInterrupted(t *testing.T) {
	g := newRig(t, t.TempDir())
	require.True(t, g.r.begin(wire.Command{ID: 3, Kind: "reload"}))
	g.open()
	require.Equal(t, wire.CommandOutcome{ID: 3, Kind: "reload", Done: true, Detail: "the gateway stopped while it was at it"}, g.last())
	g.take(wire.Command{ID: 3, Kind: "reload"})
	require.Empty(t, g.done)
}

// Without the disk nothing is done: it could be done twice. The gateway starts all the same.
func TestDiskFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	nowhere := newRig(t, filepath.Join(file, "remote"))
	require.Contains(t, nowhere.take(wire.Command{ID: 3, Kind: "reload"}).Detail, "can't be noted on the disk")
	require.Contains(t, nowhere.r.List().Problem, "not a directory")
	require.Empty(t, nowhere.done)
	g := newRig(t, t.TempDir())
	require.NoError(t, os.Mkdir(filepath.Join(g.o.Dir, stateFile+".tmp"), 0o700))
	require.Contains(t, g.take(wire.Command{ID: 3, Kind: "reload"}).Detail, "can't be noted on the disk")
	require.Empty(t, g.done)
}

func TestStateDamaged(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": {}, "torn": []byte(`{"last":{"id":3`), "numbers": []byte(`{"last":{"id":-3}}`), "list": []byte(`{"list":-1}`), "long": make([]byte, maxState+1),
	} {
		g := newRig(t, t.TempDir())
		require.NoError(t, os.WriteFile(g.r.path(stateFile), b, 0o600))
		g.open()
		require.FileExists(t, g.r.path(stateFile)+aside, name)
		require.True(t, g.take(wire.Command{ID: 1, Kind: "reload"}).OK)
	}
}

// However commands are reordered, repeated, lost and interrupted by restarts: each is done at most once, in the order of
// their ids, and the last outcome is that of the newest.
func TestCommandsInAnyOrder(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		g := newRig(t, filepath.Join(base, fmt.Sprint(n)))
		newest := int64(0)
		var want []string
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				g.open()
				continue
			}
			id := rapid.Int64Range(1, 8).Draw(t, "id")
			if id > newest {
				newest = id
				want = append(want, fmt.Sprint("reload", id))
			}
			g.take(wire.Command{ID: id, Kind: "reload", Body: []byte(fmt.Sprint(id))})
			if g.last().ID != newest || !g.last().Done {
				t.Fatalf("last is %+v, newest %d", g.last(), newest)
			}
		}
		if !slices.Equal(want, g.done) {
			t.Fatalf("done %v, want %v", g.done, want)
		}
	})
}

func hash(n byte) [16]byte { return [16]byte(bytes.Repeat([]byte{n}, 16)) }

func text(n byte) string { return strings.Repeat(fmt.Sprintf("%02x", n), 16) }

func (g *rig) list(version int64, cards ...wire.AllowedCard) wire.Command {
	body, err := (&wire.AllowList{Version: version, Cards: cards}).Encode()
	require.NoError(g.t, err)
	return wire.Command{ID: version, Kind: wire.CommandAllowList, Body: body}
}

func TestCardsAreAnswered(t *testing.T) {
	g := newRig(t, t.TempDir())
	require.Equal(t, feedback.Recorded, g.r.Answer(text(1)), "no list yet")
	now := g.at.UnixMilli()
	first := g.list(10, wire.AllowedCard{Hash: hash(1)}, wire.AllowedCard{Hash: hash(2), FromMs: now - 10, ToMs: now}, wire.AllowedCard{Hash: hash(3), FromMs: now + 1})
	g.take(first)
	check := func(when string) {
		t.Helper()
		require.Equal(t, feedback.Accepted, g.r.Answer(text(1)), when)
		require.Equal(t, feedback.Unknown, g.r.Answer(text(2)), when+": no longer valid")
		require.Equal(t, feedback.Unknown, g.r.Answer(text(3)), when+": not yet valid")
		require.Equal(t, feedback.Unknown, g.r.Answer(text(9)), when)
		require.Equal(t, feedback.Unknown, g.r.Answer("no hash"), when)
	}
	check("online")
	require.Equal(t, &wire.AllowListStatus{Version: 10, Cards: 3, Accepted: 1, Unknown: 4, Neutral: 1}, g.r.List())
	g.open()
	check("after a restart without a server")
	require.Zero(t, g.last(), "a list is no command")

	g.take(g.list(12, wire.AllowedCard{Hash: hash(9)}))
	require.Equal(t, feedback.Accepted, g.r.Answer(text(9)))
	g.take(first)
	require.Equal(t, int64(12), g.r.List().Version, "an older one does nothing")
	g.open()
	g.take(first)
	require.Equal(t, int64(12), g.r.List().Version)

	g.at = time.Time{} // nobody knows the time: a card that was or will be valid is one of ours
	g.take(g.list(13, wire.AllowedCard{Hash: hash(2), FromMs: now - 10, ToMs: now}))
	require.Equal(t, feedback.Accepted, g.r.Answer(text(2)))
	g.take(g.list(14))
	require.Equal(t, feedback.Unknown, g.r.Answer(text(2)), "an empty list is a list")
}

// A list that was damaged on the disk, or is not signed, is no list: taps are recorded, and the next one is taken.
func TestListDamagedOnTheDisk(t *testing.T) {
	for name, damage := range map[string]func(g *rig, b []byte) []byte{
		"cut":     func(_ *rig, b []byte) []byte { return b[:len(b)/2] },
		"empty":   func(*rig, []byte) []byte { return nil },
		"flipped": func(_ *rig, b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"long":    func(*rig, []byte) []byte { return make([]byte, wire.MaxCommandBytes+1) },
		"unsigned": func(*rig, []byte) []byte {
			b, _ := wire.Command{ID: 10, Kind: wire.CommandAllowList}.Sign("s", "gw-1", key(2))
			return b
		},
		"another gateway's": func(g *rig, _ []byte) []byte {
			b, _ := g.list(10, wire.AllowedCard{Hash: hash(1)}).Sign("s", "gw-2", key(1))
			return b
		},
		"another command": func(g *rig, _ []byte) []byte { return g.signed(wire.Command{ID: 10, Kind: "reload"}) },
		"another version": func(g *rig, _ []byte) []byte { c := g.list(10); c.ID = 11; return g.signed(c) },
		"not a list": func(g *rig, _ []byte) []byte {
			return g.signed(wire.Command{ID: 10, Kind: wire.CommandAllowList, Body: []byte("x")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, t.TempDir())
			c := g.list(10, wire.AllowedCard{Hash: hash(1)})
			g.take(c)
			b, err := os.ReadFile(g.r.path(listFile))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(g.r.path(listFile), damage(g, b), 0o600))
			g.open()
			require.Equal(t, feedback.Recorded, g.r.Answer(text(1)))
			require.Zero(t, g.r.List().Version)
			require.Contains(t, g.r.List().Problem, "moved aside")
			require.FileExists(t, g.r.path(listFile)+aside)
			require.NoFileExists(t, g.r.path(listFile))
			g.take(c) // the server sends it again, because the status names no version
			require.Equal(t, feedback.Accepted, g.r.Answer(text(1)))
			require.Empty(t, g.r.List().Problem)
		})
	}
}

func TestListNotTaken(t *testing.T) {
	g := newRig(t, t.TempDir())
	g.take(g.list(10, wire.AllowedCard{Hash: hash(1)}))
	g.take(wire.Command{ID: 11, Kind: wire.CommandAllowList, Body: []byte("cards2")})
	require.Equal(t, int64(10), g.r.List().Version, "the former one stays")
	require.Contains(t, g.r.List().Problem, "version 11 is not taken")
	require.NoError(t, os.Mkdir(filepath.Join(g.o.Dir, listFile+".tmp"), 0o700))
	g.take(g.list(12))
	require.Equal(t, int64(10), g.r.List().Version)
	require.Contains(t, g.r.List().Problem, "version 12 is not taken")
}

// A gateway that gets another server's key drops the list of the former one; one that loses its key keeps the file.
func TestKeyChanges(t *testing.T) {
	g := newRig(t, t.TempDir())
	g.take(g.list(10, wire.AllowedCard{Hash: hash(1)}))
	was := g.key
	g.key = nil
	g.r.KeyChanged()
	require.Equal(t, feedback.Recorded, g.r.Answer(text(1)))
	require.Contains(t, g.r.List().Problem, "command_key_file")
	g.key = was
	g.r.KeyChanged()
	require.Equal(t, feedback.Accepted, g.r.Answer(text(1)))
	g.key = key(2).Public().(ed25519.PublicKey)
	g.r.KeyChanged()
	require.Equal(t, feedback.Recorded, g.r.Answer(text(1)))
}

// Ten thousand cards are looked up in no time.
func BenchmarkAnswer(b *testing.B) {
	g := newRig(b, b.TempDir())
	l := &wire.AllowList{Version: 1}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		var c wire.AllowedCard
		for i := range c.Hash {
			c.Hash[i] = byte(r.Uint32())
		}
		l.Cards = append(l.Cards, c)
	}
	body, err := l.Encode()
	require.NoError(b, err)
	g.take(wire.Command{ID: 1, Kind: wire.CommandAllowList, Body: body})
	for b.Loop() {
		g.r.Answer(text(7))
	}
}

// A remote that nobody runs does not hold up the link, and one that runs does what comes.
func TestTakeNeverWaits(t *testing.T) {
	g := newRig(t, t.TempDir())
	for i := range 100 {
		g.r.Take(g.signed(wire.Command{ID: int64(i + 1), Kind: "reload"}))
	}
	ctx, stop := context.WithCancel(t.Context())
	finished := make(chan struct{})
	go func() { defer close(finished); g.r.Run(ctx) }()
	require.Eventually(t, func() bool { return g.last().ID == 4 && g.last().Done }, time.Minute, 5*time.Millisecond)
	stop()
	<-finished
}
