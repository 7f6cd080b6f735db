package sampler

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// sink keeps packs. room is asked before each step of a backlog.
type sink struct {
	packs  [][]wire.Sample
	newest []int64
	at     []time.Time
	room   func(ctx context.Context) error
}

func (k *sink) Add(_ string, newest int64, samples []wire.Sample) error {
	k.packs = append(k.packs, append([]wire.Sample(nil), samples...))
	k.newest = append(k.newest, newest)
	k.at = append(k.at, time.Now())
	return nil
}

func (k *sink) WaitRoom(ctx context.Context) error {
	if k.room != nil {
		return k.room(ctx)
	}
	return ctx.Err()
}

type sense func(at time.Time) ([]wire.Sample, error)

func (f sense) Sense(_ context.Context, at time.Time) ([]wire.Sample, error) { return f(at) }
func (sense) Close() error                                                   { return nil }

func power(at time.Time) ([]wire.Sample, error) {
	return []wire.Sample{{TimeMs: at.UnixMilli(), Quantity: quantity.Power, Number: 5}}, nil
}

func run(k *sink, s Settings, d time.Duration, src Source) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	r := &Sampler{Settings: s, Now: time.Now, Sink: k, Logger: slog.New(slog.DiscardHandler)}
	_ = r.Live(ctx, src)
}

func TestLivePacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time begins at a whole second
		k := &sink{}
		run(k, Settings{Machine: "m", Every: time.Second, Pack: 5 * time.Second}, 20500*time.Millisecond, sense(power))
		n := 0
		for i, p := range k.packs {
			n += len(p)
			require.LessOrEqual(t, k.at[i].UnixMilli()-p[0].TimeMs, int64(5000), "a sample waits at most 5 s")
		}
		require.Equal(t, 21, n, "0 s to 20 s")
	})
}

func TestLiveSendsAtOnceWhenReadingsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &sink{}
		run(k, Settings{Machine: "m", Every: time.Minute, Pack: 5 * time.Second}, 3*time.Minute+time.Second, sense(power))
		require.Len(t, k.packs, 4)
		require.Equal(t, k.packs[2][0].TimeMs, k.at[2].UnixMilli())
	})
}

func TestLiveWindowIsFreshWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &sink{}
		run(k, Settings{Machine: "m", Every: time.Second, Report: time.Minute, Pack: time.Second}, 2*time.Minute+time.Second, sense(power))
		require.Equal(t, k.packs[1][0].TimeMs+60_000, k.newest[1], "a mean is as old as the end of its window")
	})
}

func TestFailedReadingsGiveNoValueAndASlowSourceSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, n := &sink{}, 0
		run(k, Settings{Machine: "m", Every: time.Second}, 10500*time.Millisecond, sense(func(at time.Time) ([]wire.Sample, error) {
			n++
			switch n {
			case 2:
				return nil, errors.New("bus is dead")
			case 4:
				time.Sleep(3200 * time.Millisecond)
			}
			return power(at)
		}))
		got := map[int64]bool{}
		for _, p := range k.packs {
			for _, s := range p {
				got[s.TimeMs%60_000/1000] = true
				require.InDelta(t, 5, s.Number, 0)
			}
		}
		require.Equal(t, map[int64]bool{0: true, 2: true, 3: true, 7: true, 8: true, 9: true, 10: true}, got)
	})
}

func TestEventsAreSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, n := &sink{}, 0
		run(k, Settings{Machine: "m", Every: time.Second, Pack: time.Hour}, 10500*time.Millisecond, sense(func(at time.Time) ([]wire.Sample, error) {
			n++
			s, _ := power(at)
			if n == 4 {
				s = append(s, wire.Sample{TimeMs: at.UnixMilli() - 300, Quantity: quantity.Card, Text: "x"})
			}
			return s, nil
		}))
		require.Len(t, k.packs[0], 5)
		require.Equal(t, int64(3), k.at[0].Unix()%60)
		require.Equal(t, int64(2700), k.packs[0][4].TimeMs%60_000, "with its own time")
	})
}

// steps is a backlog of one sample a second.
type steps struct {
	next, end int
	card      int // step that also holds a card
}

func (b *steps) Next(context.Context) ([]wire.Sample, error) {
	if b.next >= b.end {
		return nil, io.EOF
	}
	s := []wire.Sample{at(int64(b.next), quantity.Power, float64(b.next))}
	if b.next == b.card {
		s = append(s, wire.Sample{TimeMs: s[0].TimeMs, Quantity: quantity.Card, Text: "x"})
	}
	b.next++
	return s, nil
}
func (b *steps) Position() any { return b.next }
func (b *steps) Paced() bool   { return false }
func (b *steps) Close() error  { return nil }

// Stopped anywhere and gone on with from the last mark, a backlog gives every window whole: repeated perhaps, but
// never different and never left out.
func TestBacklogGoesOnWithoutLossOrInvention(t *testing.T) {
	const end = 7200
	windows := func(k *sink, into map[wire.Sample]int) {
		for _, p := range k.packs {
			for _, s := range p {
				into[s]++
			}
		}
	}
	s := Settings{Machine: "m", Every: time.Second, Report: 30 * time.Second, Pack: time.Hour}
	play := func(from, stopAfter int) (*sink, int, error) {
		n := 0
		k := &sink{room: func(context.Context) error {
			if n++; n > stopAfter {
				return context.Canceled
			}
			return nil
		}}
		mark := from
		r := &Sampler{Settings: s, Now: time.Now, Sink: k, Logger: slog.New(slog.DiscardHandler)}
		err := r.Backlog(context.Background(), &steps{next: from, end: end, card: 3333}, func(p any) { mark = p.(int) })
		return k, mark, err
	}
	whole, mark, err := play(0, end+1)
	require.NoError(t, err)
	require.Equal(t, end, mark)
	want := map[wire.Sample]int{}
	windows(whole, want)
	require.Len(t, want, end/30*3+1)
	for _, p := range whole.packs {
		require.LessOrEqual(t, len(p), MaxSamples)
	}

	for _, stop := range []int{1, 29, 31, 100, 1777, 3334, 5000} {
		got, from := map[wire.Sample]int{}, 0
		for {
			k, next, err := play(from, stop+60)
			windows(k, got)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, context.Canceled)
			from = next
		}
		require.Len(t, got, len(want), "stopped each %d steps", stop)
		for s := range want {
			require.Contains(t, got, s)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	require.ErrorContains(t, Settings{Every: time.Millisecond}.Validate(), "every: 1ms is too short")
	require.NoError(t, Settings{Every: time.Second}.Validate())
}
