package page

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"karkhana/firmware-gateway/local"
	"karkhana/firmware-gateway/scan"
	"karkhana/firmware-gateway/sensor"
	"karkhana/internal/wire"
)

// testFor is how long a self-test watches; a switch must have been thrown before.
const testFor = 8 * time.Second

type (
	scanResult struct {
		*scan.Report
		At time.Time
	}
	testResult struct {
		Verdicts []sensor.Verdict
		At       time.Time
	}
)

// jobPage is a page that shows a job.
type jobPage struct {
	base
	Running  bool
	Progress string
	Ago      string // "": no result yet
	Err      string
	Found    []found
	Errors   []string
	Verdicts []verdict
	Faults   int
}

// found is something that answers on a bus.
type found struct{ scan.Found }

// verdict is what a self-test says of a sensor.
type verdict struct {
	Machine, Sensor, Seen string
	OK                    bool
	Do                    []advice
}

type advice struct{ Text, Raw string }

func (p *Page) startScan(w http.ResponseWriter, r *http.Request) {
	ask := scan.Ask{}
	if r.PostFormValue("wide") != "" {
		ask = scan.Ask{Units: 247, Bauds: []uint{9600, 2400, 4800, 19200}, Parities: []string{"none", "even"}}
	}
	p.scan.start(p.ctx, &p.jobs, func(ctx context.Context, say func(string)) (*scanResult, error) {
		report, err := p.o.Gateway.Scan(ctx, ask, say)
		return &scanResult{report, p.o.Now()}, err
	})
	http.Redirect(w, r, "/setup/scan", http.StatusSeeOther)
}

func (p *Page) showScan(w http.ResponseWriter, r *http.Request) {
	s := p.scan.state()
	d := jobPage{base: p.base(r, "scan"), Running: s.Running, Progress: s.Progress, Err: p.texts[langOf(r)].failure(s.Err)}
	if s.Done && s.Err == nil {
		d.Ago = d.texts.Ago(max(0, p.o.Now().Sub(s.Result.At)))
		for _, f := range s.Result.Found {
			d.Found = append(d.Found, found{f})
		}
		d.Errors = s.Result.Errors
	}
	p.renderJob(w, r, "scan", d)
}

func (p *Page) startTest(w http.ResponseWriter, r *http.Request) {
	p.test.start(p.ctx, &p.jobs, func(ctx context.Context, _ func(string)) (*testResult, error) {
		v, err := p.o.Gateway.Selftest(ctx, testFor)
		return &testResult{v, p.o.Now()}, err
	})
	http.Redirect(w, r, "/setup/test", http.StatusSeeOther)
}

func (p *Page) showTest(w http.ResponseWriter, r *http.Request) {
	s := p.test.state()
	d := jobPage{base: p.base(r, "test"), Running: s.Running, Err: p.texts[langOf(r)].failure(s.Err)}
	if s.Done && s.Err == nil {
		d.Ago = d.texts.Ago(max(0, p.o.Now().Sub(s.Result.At)))
		for _, v := range s.Result.Verdicts {
			x := verdict{Machine: v.Machine, Sensor: v.Sensor, Seen: v.Seen, OK: v.OK}
			for i, raw := range v.Do {
				x.Do = append(x.Do, advice{d.advice(v.Advice[i]), raw})
			}
			if !v.OK {
				d.Faults++
			}
			d.Verdicts = append(d.Verdicts, x)
		}
	}
	p.renderJob(w, r, "test", d)
}

// renderJob renders the page of a job, or only what changes.
func (p *Page) renderJob(w http.ResponseWriter, r *http.Request, name string, d jobPage) {
	if r.Header.Get("X-Part") != "" {
		p.render(w, http.StatusOK, name+"-part", d)
		return
	}
	p.render(w, http.StatusOK, name+".html", d)
}

// failure says why a job gave nothing.
func (t texts) failure(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, local.ErrBusy):
		return t.T("job.busy")
	}
	return err.Error()
}

// advice says what to do.
func (t texts) advice(a sensor.Advice) string {
	what := a.What
	if t.has("q." + strings.SplitN(what, "_l", 2)[0]) {
		what = t.quantity(what)
	}
	if cause, ok := strings.CutPrefix(a.Code, wire.Fault); ok {
		return t.quality(a.Code) + ": " + t.either(t.T("do.fault"), "do.fault."+cause)
	}
	return strings.ReplaceAll(t.either(a.Code, "do."+a.Code), "{w}", what)
}
