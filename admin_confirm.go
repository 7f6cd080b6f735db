package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"karkhana/analytics/learn"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

type confirmCmd struct {
	storeFlags
	Site      string        `arg:"" help:"Site id."`
	Machine   string        `arg:"" help:"Machine id."`
	IdleAbove float64       `help:"At or above: idle. Unit of the signal."`
	RunAbove  float64       `help:"At or above: run. Equal to idle: the machine has no idle."`
	Pulse     time.Duration `help:"Longest pause between two strokes of work that still counts as run; 0: none." default:"-1ns"`
	From      string        `help:"Day of the site (2026-11-22) from which they hold. Default: today."`
	Keep      bool          `help:"Keep the thresholds in force, instead of new ones."`
	For       time.Duration `help:"Stretch that stands beside the thresholds, to hold later ones against." default:"336h"`
	Author    string        `help:"Who confirms, for the audit log." default:"command line"`
}

// Run writes the dated row of settings; the states of the machine are rebuilt from its date on.
func (c confirmCmd) Run(e *env) error {
	if c.Keep == (c.IdleAbove != 0 || c.RunAbove != 0 || c.From != "" || c.Pulse >= 0) {
		return errors.New("give --idle-above and --run-above (karkhana admin suggest shows what history suggests), or --keep alone")
	}
	db, err := c.openRegistry(e.ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := c.openInfluxOfServer()
	if err != nil {
		return err
	}
	s, err := c.confirm(e.ctx, db, store, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s/%s: idle_above %g, run_above %g, pulse %s in force from %s\n", c.Site, c.Machine, s.IdleAbove, s.RunAbove,
		time.Duration(s.PulseMs)*time.Millisecond, time.UnixMilli(s.ValidFromMs).Format(time.RFC3339))
	return err
}

func (c confirmCmd) confirm(ctx context.Context, db *registry.DB, store tsdb.Store, now time.Time) (registry.Settings, error) {
	var none registry.Settings
	site, err := db.Site(ctx, c.Site)
	if err != nil {
		return none, err
	}
	zone, err := site.Location()
	if err != nil {
		return none, err
	}
	rows, err := db.SettingsAt(ctx, c.Site, c.Machine)
	if err != nil {
		return none, err
	}
	day := now.In(zone).Format(time.DateOnly)
	if c.From != "" {
		day = c.From
	}
	from, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err != nil {
		return none, fmt.Errorf("--from %.40q: give a day such as 2026-11-22", c.From)
	}
	present := learn.InForce(rows, now.UnixMilli())
	if !present.HasThresholds() {
		return none, learn.ErrNoThresholds
	}
	s := present
	if !c.Keep {
		pulse := c.Pulse.Milliseconds()
		if c.Pulse < 0 {
			pulse = learn.InForce(rows, from.UnixMilli()).PulseMs
		}
		s = learn.Row(rows, from.UnixMilli(), c.IdleAbove, c.RunAbove, pulse)
	}
	conf := registry.Confirmed{
		Site: c.Site, Machine: c.Machine, ValidFromMs: s.ValidFromMs, ConfirmedMs: now.UnixMilli(), Author: c.Author, Signal: s.Signal,
		FromMs: now.Add(-c.For).UnixMilli(), ToMs: now.UnixMilli(),
	}
	found, _, err := learn.Machine(ctx, store, c.Site, c.Machine, present, conf.FromMs, conf.ToMs)
	if err != nil {
		return none, err
	}
	conf.Classes = learn.Classed(found.Classes)
	return s, db.ConfirmThresholds(ctx, s, conf)
}
