package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

type quarantineCmd struct {
	List   quarantineListCmd   `cmd:"" help:"Count by machine and reason, or with --packs list single packs, and what had to make room."`
	Show   quarantineShowCmd   `cmd:"" help:"Show one pack."`
	Replay quarantineReplayCmd `cmd:"" help:"Have ingest try packs again, and say of each what became of it. The server goes on meanwhile."`
	Drop   quarantineDropCmd   `cmd:"" help:"Throw packs away."`
}

// chosen says which packs a command is for.
type chosen struct {
	Site    string        `help:"Only of this site."`
	Machine string        `help:"Only of this machine."`
	Reason  string        `help:"Only with this reason, for example absurd-time."`
	Since   time.Duration `help:"Only received in so much time until now, for example 24h; 0 is all."`
	ID      []int64       `help:"Only these packs (repeatable)."`
}

func (c chosen) filter() registry.QuarantineFilter {
	f := registry.QuarantineFilter{Site: c.Site, Machine: c.Machine, Reason: c.Reason, IDs: c.ID}
	if c.Since > 0 {
		f.SinceMs = time.Now().Add(-c.Since).UnixMilli()
	}
	return f
}

// any reports whether something was chosen at all.
func (c chosen) any() bool {
	return c.Site != "" || c.Machine != "" || c.Reason != "" || c.Since > 0 || len(c.ID) > 0
}

// nothing says what the quarantine does hold, to somebody who chose none of it: a mistyped reason or machine looks like
// an empty quarantine otherwise.
func (c chosen) nothing(e *env, db *registry.DB) error {
	counts, err := db.QuarantineCounts(e.ctx, "")
	if err != nil {
		return err
	}
	if len(counts) == 0 {
		_, err = fmt.Fprintln(e.out, "The quarantine is empty.")
		return err
	}
	var held []string
	for _, q := range counts {
		held = append(held, fmt.Sprintf("%s %s %s", dash(q.Site), dash(q.Machine), plain(q.Reason)))
	}
	more := ""
	if len(held) > 10 {
		held, more = held[:10], fmt.Sprintf(" and %d more", len(held)-10)
	}
	_, err = fmt.Fprintf(e.out, "No pack fits. There are (site machine reason): %s%s.\n", strings.Join(held, ", "), more)
	return err
}

type quarantineListCmd struct {
	storeFlags
	chosen
	Packs bool `help:"List single packs, the newest first."`
	Limit int  `help:"At most so many packs." default:"100"`
}

// Run prints a table.
func (c quarantineListCmd) Run(e *env) error {
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
	if c.Packs || c.Since > 0 || len(c.ID) > 0 {
		f := c.filter()
		f.Limit = c.Limit
		rows, err := db.FindQuarantined(e.ctx, f)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, "ID\tRECEIVED\tSITE\tMACHINE\tREASON\tTIMES\tBYTES\tDETAIL")
		for _, q := range rows {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", q.ID, shownTime(q.ReceivedMs), dash(q.Site), dash(q.Machine), plain(q.Reason), q.Count, q.Length, plain(q.Detail))
		}
		if len(rows) == 0 {
			return c.nothing(e, db)
		}
		return w.Flush()
	}
	counts, err := db.QuarantineCounts(e.ctx, c.Site)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "SITE\tMACHINE\tREASON\tPACKS\tBYTES\tOLDEST\tNEWEST\tDETAIL")
	shown := false
	for _, q := range counts {
		if c.Machine != "" && q.Machine != c.Machine || c.Reason != "" && q.Reason != c.Reason {
			continue
		}
		shown = true
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", dash(q.Site), dash(q.Machine), plain(q.Reason), q.Packs, q.Bytes, shownTime(q.FirstMs), shownTime(q.LastMs), plain(q.Detail))
	}
	if !shown {
		err = c.nothing(e, db)
	} else {
		err = w.Flush()
	}
	if err != nil {
		return err
	}
	return c.summaries(e, db)
}

// summaries prints what is left of packs that had to make room.
func (c quarantineListCmd) summaries(e *env, db *registry.DB) error {
	rows, err := db.QuarantineSummaries(e.ctx, c.Site, 0) // all: the choice comes before the limit
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(s registry.QuarantineSummary) bool { return !c.chooses(s) })
	if c.Limit > 0 {
		rows = rows[:min(len(rows), c.Limit)]
	}
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintln(e.out, "\nNo longer kept, because newer ones needed the room:")
	w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SITE\tDAY\tTOPIC\tREASON\tPACKS\tBYTES\tFIRST\tLAST")
	for _, s := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", dash(s.Site), plain(s.Day), dash(s.Topic), plain(s.Reason), s.Packs, s.Bytes, shownTime(s.FirstMs), shownTime(s.LastMs))
	}
	return w.Flush()
}

// chooses says whether a summary may hold packs of the chosen reason and machine. That of a whole month names no topic.
func (c chosen) chooses(s registry.QuarantineSummary) bool {
	if c.Reason != "" && s.Reason != c.Reason {
		return false
	}
	if c.Machine == "" || s.Topic == "" {
		return true
	}
	topic, err := wire.ParseTopic(s.Topic)
	return err == nil && topic.Machine == c.Machine
}

