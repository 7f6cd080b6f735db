// Package sitefile reads the file that describes a site: its machines with their dated settings, gateways, producer
// groups with their cards, tariffs, and the calendar. See testdata/example.good.yaml for every key.
//
// The package turns text into a registry.SiteDefinition and finds every fault, with file, line and a way out. It does
// not touch the database: registry.Apply does.
package sitefile

import (
	"time"

	"karkhana/internal/config"
	"karkhana/internal/registry"
)

// file is the shape of a site file.
type file struct {
	Site     site      `yaml:"site"`
	Machines []machine `yaml:"machines"`
	Gateways []gateway `yaml:"gateways"`
	Groups   []group   `yaml:"groups"`
	Tariffs  []tariff  `yaml:"tariffs"`
	Calendar calendar  `yaml:"calendar"`
	Supply   supply    `yaml:"electricity"`
}

type site struct {
	ID   string        `yaml:"id"`
	Name registry.Name `yaml:"name"`
	Zone string        `yaml:"zone"` // default Asia/Kolkata
}

type machine struct {
	ID       string        `yaml:"id"`
	Kit      string        `yaml:"kit"` // what the settings leave out comes from it
	Class    string        `yaml:"class"`
	Name     registry.Name `yaml:"name"`
	Settings []settings    `yaml:"settings"`
	Services []service     `yaml:"maintenance"`
	RatedKW  string        `yaml:"rated_kw"`
}

type gateway struct {
	ID string `yaml:"id"`
}

type group struct {
	ID            string        `yaml:"id"`
	Name          registry.Name `yaml:"name"`
	Cards         []string      `yaml:"cards"`
	Members       []members     `yaml:"members"`
	TrainingCards []string      `yaml:"training_cards"`
}

const defaultZone = "Asia/Kolkata"

// Load reads the site file at path. kits are those that its machines can name.
func Load(path string, kits ...Kit) (registry.SiteDefinition, error) {
	var f file
	src, err := config.Load(path, &f)
	if err != nil {
		return registry.SiteDefinition{}, err
	}
	return define(src, f, kits)
}

// Parse reads a site file from memory; name stands in errors. Faults of shape are reported together, then, when there
// are none, all faults of meaning; each is a *config.Fault, joined in the order of lines.
func Parse(name string, data []byte, kits ...Kit) (registry.SiteDefinition, error) {
	var f file
	src, err := config.Decode(name, data, &f)
	if err != nil {
		return registry.SiteDefinition{}, err
	}
	return define(src, f, kits)
}

// reader turns a decoded file into a definition and gathers faults on the way.
type reader struct {
	src  *config.Source
	zone *time.Location
	kits []Kit
	errs []error
}

func (r *reader) fault(path config.Path, format string, args ...any) {
	r.errs = append(r.errs, r.src.Errorf(path, format, args...))
}

func define(src *config.Source, f file, kits []Kit) (registry.SiteDefinition, error) {
	r := &reader{src: src, kits: kits}
	def := registry.SiteDefinition{Site: r.site(f.Site)} // first: dates need its zone
	machines, gateways, groups, tariffs := r.once(), r.once(), r.once(), r.once()
	for i, m := range f.Machines {
		at := config.At("machines", i)
		r.uniqueID(machines, "machine", at.Then("id"), m.ID)
		def.Machines = append(def.Machines, r.machine(at, def.Site.ID, m))
	}
	if len(f.Machines) == 0 {
		r.fault(config.At("machines"), "the site has no machines; list at least one under machines")
	}
	for i, g := range f.Gateways {
		r.uniqueID(gateways, "gateway", config.At("gateways", i, "id"), g.ID)
		def.Gateways = append(def.Gateways, g.ID)
	}
	for i, g := range f.Groups {
		at := config.At("groups", i)
		r.uniqueID(groups, "group", at.Then("id"), g.ID)
		def.Groups = append(def.Groups, r.group(at, def.Site.ID, g))
	}
	r.heldOnce(f.Groups)
	for i, t := range f.Tariffs {
		at := config.At("tariffs", i)
		row := r.tariff(at, def.Site.ID, t)
		tariffs(registry.Tariff{Class: row.Class, ValidFromMs: row.ValidFromMs}, at, "tariff of "+t.Class+" from "+t.From)
		def.Tariffs = append(def.Tariffs, row)
	}
	def.Calendar = r.calendar(f.Calendar, def.Machines)
	def.Electricity = r.electricity(f.Supply)
	if err := config.Join(r.errs...); err != nil {
		return registry.SiteDefinition{}, err
	}
	return def, nil
}
