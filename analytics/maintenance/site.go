package maintenance

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"karkhana/internal/quantity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// siteWatch is what the watcher holds of one site.
type siteWatch struct {
	site     registry.Site
	machines []*machineWatch
	gateways map[string]*gatewayWatch
}

// machineWatch is what the watcher holds of one machine.
type machineWatch struct {
	registry.Machine
	gateway     string // id of the one that sampled it last; "": none yet
	settings    registry.Settings
	sinceMs     int64 // when the watcher first saw it
	temperature measuredRule
	shaking     shaking
	cursorMs    int64 // newest sample read
}

// gatewayWatch is what the watcher remembers of a gateway.
type gatewayWatch struct {
	registry.Gateway
	onlineSinceMs int64 // when the watcher saw it come online; machines get their full time from here
}

// held is the last value of a quantity.
type held struct {
	atMs  int64
	value float64
}

func (m *machineWatch) key(rule, component string) key { return key{m.Site, m.ID, rule, component} }

// reload reads sites, machines and settings again and keeps what is known of machines that stay.
func (w *Watcher) reload(ctx context.Context, now time.Time) error {
	sites, err := w.o.Registry.Sites(ctx)
	if err != nil {
		return fmt.Errorf("read sites: %w", err)
	}
	former := map[string]*siteWatch{}
	for _, s := range w.sites {
		former[s.site.ID] = s
	}
	w.all = w.all[:0]
	for _, s := range sites {
		w.all = append(w.all, s.ID)
	}
	sites = slices.DeleteFunc(sites, func(s registry.Site) bool {
		if w.o.holds(s.ID) {
			return false
		}
		w.forget(s.ID)
		delete(former, s.ID)
		return true
	})
	fresh := make([]*siteWatch, 0, len(sites))
	for _, site := range sites {
		s, err := w.loadSite(ctx, site, former[site.ID], now)
		if err != nil {
			return fmt.Errorf("site %s: %w", site.ID, err)
		}
		fresh = append(fresh, s)
		delete(former, site.ID)
	}
	for id := range former {
		w.dropStale(id, nil, now.UnixMilli())
	}
	w.sites = fresh
	for _, s := range w.sites {
		for _, m := range s.machines {
			if err := w.refreshBaselines(ctx, m, now); err != nil {
				return fmt.Errorf("vibration baseline of %s/%s: %w", m.Site, m.ID, err)
			}
		}
	}
	return nil
}

// forget drops what is known of a site that another process holds now.
func (w *Watcher) forget(site string) {
	for k := range w.active {
		if k.site == site {
			delete(w.active, k)
		}
	}
}

// moved reports whether sites have come or gone since the last reload.
func (w *Watcher) moved() bool {
	if w.o.Holds == nil {
		return false
	}
	sites, held := 0, 0
	for _, s := range w.all {
		if w.o.holds(s) {
			held++
		}
	}
	for _, s := range w.sites {
		if w.o.holds(s.site.ID) {
			sites++
		}
	}
	return sites != len(w.sites) || held != sites
}

