package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"karkhana/internal/quantity"
	"karkhana/internal/tsdb"
)

// tell prints where the page is as soon as the first live value is stored, and then how much of the history is stored,
// until all of it is.
func (d *demo) tell(ctx context.Context) error {
	began := time.Now()
	if err := d.server.influx.WaitReady(ctx); err != nil {
		return err
	}
	if err := every(ctx, 100*time.Millisecond, d.liveArrived); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "first live value after %.1f s\n\n", time.Since(began).Seconds())
	base := "http://" + d.server.pages.Addr().String()
	fmt.Fprintf(d.out, "  look      %s/\n  sign in   %s/#/signin?token=%s\n            (accountant and technician pages; the link is the key to the demo, keep it to yourself)\n  data      %s   log  %s/karkhana.log\n\nStop with Ctrl-C; started again, it goes on.\n\n",
		base, base, d.token, d.Data, d.Data)

	if share, err := d.historyShare(ctx); err == nil && share > 0.9999 {
		return nil // it was sent at a former start
	}
	bar := progressBar{out: d.out, terminal: isTerminal(d.out)}
	return every(ctx, time.Second, func(ctx context.Context) (bool, error) {
		share, err := d.historyShare(ctx)
		if err != nil {
			return false, nil // the store may be restarting; it is asked again
		}
		bar.show(share, time.Since(began))
		return share > 0.9999, nil
	})
}

// every calls do until it says that it is done. The end of ctx is an error.
func every(ctx context.Context, pause time.Duration, do func(context.Context) (bool, error)) error {
	for {
		if done, err := do(ctx); err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// liveArrived reports whether a sample from after our start is stored.
func (d *demo) liveArrived(ctx context.Context) (bool, error) {
	now := time.Now()
	rows, err := d.server.store.Last(ctx, tsdb.Query{
		Measurement: tsdb.Telemetry, Site: d.site.Site.ID, Fields: []string{quantity.Field(quantity.Power)},
		FromMs: now.Add(-time.Minute).UnixMilli(), ToMs: now.Add(time.Minute).UnixMilli(),
	})
	for _, r := range rows {
		if err == nil && r.TimeMs >= d.started.UnixMilli() {
			return true, nil
		}
	}
	return false, nil
}

// historyShare is how far the stored history has come: each gateway sends it oldest first. Power cuts leave holes in it,
// so the newest sample counts, not the number, and the last hour may be a hole.
func (d *demo) historyShare(ctx context.Context) (float64, error) {
	end := d.epoch.AddDate(0, 0, d.Days)
	rows, err := d.server.store.Last(ctx, tsdb.Query{
		Measurement: tsdb.Telemetry, Site: d.site.Site.ID, Fields: []string{quantity.Field(quantity.Power)},
		FromMs: d.epoch.UnixMilli(), ToMs: end.UnixMilli(),
	})
	if err != nil {
		return 0, err
	}
	machines, share := 0, 0.0
	for _, gw := range demoGateways {
		machines += len(gw.machines)
	}
	for _, r := range rows {
		done := float64(r.TimeMs-d.epoch.UnixMilli()) / float64(end.Add(-time.Hour).Sub(d.epoch).Milliseconds())
		share += min(done, 1) / float64(machines)
	}
	return share, nil
}

// progressBar draws on a terminal, and writes a line for each tenth elsewhere.
type progressBar struct {
	out      io.Writer
	terminal bool
	tenth    int
}

func (b *progressBar) show(share float64, since time.Duration) {
	const width = 40
	done := int(share*width + 0.01)
	text := fmt.Sprintf("history %3.0f %%  [%s%s]  %.0f s", share*100, strings.Repeat("█", done), strings.Repeat("·", width-done), since.Seconds())
	tenth := int(share * 10)
	switch {
	case b.terminal:
		fmt.Fprint(b.out, "\r", text)
	case tenth > b.tenth || share > 0.9999:
		fmt.Fprintln(b.out, text)
	}
	b.tenth = tenth
	if share > 0.9999 && b.terminal {
		fmt.Fprintln(b.out)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
