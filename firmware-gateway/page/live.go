package page

import (
	"net/http"
	"slices"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/live"
	"karkhana/firmware-gateway/local"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// livePage is what the gateway does now.
type livePage struct {
	base
	Time     string
	Clock    string
	ClockBad bool
	Link     string
	LinkBad  bool
	LinkWhy  string
	Problems []string
	Machines []machine
	Queue    []fact
	Computer []fact
}

type machine struct {
	ID   string
	Age  string // of the newest value
	Note string // in place of values
	Rows []row
}

// add adds a row; what has no value for the same reason stands in one.
func (m *machine) add(r row) {
	if r.Bad {
		for i := range m.Rows {
			if m.Rows[i].Bad && m.Rows[i].Quality == r.Quality {
				m.Rows[i].Name += ", " + r.Name
				return
			}
		}
	}
	m.Rows = append(m.Rows, r)
}

// fact is a line of a list.
type fact struct{ Name, Value string }

func (p *Page) live(w http.ResponseWriter, r *http.Request) {
	p.render(w, http.StatusOK, "live.html", p.livePage(r))
}

func (p *Page) livePart(w http.ResponseWriter, r *http.Request) {
	p.render(w, http.StatusOK, "live-part", p.livePage(r))
}

func (p *Page) livePage(r *http.Request) livePage {
	v := p.o.Gateway.View()
	d := livePage{base: p.base(r, "live")}
	t := d.texts
	d.Path = "/"
	d.Time = time.UnixMilli(v.TimeMs).Format("15:04:05 · 02-01-2006")
	d.Clock = t.either(string(v.Clock), "clock."+string(v.Clock))
	d.ClockBad = v.Clock == wire.ClockBounded
	forText := t.Duration(time.Duration(v.Link.ForS) * time.Second)
	if v.Link.Connected {
		d.Link = t.T("link.on", "d", forText)
	} else {
		d.Link, d.LinkBad = t.T("link.off", "d", forText), true
		d.LinkWhy = t.either(v.Link.Error, "trouble."+string(v.Link.Trouble))
	}
	d.Problems = t.problems(v)
	for _, m := range v.Machines {
		x := machine{ID: m.ID}
		newest := time.Duration(-1)
		for _, q := range m.Values {
			if q.Seen && !q.Sample.IsFault() && (newest < 0 || q.Age < newest) {
				newest = q.Age
			}
		}
		if newest >= 0 {
			x.Age = t.Ago(newest)
		}
		slices.SortStableFunc(m.Values, func(a, b live.Value) int { return rank(a.Quantity) - rank(b.Quantity) })
		for _, q := range m.Values {
			x.add(t.row(q, newest))
		}
		switch {
		case m.Source == config.SourceReplay:
			x.Note = t.T("machine.replay")
		case len(x.Rows) == 0:
			x.Note = t.T("value.none")
		}
		d.Machines = append(d.Machines, x)
	}
	d.Queue, d.Computer = t.queue(v.Queue), t.computer(v)
	return d
}

// first are the quantities that people look for first.
var first = []string{quantity.Supply, quantity.Power, quantity.Temperature, quantity.Vibration, quantity.Energy, quantity.Card, quantity.Current, quantity.Voltage}

func rank(q string) int {
	if i := slices.Index(first, q); i >= 0 {
		return i
	}
	return len(first)
}

func (t texts) queue(q local.Queue) []fact {
	out := []fact{{t.T("queue.packs"), t.T("queue.n", "n", q.Packs)}}
	if q.Packs > 0 {
		out = append(out, fact{t.T("queue.oldest"), t.Duration(time.Duration(q.OldestAgeS) * time.Second)})
	}
	out = append(out, fact{t.T("queue.disk"), t.T("queue.of", "a", megabytes(q.Bytes), "b", megabytes(q.MaxBytes))})
	if q.DaysLeft != nil {
		days := t.T("queue.days", "n", int(*q.DaysLeft))
		if *q.DaysLeft > 999 {
			days = t.T("queue.days", "n", "> 999")
		}
		out = append(out, fact{t.T("queue.left"), days})
	}
	return append(out, fact{t.T("queue.receipts"), t.T("queue.n", "n", q.Receipted)})
}

func (t texts) computer(v local.View) []fact {
	out := []fact{{t.T("pi.version"), v.Version}, {t.T("pi.config"), v.Config.Hash}}
	if a := v.AllowList; a != nil && a.Version > 0 {
		out = append(out, fact{t.T("pi.cards"), t.T("pi.cards.n", "n", a.Cards, "v", a.Version)})
	}
	if th := v.System.Throttled; th != nil {
		text := t.T("pi.supply.good")
		if *th&(health.UndervoltedNow|health.UndervoltedOnce) != 0 {
			text = t.T("pi.supply.bad")
		}
		out = append(out, fact{t.T("pi.supply"), text})
	}
	if d := v.System.Disk; d != nil {
		out = append(out, fact{t.T("pi.disk"), t.T("pi.free", "a", gigabytes(d.FreeBytes), "b", gigabytes(d.TotalBytes))})
		if d.WrittenBytes != nil {
			out = append(out, fact{t.T("pi.written"), gigabytes(*d.WrittenBytes) + " GB"})
		}
	}
	return out
}

// problems are what needs somebody, each with its remedy.
func (t texts) problems(v local.View) []string {
	var out []string
	if th := v.System.Throttled; th != nil {
		switch {
		case *th&health.UndervoltedNow != 0:
			out = append(out, t.T("problem.volts.now"))
		case *th&health.UndervoltedOnce != 0:
			out = append(out, t.T("problem.volts.once"))
		}
		switch {
		case *th&(health.HotNow|health.ThrottledNow) != 0:
			out = append(out, t.T("problem.hot.now"))
		case *th&(health.HotOnce|health.ThrottledOnce) != 0:
			out = append(out, t.T("problem.hot.once"))
		}
	}
	if d := v.System.Disk; d != nil && d.ReadOnly {
		out = append(out, t.T("problem.readonly"))
	} else if d != nil && d.FreeBytes < lowDisk {
		out = append(out, t.T("problem.full", "n", d.FreeBytes>>20))
	}
	if v.Queue.Failing != "" {
		out = append(out, t.T("problem.failing", "e", v.Queue.Failing))
	}
	if v.Queue.Dropped > 0 {
		out = append(out, t.T("problem.dropped", "n", v.Queue.Dropped))
	}
	if v.Queue.Thinned > 0 {
		out = append(out, t.T("problem.thinned", "n", v.Queue.Thinned))
	}
	if a := v.AllowList; a != nil && a.Problem != "" && a.Version > 0 {
		out = append(out, t.T("problem.cards", "e", a.Problem))
	}
	if v.Config.Error != "" {
		out = append(out, t.T("problem.config", "e", v.Config.Error))
	}
	return out
}

// lowDisk is the free space below which the card is said to be nearly full.
const lowDisk = 100 << 20