func shownTime(ms int64) string { return time.UnixMilli(ms).Format("2006-01-02 15:04:05") }

// dash is plain, and "-" for nothing.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return plain(s)
}

type quarantineShowCmd struct {
	storeFlags
	ID int64 `arg:"" help:"Id of the pack, see list --packs."`
}

// Run prints the pack: its samples when it can be read, else the first bytes.
func (c quarantineShowCmd) Run(e *env) error {
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	q, err := db.QuarantinedByID(e.ctx, c.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "id        %d\nreceived  %s (%d times)\ntopic     %s\nreason    %s\ndetail    %s\nbytes     %d\nsha256    %s\n",
		q.ID, shownTime(q.ReceivedMs), q.Count, plain(q.Topic), plain(q.Reason), plain(q.Detail), q.Length, plain(q.SHA256))
	if !q.Whole() {
		fmt.Fprintf(e.out, "Only the first %d bytes are kept: it can't be tried again.\n", len(q.Payload))
	}
	p, err := wire.Decode(q.Payload)
	if err != nil {
		_, err = fmt.Fprint(e.out, hex.Dump(q.Payload[:min(len(q.Payload), 1024)]))
		return err
	}
	fmt.Fprintf(e.out, "pack      %s/%s seq %d of spool %s, boot %s, clock %s\n", p.Site, p.Machine, p.Seq, plain(p.Spool), plain(p.Boot), plain(string(p.Clock)))
	for _, s := range p.Samples[:min(len(p.Samples), 100)] {
		value := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.6f", s.Number), "0"), ".")
		if s.Text != "" {
			value = plain(s.Text)
		}
		fmt.Fprintf(e.out, "  %s  %s  %s  %s\n", time.UnixMilli(s.TimeMs).Format("2006-01-02 15:04:05.000"), s.Quantity, value, plain(s.Quality))
	}
	return nil
}

type quarantineReplayCmd struct {
	storeFlags
	chosen
	All  bool          `help:"All packs: needed when nothing else chooses."`
	Wait time.Duration `help:"How long to wait for ingest." default:"1m"`
}

// Run marks the packs, and waits until ingest has tried each.
func (c quarantineReplayCmd) Run(e *env) error {
	if !c.any() && !c.All {
		return errors.New("choose packs by --site, --machine, --reason, --since or --id, or say --all")
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now()
	ids, cut, err := db.AskReplay(e.ctx, c.filter(), now.UnixMilli())
	if err != nil {
		return err
	}
	if err := db.Audit(e.ctx, "command line", "quarantine-replay", fmt.Sprintf("%d packs", len(ids))); err != nil {
		return err
	}
	if len(ids) == 0 && cut == 0 {
		if err := c.nothing(e, db); err != nil {
			return err
		}
	}
	if cut > 0 {
		fmt.Fprintf(e.out, "%d can't be tried again: only their beginning is kept\n", cut)
	}
	stored, refused, err := c.await(e, db, ids, now)
	if err != nil {
		return err
	}
	waiting := len(ids) - stored - refused
	fmt.Fprintf(e.out, "result: asked=%d stored=%d refused=%d waiting=%d\n", len(ids), stored, refused, waiting)
	if waiting > 0 {
		fmt.Fprintln(e.out, "Those that wait are tried as soon as ingest runs: look with `karkhana admin quarantine list`.")
	}
	return nil
}

// await prints what becomes of the packs as it comes, until all are done or the time is over.
func (c quarantineReplayCmd) await(e *env, db *registry.DB, ids []int64, since time.Time) (stored, refused int, err error) {
	said := map[int64]bool{}
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		rows, err := db.Replays(e.ctx, ids, since.UnixMilli())
		if err != nil {
			return stored, refused, err
		}
		for _, r := range rows {
			if said[r.ID] {
				continue
			}
			said[r.ID] = true
			if r.Outcome == registry.ReplayStored {
				stored++
				fmt.Fprintf(e.out, "%d stored\n", r.ID)
			} else {
				refused++
				fmt.Fprintf(e.out, "%d refused: %s: %s\n", r.ID, plain(r.Reason), plain(r.Detail))
			}
		}
		if len(said) == len(ids) || time.Since(since) > c.Wait {
			return stored, refused, nil
		}
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			return stored, refused, e.ctx.Err()
		}
	}
}

type quarantineDropCmd struct {
	storeFlags
	chosen
	All bool `help:"All packs: needed when nothing else chooses."`
}

// Run throws the packs away and notes it in the audit log.
func (c quarantineDropCmd) Run(e *env) error {
	if !c.any() && !c.All {
		return errors.New("choose packs by --site, --machine, --reason, --since or --id, or say --all")
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	n, err := db.DropQuarantined(e.ctx, c.filter())
	if err != nil {
		return err
	}
	if err := db.Audit(e.ctx, "command line", "quarantine-drop", fmt.Sprintf("%d packs: site %q machine %q reason %q", n, c.Site, c.Machine, c.Reason)); err != nil {
		return err
	}
	if n == 0 {
		return c.nothing(e, db)
	}
	_, err = fmt.Fprintf(e.out, "%d packs thrown away\n", n)
	return err
}
