package watchdog

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/sampler"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// senses is a driver whose readings a test decides.
type senses func(ctx context.Context) ([]wire.Sample, error)

func (f senses) Sense(ctx context.Context, _ time.Time) ([]wire.Sample, error) { return f(ctx) }
func (senses) Close() error                                                    { return nil }

// sink drops packs.
type sink struct{}

func (sink) Add(string, int64, []wire.Sample) error { return nil }
func (sink) WaitRoom(ctx context.Context) error     { return ctx.Err() }

var value = []wire.Sample{{Quantity: quantity.Power, Number: 1}}

// heard is what systemd heard, with when.
type heard struct {
	begin time.Time
	lines []string
	at    []time.Duration
}

func (h *heard) notify(state string) error {
	for line := range strings.Lines(state) {
		h.lines, h.at = append(h.lines, strings.TrimSpace(line)), append(h.at, time.Since(h.begin))
	}
	return nil
}

func (h *heard) last(line string) time.Duration {
	for i := len(h.lines) - 1; i >= 0; i-- {
		if h.lines[i] == line {
			return h.at[i]
		}
	}
	return -1
}

// run samples machines through the real sampler for d of fake time and returns what systemd heard, and the board then.
func run(t *testing.T, d, every time.Duration, drivers map[string]senses) (h *heard, at map[string]health.Machine) {
	h, b := &heard{begin: time.Now()}, NewBoard()
	var running sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	hung, free := context.WithCancel(context.Background())
	for id, driver := range drivers {
		m := b.Watch(id, every)
		s := sampler.Sampler{Settings: sampler.Settings{Machine: id, Every: every, Pack: every}, Now: time.Now, Sink: sink{}, Logger: slog.New(slog.DiscardHandler)}
		running.Go(func() {
			_ = s.Live(ctx, m.Source(senses(func(context.Context) ([]wire.Sample, error) { return driver(hung) })))
		})
	}
	w := Watchdog{Board: b, Live: len(drivers), Logger: slog.New(slog.DiscardHandler), Notify: h.notify, Every: 5 * time.Second}
	w.Run(ctx)
	at = map[string]health.Machine{}
	for _, m := range b.Machines() {
		at[m.ID] = m
	}
	free()
	running.Wait()
	return h, at
}

func good(context.Context) ([]wire.Sample, error) { return value, nil }

func TestFedWhileReadingsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, at := run(t, 61*time.Second, time.Second, map[string]senses{
			"good": good,
			"dead": func(context.Context) ([]wire.Sample, error) { return nil, errors.New("no answer") },
			"open": func(context.Context) ([]wire.Sample, error) {
				return []wire.Sample{{Quantity: quantity.Temperature, Quality: "fault:open"}}, nil
			},
		})
		require.Equal(t, "READY=1", h.lines[0])
		require.Zero(t, h.at[0], "after the first reading")
		require.Equal(t, time.Minute, h.last("WATCHDOG=1"), "a broken wire is not mended by a restart")
		require.Equal(t, "STOPPING=1", h.lines[len(h.lines)-1])
		for id, m := range at {
			require.Equal(t, id == "good", m.Fresh(), id)
		}
	})
}

func TestAHungDriverStopsTheFeeding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		h, at := run(t, 2*time.Minute, time.Second, map[string]senses{
			"good": good,
			"hung": func(never context.Context) ([]wire.Sample, error) {
				if n++; n > 30 {
					<-never.Done()
				}
				return value, nil
			},
		})
		require.InDelta(t, (29*time.Second + Limit(time.Second)).Seconds(), h.last("WATCHDOG=1").Seconds(), 5)
		require.NotEqual(t, time.Duration(-1), h.last("STATUS=reading hangs: hung"))
		require.True(t, at["hung"].Hangs())
		require.False(t, at["good"].Hangs())
	})
}

func TestASlowDriverIsNotHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := run(t, 10*time.Minute+time.Second, time.Minute, map[string]senses{
			"slow": func(context.Context) ([]wire.Sample, error) { time.Sleep(59 * time.Second); return value, nil },
		})
		require.Equal(t, 59*time.Second, h.last("READY=1"))
		require.Equal(t, 10*time.Minute, h.last("WATCHDOG=1"))
	})
}

func TestADriverThatComesBackIsFedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		h, at := run(t, 2*time.Minute+time.Second, time.Second, map[string]senses{"m": func(context.Context) ([]wire.Sample, error) {
			if n++; n == 10 {
				time.Sleep(time.Minute)
			}
			return value, nil
		}})
		require.Equal(t, 2*time.Minute, h.last("WATCHDOG=1"))
		require.False(t, at["m"].Hangs())
	})
}

func TestADriverThatNeverOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBoard()
		m := b.Watch("m", time.Second)
		h := &heard{begin: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		w := Watchdog{Board: b, Live: 1, Logger: slog.New(slog.DiscardHandler), Notify: h.notify, Every: 5 * time.Second}
		w.Run(ctx)
		require.Equal(t, time.Duration(-1), h.last("READY=1"))
		require.InDelta(t, (opening + Limit(time.Second)).Seconds(), h.last("WATCHDOG=1").Seconds(), 5)
		m.Done()
		require.Empty(t, b.Machines(), "a machine that is given up is not waited for")
	})
}

func TestReadyAtOnceWithoutLiveMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := run(t, 11*time.Second, time.Second, nil)
		require.Equal(t, "READY=1", h.lines[0])
		require.Zero(t, h.at[0])
		require.Equal(t, 10*time.Second, h.last("WATCHDOG=1"))
	})
}

func TestBoardKnowsWhetherTheDiskTakesPacks(t *testing.T) {
	b := NewBoard()
	b.Synced(0, nil)
	require.Zero(t, b.Spool().Syncs, "nothing was written")
	b.Synced(2, nil)
	b.Synced(0, errors.New("no space left on device"))
	require.Equal(t, "no space left on device", b.Spool().Failing)
	b.Synced(1, nil)
	require.Empty(t, b.Spool().Failing)
	require.Equal(t, uint64(2), b.Spool().Syncs)
}

// The real socket, as systemd makes it.
func TestSystemdSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "60000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))

	b := NewBoard()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&Watchdog{Board: b, Live: 1, Logger: slog.New(slog.DiscardHandler)}).Run(ctx)
	}()
	_, err = b.Watch("m", time.Hour).Source(senses(good)).Sense(ctx, time.Now())
	require.NoError(t, err)
	read := func() string {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		buf := make([]byte, 512)
		n, err := conn.Read(buf)
		require.NoError(t, err)
		return string(buf[:n])
	}
	ready, fed := false, 0
	for !ready || fed < 3 { // a beat may come before the first reading is seen
		switch got := read(); got {
		case "READY=1":
			ready = true
		case "WATCHDOG=1\nSTATUS=reads 1 machines":
			fed++
		default:
			t.Fatalf("heard %q", got)
		}
	}
	cancel()
	<-ended
	for read() != "STOPPING=1" {
	}
}

func TestBeatsFollowSystemd(t *testing.T) {
	w := Watchdog{Logger: slog.New(slog.DiscardHandler)}
	t.Setenv("WATCHDOG_PID", "")
	for usec, want := range map[string]time.Duration{"": slowest, "30000000": slowest, "9000000": 3 * time.Second, "x": slowest, "1": 10 * time.Millisecond} {
		t.Setenv("WATCHDOG_USEC", usec)
		require.Equal(t, want, w.every(), usec)
	}
}
