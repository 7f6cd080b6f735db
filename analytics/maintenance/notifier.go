package maintenance

import (
	"context"
	"embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"karkhana/analytics/learn"
	"karkhana/internal/i18n"
	"karkhana/internal/quantity"
	"karkhana/internal/registry"
)

// Notifier delivers alarms to people. Notify returns nil once the message is accepted; otherwise it is tried again
// later, so that a message may come twice with the same Key. Calls of one notifier come one after another.
type Notifier interface {
	Name() string // for logs and metrics; without secrets
	Notify(ctx context.Context, m Message) error
}

// Message is one alarm in words. It carries no names of persons and no notes.
type Message struct {
	Key         string // the same for every attempt: alarm id and count
	Alarm       registry.Alarm
	Site        registry.Name
	Machine     registry.Name // of a gateway's alarm: the gateway's id
	Title, Text registry.Name // Hindi and English
}

//go:embed i18n/*.json
var textFiles embed.FS

// words are the texts of both languages by key.
type words struct{ hi, en map[string]string }

func loadWords() (w words, err error) {
	if w.hi, err = i18n.Load(textFiles, "hi"); err != nil {
		return w, fmt.Errorf("alarms: %w", err)
	}
	if w.en, err = i18n.Load(textFiles, "en"); err != nil {
		return w, fmt.Errorf("alarms: %w", err)
	}
	return w, nil
}

// message puts an alarm into words. zone is the site's.
func (w words) message(a registry.Alarm, site registry.Site, machine registry.Machine, zone *time.Location) Message {
	m := Message{
		Key:   fmt.Sprintf("alarm-%d-%d", a.ID, a.Count),
		Alarm: a, Site: named(site.Name, site.ID), Machine: named(machine.Name, a.Machine),
	}
	if a.Machine == "" {
		m.Machine = registry.Name{Hi: a.Component, En: a.Component}
	}
	kind := a.Rule
	if a.Cause != "" {
		kind += "." + a.Cause
	}
	if _, ok := w.en[kind+".title"]; !ok { // of before causes were told
		kind = a.Rule
	}
	fill := func(t map[string]string, key, siteName, machineName string) string {
		return strings.NewReplacer(
			"{site}", siteName, "{machine}", machineName,
			"{value}", decimal(a, a.Value), "{limit}", decimal(a, a.Limit),
			"{time}", time.UnixMilli(a.OpenedMs).In(zone).Format("02-01-2006 15:04"),
			"{cleared}", time.UnixMilli(a.ClearedMs).In(zone).Format("02-01-2006 15:04"),
			"{count}", strconv.FormatInt(a.Count, 10), "{rises}", rises(t, a, zone),
		).Replace(t[key])
	}
	m.Title = registry.Name{Hi: fill(w.hi, kind+".title", m.Site.Hi, m.Machine.Hi), En: fill(w.en, kind+".title", m.Site.En, m.Machine.En)}
	m.Text = registry.Name{Hi: fill(w.hi, kind+".text", m.Site.Hi, m.Machine.Hi), En: fill(w.en, kind+".text", m.Site.En, m.Machine.En)}
	also := func(key string) {
		m.Text.Hi += " " + fill(w.hi, key, m.Site.Hi, m.Machine.Hi)
		m.Text.En += " " + fill(w.en, key, m.Site.En, m.Machine.En)
	}
	if a.Count > 1 {
		also("repeated")
	}
	if !a.Active && a.ClearedMs > 0 {
		also("cleared")
	}
	return m
}

// rises says what rose, by how much and since when. An alarm of before that was told has value and limit only.
func rises(t map[string]string, a registry.Alarm, zone *time.Location) string {
	list := a.Rises
	if len(list) == 0 && a.Rule == RuleVibrationHigh {
		list = []registry.Rise{{Quantity: quantity.Vibration, Value: a.Value, Limit: a.Limit, SinceMs: a.OpenedMs}}
	}
	parts := make([]string, 0, len(list))
	for _, r := range list {
		key := "rise"
		if r.Baseline <= 0 {
			key = "rise.nobaseline"
		}
		value := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + t["unit."+r.Quantity] }
		parts = append(parts, strings.NewReplacer(
			"{quantity}", t["quantity."+r.Quantity], "{value}", value(r.Value), "{usual}", value(r.Baseline), "{limit}", value(r.Limit),
			"{times}", strconv.FormatFloat(r.Value/max(r.Baseline, 1e-9), 'f', 1, 64),
			"{since}", time.UnixMilli(r.SinceMs).In(zone).Format("02-01-2006 15:04"),
		).Replace(t[key]))
	}
	return strings.Join(parts, "; ")
}

// decimal writes a value for people: vibration with two places, temperature with one, silence in minutes, shares in percent.
func decimal(a registry.Alarm, v float64) string {
	switch a.Rule {
	case registry.RuleThresholdDrift:
		if a.Cause != learn.DriftScaled {
			return strconv.FormatFloat(100*v, 'f', 0, 64)
		}
		return strconv.FormatFloat(v, 'f', 1, 64)
	case RuleVibrationHigh:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case RuleSensorSilent:
		return strconv.FormatFloat(math.Round(v/6)/10, 'f', -1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
}

// named fills an empty language with the other one, or with the id.
func named(n registry.Name, id string) registry.Name {
	return registry.Name{Hi: n.In("hi", id), En: n.In("en", id)}
}
