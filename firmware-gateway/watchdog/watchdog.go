package watchdog

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Watchdog speaks to systemd. Without systemd it says nothing.
type Watchdog struct {
	Board  *Board
	Live   int // machines that are read live at the start; with none it is ready at once
	Logger *slog.Logger
	Notify func(state string) error // nil: systemd's socket
	Every  time.Duration            // between two beats; 0: a third of what systemd waits for, at most 5 s
}

// slowest is the longest time between two beats.
const slowest = 5 * time.Second

// Run says READY=1 after the first reading, WATCHDOG=1 as long as no reading hangs, and STOPPING=1 when ctx ends.
func (w *Watchdog) Run(ctx context.Context) {
	if w.Notify == nil {
		w.Notify = func(state string) error {
			_, err := daemon.SdNotify(false, state)
			return err
		}
	}
	ready := w.Board.first
	if w.Live == 0 {
		w.say(daemon.SdNotifyReady)
		ready = nil
	}
	t := time.NewTicker(w.every())
	defer t.Stop()
	hanging := ""
	for {
		select {
		case <-ctx.Done():
			w.say(daemon.SdNotifyStopping)
			return
		case <-ready:
			ready = nil
			w.say(daemon.SdNotifyReady)
			continue
		case <-t.C:
		}
		now := strings.Join(w.Board.Hanging(), " ")
		if now == "" {
			w.say(fmt.Sprintf("%s\nSTATUS=reads %d machines", daemon.SdNotifyWatchdog, len(w.Board.Machines())))
		} else {
			w.say("STATUS=reading hangs: " + now)
		}
		if now != hanging && now != "" {
			w.Logger.Error("reading hangs, the watchdog is no longer fed and systemd will start the gateway anew", "machine", now)
		} else if now != hanging {
			w.Logger.Info("reading came back")
		}
		hanging = now
	}
}

func (w *Watchdog) every() time.Duration {
	if w.Every > 0 {
		return w.Every
	}
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		w.Logger.Warn("systemd's watchdog time can't be read", "err", err)
	}
	if limit <= 0 {
		return slowest
	}
	return max(min(limit/3, slowest), 10*time.Millisecond)
}

func (w *Watchdog) say(state string) {
	if err := w.Notify(state); err != nil {
		w.Logger.Warn("systemd does not hear the gateway", "err", err)
	}
}