func (w *Watcher) loadSite(ctx context.Context, site registry.Site, former *siteWatch, now time.Time) (*siteWatch, error) {
	machines, err := w.o.Registry.Machines(ctx, site.ID)
	if err != nil {
		return nil, fmt.Errorf("read machines: %w", err)
	}
	gatewayOf, err := w.o.Registry.MachineGateways(ctx, site.ID)
	if err != nil {
		return nil, fmt.Errorf("read which gateway reads which machine: %w", err)
	}
	s := &siteWatch{site: site, gateways: map[string]*gatewayWatch{}}
	known := map[string]*machineWatch{}
	if former != nil {
		s.gateways = former.gateways
		for _, m := range former.machines {
			known[m.ID] = m
		}
	}
	var alarms map[key]registry.Alarm // latest of each key; read when a machine is new
	ruled := map[key]bool{}
	for _, machine := range machines {
		settings, err := w.o.Registry.SettingsAt(ctx, site.ID, machine.ID)
		if err != nil {
			return nil, fmt.Errorf("read settings of %s: %w", machine.ID, err)
		}
		m := known[machine.ID]
		if m == nil {
			if alarms == nil {
				if alarms, err = w.loadAlarms(ctx, site.ID); err != nil {
					return nil, err
				}
			}
			m = &machineWatch{Machine: machine, sinceMs: now.UnixMilli()}
			m.temperature = newMeasuredRule(alarms[m.key(RuleTemperatureHigh, quantity.Temperature)])
			m.shaking = newShaking(alarms[m.key(RuleVibrationHigh, quantity.Vibration)])
		}
		m.Machine, m.gateway, m.settings = machine, gatewayOf[machine.ID], inForce(settings, now.UnixMilli())
		ruled[m.key(registry.RuleThresholdDrift, m.settings.Signal)] = true // package drift raises and ends it
		if m.settings.SilentAfterMs > 0 {
			ruled[m.key(RuleSensorSilent, "")] = true
			for _, g := range s.gateways {
				ruled[gatewayKey(g.Gateway)] = true
			}
		}
		if m.settings.TemperatureMaxC > 0 {
			ruled[m.key(RuleTemperatureHigh, quantity.Temperature)] = true
		} else {
			m.temperature.condition.raised = false
		}
		if shakes(m.settings) {
			ruled[m.key(RuleVibrationHigh, quantity.Vibration)] = true
		} else {
			m.shaking = shaking{}
		}
		s.machines = append(s.machines, m)
	}
	if former != nil { // the gateways of a new site are not known yet
		w.dropStale(site.ID, ruled, now.UnixMilli())
	}
	return s, nil
}

// loadAlarms reads the newest alarm of each key and notes which conditions stand.
func (w *Watcher) loadAlarms(ctx context.Context, site string) (map[key]registry.Alarm, error) {
	const enough = 1000 // far more than a site has in the last hour
	alarms, err := w.o.Registry.Alarms(ctx, site, false, enough)
	if err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	slices.SortFunc(alarms, func(a, b registry.Alarm) int { return cmp.Compare(a.ID, b.ID) })
	latest := map[key]registry.Alarm{}
	for _, a := range alarms {
		k := key{a.Site, a.Machine, a.Rule, a.Component}
		latest[k] = a
		delete(w.active, k)
		if a.Active {
			w.active[k] = true
		}
	}
	return latest, nil
}

// inForce picks the row of dated settings that holds at an instant; the zero Settings, without rules, before the first.
func inForce(rows []registry.Settings, atMs int64) (s registry.Settings) {
	for _, r := range rows {
		if r.ValidFromMs <= atMs {
			s = r
		}
	}
	return s
}

// sampled are the fields whose arrival shows that a machine's sensors are heard: every number, without the window and
// phase variants that never come alone.
var sampled = sampledFields()

func sampledFields() []string {
	fields := []string{quantity.Field(quantity.PowerMax)} // a machine may be configured to send this one only
	for _, name := range []string{
		quantity.Power, quantity.Energy, quantity.Current, quantity.Voltage, quantity.Frequency, quantity.Temperature,
		quantity.Humidity, quantity.Vibration, quantity.Accel, quantity.Speed, quantity.Pulses,
	} {
		fields = append(fields, quantity.Field(name))
	}
	return fields
}

// evaluateSite looks at each machine's newest samples.
func (w *Watcher) evaluateSite(ctx context.Context, s *siteWatch, now time.Time) error {
	if len(s.machines) == 0 {
		return nil
	}
	nowMs := now.UnixMilli()
	window := maxAge.Milliseconds()
	for _, m := range s.machines {
		window = max(window, m.settings.SilentAfterMs)
	}
	rows, err := w.o.Store.Last(ctx, tsdb.Query{
		Measurement: tsdb.Telemetry, Site: s.site.ID, Fields: sampled, FromMs: nowMs - window, ToMs: nowMs + maxAge.Milliseconds(),
	})
	if err != nil {
		return fmt.Errorf("read newest samples: %w", err)
	}
	newest := make(map[string]int64, len(rows))
	for _, r := range rows {
		newest[r.Machine] = r.TimeMs
	}
	if err := w.refreshGateways(ctx, s, nowMs); err != nil {
		return err
	}
	w.evaluateSilence(s, newest, nowMs)
	for _, m := range s.machines {
		if newest[m.ID] > m.cursorMs {
			if err := w.evaluateMeasured(ctx, m, newest[m.ID], nowMs); err != nil {
				return fmt.Errorf("%s: %w", m.ID, err)
			}
		}
	}
	return nil
}
