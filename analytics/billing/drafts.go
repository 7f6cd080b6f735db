package billing

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"karkhana/internal/registry"
	"karkhana/internal/repeat"
	"karkhana/internal/tsdb"
)

// DraftRegistry is what keeping drafts asks of SQL; *registry.DB answers it.
type DraftRegistry interface {
	Registry
	Sites(ctx context.Context) ([]registry.Site, error)
	Statements(ctx context.Context, site, month string) ([]registry.Statement, error)
	SaveStatement(ctx context.Context, s registry.Statement) (registry.Statement, error)
	MonthsChanged(ctx context.Context, months []registry.SiteMonth, untilMs int64) error
	StaleMonths(ctx context.Context) ([]registry.StaleMonth, error)
}

// Remake makes the stored drafts of a site and month anew and returns how many there were. A draft whose total changed
// says what it was.
func Remake(ctx context.Context, store tsdb.Store, reg DraftRegistry, site, month string, nowMs int64) (int, error) {
	stored, err := reg.Statements(ctx, site, month)
	if err != nil || len(stored) == 0 {
		return 0, err
	}
	drafts, err := MakeAll(ctx, Deps{Store: store, Registry: reg}, site, month, nowMs)
	if err != nil {
		return 0, err
	}
	made := make(map[string]Statement, len(drafts))
	for _, d := range drafts {
		made[d.Group] = d
	}
	n := 0
	for _, old := range stored {
		d, ok := made[old.Group]
		if !ok {
			continue
		}
		var was Statement
		if err := json.Unmarshal([]byte(old.BodyJSON), &was); err != nil {
			return n, fmt.Errorf("statement %d of %s: %w", old.ID, site, err)
		}
		if d.Was = was.Was; was.Total.AmountPaise != d.Total.AmountPaise || was.Total.RunS != d.Total.RunS {
			d.Was = &Was{Made: was.Made, RunS: was.Total.RunS, AmountPaise: was.Total.AmountPaise}
		}
		row, err := d.Row()
		if err != nil {
			return n, err
		}
		if _, err := reg.SaveStatement(ctx, row); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

const (
	changeAheadMs = 20_000  // a change is noted for so much longer, so that data that pours in is noted a few times a minute
	changeAgainMs = 10_000  // and again when so much is left of it: by so much the clocks of processes may differ
	draftsPatient = 900_000 // while data pours in, drafts are made anew when they are older than this
)

// DraftOptions of Drafts. Store and Registry are needed.
type DraftOptions struct {
	Store    tsdb.Store
	Registry DraftRegistry
	Logger   *slog.Logger           // nil: silent
	Now      func() time.Time       // nil: time.Now
	Every    time.Duration          // how often drafts that are out of date are looked for; 0: 30 s
	Holds    func(site string) bool // whether the site is this process's; nil: all are
}

// Drafts keeps the drafts of past months equal to what is stored. As an analytics.Follower, behind the sessions, it notes
// in SQL which months changed: a draft made by then is out of date and says so (ProblemStale) until Run has made it anew.
// A month that ends changes by that. The note is written before the change counts as built, so that a crash forgets
// none. Drafts of the month under way are as of when they were made.
type Drafts struct {
	o DraftOptions

	mu    sync.Mutex
	zones map[string]*time.Location
	noted map[registry.SiteMonth]int64 // until when a month is noted as changing
}

// NewDrafts returns a Drafts.
func NewDrafts(o DraftOptions) *Drafts {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 {
		o.Every = 30 * time.Second
	}
	return &Drafts{o: o, zones: map[string]*time.Location{}, noted: map[registry.SiteMonth]int64{}}
}

// Rebuilt notes the past months that a change from fromMs on may reach.
func (d *Drafts) Rebuilt(ctx context.Context, site, _ string, fromMs, _ int64) error {
	zone, err := d.zone(ctx, site)
	if err != nil {
		return err
	}
	now := d.o.Now()
	return d.note(ctx, monthsOver(site, time.UnixMilli(fromMs).In(zone), now.In(zone)), now.UnixMilli(), now.UnixMilli()+changeAheadMs, changeAgainMs)
}

// note writes that months change until untilMs, unless it is noted that they do beyond nowMs + againMs.
func (d *Drafts) note(ctx context.Context, months []registry.SiteMonth, nowMs, untilMs, againMs int64) error {
	var due []registry.SiteMonth
	d.mu.Lock()
	for _, m := range months {
		if d.noted[m] < nowMs+againMs {
			due = append(due, m)
		}
	}
	d.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	if err := d.o.Registry.MonthsChanged(ctx, due, untilMs); err != nil {
		return fmt.Errorf("drafts that are out of date: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range due {
		d.noted[m] = max(d.noted[m], untilMs)
	}
	return nil
}

func (d *Drafts) zone(ctx context.Context, site string) (*time.Location, error) {
	d.mu.Lock()
	zone := d.zones[site]
	d.mu.Unlock()
	if zone != nil {
		return zone, nil
	}
	s, err := d.o.Registry.Site(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("drafts of %s: %w", site, err)
	}
	if zone, err = s.Location(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.zones[site] = zone
	return zone, nil
}

// monthsOver are the site's months from that of from to the last one that is over at now, at most ten years of them.
func monthsOver(site string, from, now time.Time) []registry.SiteMonth {
	this := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	if oldest := this.AddDate(-10, 0, 0); from.Before(oldest) {
		from = oldest
	}
	var out []registry.SiteMonth
	for m := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, now.Location()); m.Before(this); m = m.AddDate(0, 1, 0) {
		out = append(out, registry.SiteMonth{Site: site, Month: m.Format("2006-01")})
	}
	return out
}

// Run makes drafts anew that are out of date, until ctx ends.
func (d *Drafts) Run(ctx context.Context) error {
	repeat.Every(ctx, d.o.Every, func(ctx context.Context) {
		if err := d.Sweep(ctx); err != nil && ctx.Err() == nil {
			d.o.Logger.Warn("drafts could not be made anew: it is tried again", "err", err)
		}
	})
	return ctx.Err()
}

// Sweep makes the drafts anew that are out of date. Where data still pours in it waits, but not longer than a quarter of an
// hour.
func (d *Drafts) Sweep(ctx context.Context) error {
	sites, err := d.o.Registry.Sites(ctx)
	if err != nil {
		return fmt.Errorf("list sites: %w", err)
	}
	over := map[int64][]registry.SiteMonth{} // by when the month after them begins, which is the same in a zone
	for _, s := range sites {
		if !d.holds(s.ID) {
			continue
		}
		zone, err := s.Location()
		if err != nil {
			return err
		}
		now := d.o.Now().In(zone)
		begin := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, zone)
		over[begin.UnixMilli()] = append(over[begin.UnixMilli()], monthsOver(s.ID, begin.AddDate(0, -1, 0), now)...)
	}
	for beginMs, months := range over {
		if err := d.note(ctx, months, beginMs, beginMs, 0); err != nil {
			return err
		}
	}
	stale, err := d.o.Registry.StaleMonths(ctx)
	if err != nil {
		return err
	}
	for _, m := range stale {
		nowMs := d.o.Now().UnixMilli()
		if !d.holds(m.Site) || nowMs <= m.UntilMs && nowMs-m.OldestMs < draftsPatient {
			continue
		}
		n, err := Remake(ctx, d.o.Store, d.o.Registry, m.Site, m.Month, nowMs)
		if err != nil {
			return fmt.Errorf("drafts of %s for %s: %w", m.Site, m.Month, err)
		}
		d.o.Logger.Info("drafts made anew: what they rest on has changed", "site", m.Site, "month", m.Month, "drafts", n)
	}
	return nil
}

func (d *Drafts) holds(site string) bool { return d.o.Holds == nil || d.o.Holds(site) }
