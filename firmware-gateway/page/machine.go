package page

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"

	"karkhana/firmware-gateway/config"
	"karkhana/hardware/kit"
	"karkhana/hardware/kit/diagram"
	"karkhana/internal/wire"
)

// Setup is how the pages change the gateway's configuration.
type Setup struct {
	File   string                      // gateway.yaml
	Reload func(context.Context) error // the running gateway takes the file
}

func (p *Page) machineRoutes(write func(string, func(http.ResponseWriter, *http.Request))) {
	if p.o.Setup.File == "" {
		return
	}
	write("GET /setup/machine", p.showMachine)
	write("POST /setup/machine", p.saveMachine)
	write("GET /setup/picture.svg", p.picture)
}

// setupPage leads to what an installer does.
type setupPage struct {
	base
	Can      bool // machines can be set up here
	Err      string
	Machines []setupMachine
	Kits     []option
}

type setupMachine struct {
	ID, Says string
	Fixed    bool // nothing to choose: simulated, or a recording
}

type option struct {
	Value, Label string
	Chosen       bool
}

func (p *Page) setup(w http.ResponseWriter, r *http.Request) {
	d := setupPage{base: p.base(r, "setup"), Can: p.o.Setup.File != ""}
	if d.Can {
		d.Kits = kits(d.Lang, "")
		g, err := config.Load(p.o.Setup.File)
		if err != nil {
			d.Err = d.T("machine.file", "e", err.Error())
		} else {
			for _, m := range g.Machines {
				x := setupMachine{ID: m.ID}
				switch {
				case m.Source != config.SourceSensors:
					x.Fixed, x.Says = true, d.T("machine."+m.Source)
				case m.Kit == "":
					x.Says = d.T("machine.written", "n", len(m.Sensors))
				default:
					x.Says = label(d.Kits, m.Kit)
				}
				d.Machines = append(d.Machines, x)
			}
		}
	}
	p.render(w, http.StatusOK, "setup.html", d)
}

// kits are the machine classes by their names.
func kits(lang, chosen string) []option {
	var out []option
	for _, class := range kit.Classes() {
		k, err := kit.Load(class)
		if err != nil { // the shipped ones are tested
			continue
		}
		out = append(out, option{class, in(lang, k.Name), class == chosen})
	}
	return out
}

func in(lang string, n kit.Name) string {
	if lang == "hi" {
		return n.Hi
	}
	return n.En
}

func label(options []option, value string) string {
	for _, o := range options {
		if o.Value == value {
			return o.Label
		}
	}
	return value
}

// machinePage lets an installer choose kit and ports of one machine.
type machinePage struct {
	base
	ID      string
	New     bool
	Kit     string
	Kits    []option
	Says    string // what the kit is for
	Hash    string // of the file that was looked at
	Errors  []string
	Saved   bool
	Written int // sensors that are written one by one, which stay
	form
}

func (p *Page) showMachine(w http.ResponseWriter, r *http.Request) {
	d, status := p.machinePage(r, r.URL.Query().Get("id"), r.URL.Query().Get("kit"), nil)
	d.Saved = r.URL.Query().Get("saved") != "" && len(d.Errors) == 0
	p.render(w, status, "machine.html", d)
}

// machinePage makes the page of a machine as the file has it, or as it was entered.
func (p *Page) machinePage(r *http.Request, id, class string, entered url.Values) (machinePage, int) {
	d := machinePage{base: p.base(r, "machine"), ID: id}
	if err := wire.CheckID("machine", id); err != nil {
		d.Errors = append(d.Errors, d.T("machine.id"))
		d.ID = ""
		return d, http.StatusUnprocessableEntity
	}
	g, err := config.Load(p.o.Setup.File)
	if err != nil {
		d.Errors = append(d.Errors, d.T("machine.file", "e", err.Error()))
		return d, http.StatusConflict
	}
	d.Hash = g.Hash
	i := slices.IndexFunc(g.Machines, func(m config.Machine) bool { return m.ID == id })
	m := config.Machine{ID: id, Source: config.SourceSensors}
	if d.New = i < 0; !d.New {
		m = g.Machines[i]
	}
	if m.Source != config.SourceSensors {
		d.Errors = append(d.Errors, d.T("machine."+m.Source))
		return d, http.StatusConflict
	}
	for _, s := range m.Sensors {
		if s.KitID == "" {
			d.Written++
		}
	}
	if class == "" {
		class = m.Kit
	}
	d.Kit, d.Kits = class, kits(d.Lang, class)
	if class == "" {
		return d, http.StatusOK
	}
	k, err := kit.Load(class)
	if err != nil {
		d.Errors = append(d.Errors, err.Error())
		return d, http.StatusUnprocessableEntity
	}
	d.Says = in(d.Lang, k.Fits)
	d.form = newForm(d.texts, d.Lang, g, m, k, entered)
	return d, http.StatusOK
}

func (p *Page) saveMachine(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form can't be read", http.StatusBadRequest)
		return
	}
	id, class := r.PostForm.Get("id"), r.PostForm.Get("kit")
	d, status := p.machinePage(r, id, class, r.PostForm)
	if status != http.StatusOK || len(d.Errors) > 0 || class == "" {
		p.render(w, max(status, http.StatusUnprocessableEntity), "machine.html", d)
		return
	}
	d.Hash = r.PostForm.Get("hash")
	if d.wrong() {
		p.render(w, http.StatusUnprocessableEntity, "machine.html", d)
		return
	}
	p.saving.Lock()
	_, err := config.Save(p.o.Setup.File, d.Hash, d.edits(id, class)...)
	p.saving.Unlock()
	switch {
	case errors.Is(err, config.ErrChanged):
		d.Errors = append(d.Errors, d.T("machine.changed"))
		p.render(w, http.StatusConflict, "machine.html", d)
		return
	case err != nil:
		d.Errors = d.place(p.o.Setup.File, id, class, err)
		p.render(w, http.StatusUnprocessableEntity, "machine.html", d)
		return
	}
	p.o.Logger.Info("configuration changed on the local page", "machine", id, "kit", class)
	if err := p.o.Setup.Reload(r.Context()); err != nil {
		d.Errors = append(d.Errors, d.T("machine.reload", "e", err.Error()))
		p.render(w, http.StatusConflict, "machine.html", d)
		return
	}
	http.Redirect(w, r, "/setup/machine?saved=1&id="+url.QueryEscape(id), http.StatusSeeOther)
}

// picture draws the wires of a machine's kit, with the machine's changes when it has that kit.
func (p *Page) picture(w http.ResponseWriter, r *http.Request) {
	k, err := kit.Load(r.URL.Query().Get("kit"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if g, err := config.Load(p.o.Setup.File); err == nil {
		for _, m := range g.Machines {
			if m.ID == r.URL.Query().Get("id") && m.Kit == k.Class {
				if changed, problems := k.Apply(kit.Change{Sensors: m.Change}); problems == nil {
					k = changed
				}
			}
		}
	}
	base, err := kit.LoadBase()
	var svg []byte
	if err == nil {
		svg, err = diagram.Draw(k, base)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(svg) // the other side is gone
}

// serialPorts are the serial ports of this computer, by the names that follow the socket first.
func serialPorts() []string {
	var out []string
	for _, pattern := range []string{"/dev/serial/by-path/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*", "/dev/ttyS0"} {
		names, _ := filepath.Glob(pattern) // the pattern is right
		out = append(out, names...)
	}
	return out
}
