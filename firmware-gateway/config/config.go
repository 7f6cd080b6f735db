// Package config reads gateway.yaml: strictly, with file, line and a suggestion for everything that is wrong.
//
// It owns the keys of the file and their defaults. The sample file, which is the documentation of the keys, is
// sample.yaml beside this file.
package config

import (
	"crypto/ed25519"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"karkhana/firmware-gateway/sampler"
	"karkhana/firmware-gateway/source"
	"karkhana/hardware/kit"
	"karkhana/hardware/sim"
	"karkhana/internal/config"
	"karkhana/internal/wire"
)

// Sample is a gateway.yaml with every key and what it means.
//
//go:embed sample.yaml
var Sample string

// Gateway is a whole configuration. After Load file names are resolved and secrets are read.
type Gateway struct {
	Site             string `yaml:"site"`
	Gateway          string `yaml:"gateway"`
	Broker           string `yaml:"broker"`
	Key              string `yaml:"key"`
	KeyFile          string `yaml:"key_file"`
	CardSaltFile     string `yaml:"card_salt_file"`
	CommandKeyFile   string `yaml:"command_key_file"`
	Data             string `yaml:"data"`
	SpoolMaxMB       int64  `yaml:"spool_max_mb"`
	HistoryPacksPerS int    `yaml:"history_packs_per_s"`
	Clock            string `yaml:"clock"`
	Page             *Page  `yaml:"page"`
	RTC              *RTC   `yaml:"rtc"`
	// Ports are the buses of the kits by their names (rs485-1, spi1.1, i2c1), and what they are called on this computer:
	// /dev/ttyUSB0, tcp://host:502, SPI1.1. Left out: rs485-1 is /dev/ttyUSB0, the others are called as they are.
	Ports    map[string]string `yaml:"ports"`
	Machines []Machine         `yaml:"machines"`

	CardSalt []byte `yaml:"-"` // content of card_salt_file
	// CommandKey is the public key of command_key_file; nil: none is named, and nobody's commands are obeyed.
	CommandKey ed25519.PublicKey `yaml:"-"`

	Hash string `yaml:"-"` // of the file, 12 hex digits: which configuration a gateway runs
	File string `yaml:"-"` // that it was read from

	// Hangs is what is connected by kits: lines, wires, parts; nil without kits.
	Hangs *kit.Gateway `yaml:"-"`

	src *config.Source
}

// Page is the gateway's own page for people beside it; without it there is none.
type Page struct {
	Listen  string `yaml:"listen"`
	PINFile string `yaml:"pin_file"`
}

// Machine is one machine and where its samples come from. After Load the sensors of its kit stand before those that are
// written one by one.
type Machine struct {
	ID  string `yaml:"id"`
	Kit string `yaml:"kit"` // class of package kit
	// Change is what is otherwise than in the kit, by the ids of the kit's sensors.
	Change  map[string]kit.SensorChange `yaml:"change"`
	Source  string                      `yaml:"source"`
	Sim     *Sim                        `yaml:"sim"`
	Replay  *Replay                     `yaml:"replay"`
	Sensors []Sensor                    `yaml:"sensors"`
	Every   config.Duration             `yaml:"every"`
	Report  config.Duration             `yaml:"report"`
	Pack    config.Duration             `yaml:"pack"`

	expanded []Sensor // of the kit, until they are checked
}

// Sim is a simulated machine.
type Sim struct {
	Seed    uint64    `yaml:"seed"`
	Epoch   time.Time `yaml:"epoch"`
	Kind    string    `yaml:"kind"`
	History *History  `yaml:"history"`
}

// History is the simulated past that a gateway sends after its first start.
type History struct {
	Span   config.Duration `yaml:"span"`
	Every  config.Duration `yaml:"every"`
	Report config.Duration `yaml:"report"`
}

// Replay is a recording.
type Replay struct {
	File    string `yaml:"file"`
	Machine string `yaml:"machine"`
	Speed   string `yaml:"speed"`
	Shift   string `yaml:"shift"`
}

// The values of the keys source and clock.
const (
	SourceSim     = "sim"
	SourceReplay  = "replay"
	SourceSensors = "sensors"
	ClockKernel   = "kernel"
	ClockTrusted  = "trusted"
)

// Default is the configuration before a file is read.
func Default() Gateway {
	return Gateway{Data: "spool", SpoolMaxMB: 1024, HistoryPacksPerS: 200, Clock: ClockKernel}
}

// Load reads and checks a file. The error joins everything that is wrong, one line each, with file, line and remedy.
func Load(path string) (*Gateway, error) {
	text, err := config.Read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse checks the text of a file as Load does. Names of other files in it count from the folder of path.
func Parse(path string, text []byte) (*Gateway, error) {
	g := Default()
	src, err := config.Decode(path, text, &g)
	if err != nil {
		return nil, err
	}
	g.Hash, g.File, g.src = hashOf(text), path, src
	c := checker{src: src}
	c.kits(&g)
	g.defaults()
	c.sensors = sensorChecker{checker: &c, used: map[string]int{}, lines: map[string]Line{}}
	c.gateway(&g)
	if err := config.Join(c.errs...); err != nil {
		return nil, err
	}
	return &g, nil
}

// defaults fills in what a machine leaves out.
func (g *Gateway) defaults() {
	for i := range g.Machines {
		m := &g.Machines[i]
		fill := func(d *config.Duration, v time.Duration) {
			if *d == 0 {
				*d = config.Duration(v)
			}
		}
		fill(&m.Every, time.Second)
		fill(&m.Pack, 10*time.Second)
		if m.Sim != nil && m.Sim.History != nil {
			fill(&m.Sim.History.Every, 5*time.Second)
			fill(&m.Sim.History.Report, time.Minute)
		}
		if r := m.Replay; r != nil {
			if r.Machine == "" {
				r.Machine = m.ID
			}
			if r.Speed == "" {
				r.Speed = "1x"
			}
			if r.Shift == "" {
				r.Shift = "none"
			}
		}
	}
}

// Settings are how the sampler runs the machine.
func (m Machine) Settings() sampler.Settings {
	return sampler.Settings{Machine: m.ID, Every: m.Every.Std(), Report: m.Report.Std(), Pack: m.Pack.Std()}
}

// checker gathers what is wrong.
type checker struct {
	src     *config.Source
	errs    []error
	sensors sensorChecker
}

func (c *checker) fault(at config.Path, format string, args ...any) {
	c.errs = append(c.errs, c.src.Errorf(at, format, args...))
}

func (c *checker) gateway(g *Gateway) {
	c.id(config.At("site"), "site", g.Site)
	c.id(config.At("gateway"), "gateway", g.Gateway)
	if u, err := url.Parse(g.Broker); err != nil || u.Host == "" {
		c.fault(config.At("broker"), "broker %q: write it as mqtt://host:port", g.Broker)
	}
	key, err := c.src.Secret(config.At(), "key", g.Key, g.KeyFile)
	switch {
	case err != nil:
		c.errs = append(c.errs, err)
	case key == "":
		c.fault(config.At("key_file"), "key_file is missing: name the file that holds the gateway's key")
	}
	g.Key = key
	g.Data = c.src.Resolve(g.Data)
	if g.SpoolMaxMB < 4 {
		c.fault(config.At("spool_max_mb"), "spool_max_mb: %d is too small, use at least 4", g.SpoolMaxMB)
	}
	if g.HistoryPacksPerS < 0 {
		c.fault(config.At("history_packs_per_s"), "history_packs_per_s: %d: use 0 (no limit) or more", g.HistoryPacksPerS)
	}
	if clocks := []string{ClockKernel, ClockTrusted}; g.Clock != ClockKernel && g.Clock != ClockTrusted {
		c.fault(config.At("clock"), "unknown clock %q%s", g.Clock, config.DidYouMean(g.Clock, clocks))
	}
	c.rtc(g)
	c.salt(g)
	c.page(g)
	c.commandKey(g)
	if !c.src.Has("machines") { // an empty list is right: a gateway that has just joined
		c.fault(config.At("machines"), "machines is missing: list them, or write `machines: []` as long as there are none")
	}
	first := map[string]int{}
	for i := range g.Machines {
		m := &g.Machines[i]
		if j, twice := first[m.ID]; twice && m.ID != "" {
			c.fault(config.At("machines", i, "id"), "machine %q is there twice, first in line %d", m.ID, c.src.Line("machines", j, "id"))
		} else {
			first[m.ID] = i
		}
		c.machine(config.At("machines", i), m, g.CardSaltFile != "")
	}
}

// The page's defaults: where only this computer reaches it, and a PIN beside the queue.
const (
	defaultListen  = "127.0.0.1:8093"
	defaultPINFile = "page.pin"
)

func (c *checker) page(g *Gateway) {
	p := g.Page
	if p == nil {
		return
	}
	if p.Listen == "" {
		p.Listen = defaultListen
	}
	host, port, err := net.SplitHostPort(p.Listen)
	if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 || host != "" && host != "localhost" && net.ParseIP(host) == nil {
		c.fault(config.At("page", "listen"), "listen %q: write it as 127.0.0.1:8093, for this computer only, or 0.0.0.0:8093, for the whole network", p.Listen)
	}
	if p.PINFile == "" {
		p.PINFile = filepath.Join(g.Data, defaultPINFile)
	} else {
		p.PINFile = c.src.Resolve(p.PINFile)
	}
}

func (c *checker) id(at config.Path, what, id string) {
	if id == "" {
		c.fault(at, "%s is missing", at)
	} else if err := wire.CheckID(what, id); err != nil {
		c.fault(at, "%v", err)
	}
}

func (c *checker) salt(g *Gateway) {
	if g.CardSaltFile == "" {
		for i, m := range g.Machines {
			if m.Source == SourceSim {
				c.fault(config.At("machines", i, "source"), "a simulated machine has cards and needs card_salt_file, which holds the site's salt")
				return
			}
		}
		return
	}
	salt, err := c.src.Secret(config.At(), "card_salt", "", g.CardSaltFile)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	g.CardSalt = []byte(salt)
}

func (c *checker) commandKey(g *Gateway) {
	if g.CommandKeyFile == "" {
		return
	}
	text, err := c.src.Secret(config.At(), "command_key", "", g.CommandKeyFile)
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	key, err := wire.ParsePublicKey(text)
	if err != nil {
		c.fault(config.At("command_key_file"), "command_key_file: %s holds no public key, which is 44 characters of base64: run karkhana-gateway enrol again", c.src.Resolve(g.CommandKeyFile))
		return
	}
	g.CommandKey = key
}

func (c *checker) machine(at config.Path, m *Machine, salt bool) {
	c.id(at.Then("id"), "machine", m.ID)
	if err := m.Settings().Validate(); err != nil {
		c.fault(at, "%v", err)
	}
	sources := []string{SourceSim, SourceReplay, SourceSensors}
	if m.Source == SourceSim || m.Source == SourceReplay {
		c.only(at, "sensors", m.Sensors != nil, m.Source)
	}
	switch m.Source {
	case SourceSensors:
		c.only(at, "sim", m.Sim != nil, m.Source)
		c.only(at, "replay", m.Replay != nil, m.Source)
		c.sensors.machine(at, m, salt)
	case SourceSim:
		c.only(at, "replay", m.Replay != nil, m.Source)
		c.sim(at.Then("sim"), m.Sim)
	case SourceReplay:
		c.only(at, "sim", m.Sim != nil, m.Source)
		c.replay(at.Then("replay"), m.Replay)
	case "":
		c.fault(at, "machine %q has neither kit nor source: kit: %s, or source: %s", m.ID, strings.Join(kit.Classes(), ", "), strings.Join(sources, ", "))
	default:
		c.fault(at.Then("source"), "unknown source %q%s", m.Source, config.DidYouMean(m.Source, sources))
	}
}

func (c *checker) only(at config.Path, other string, given bool, is string) {
	if given {
		c.fault(at.Then(other), "%s is given but the source is %s: take one of them out", other, is)
	}
}

func (c *checker) sim(at config.Path, s *Sim) {
	if s == nil {
		c.fault(at, "sim is missing: give seed, epoch and kind")
		return
	}
	if s.Epoch.IsZero() {
		c.fault(at.Then("epoch"), "epoch is missing: when the simulated world begins, for example 2026-10-23T00:00:00Z")
	}
	known := false
	for _, k := range sim.Kinds() {
		known = known || k == s.Kind
	}
	if !known {
		c.fault(at.Then("kind"), "unknown kind %q%s", s.Kind, config.DidYouMean(s.Kind, sim.Kinds()))
	}
	if h := s.History; h != nil {
		if h.Every.Std() < time.Second || h.Every.Std()%time.Second != 0 {
			c.fault(at.Then("history", "every"), "every: %v: use whole seconds", h.Every)
		}
		if h.Span == 0 {
			c.fault(at.Then("history", "span"), "span is missing: how much history, for example 720h")
		}
	}
}

func (c *checker) replay(at config.Path, r *Replay) {
	if r == nil {
		c.fault(at, "replay is missing: give file")
		return
	}
	if _, err := r.speed(); err != nil {
		c.fault(at.Then("speed"), "%v", err)
	}
	if _, _, err := r.shift(); err != nil {
		c.fault(at.Then("shift"), "%v", err)
	}
	if r.File == "" {
		c.fault(at.Then("file"), "file is missing: name the recording")
		return
	}
	r.File = c.src.Resolve(r.File)
	if err := source.CheckReplay(r.File); err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = fmt.Errorf("file: %s: %w", r.File, pe.Err)
		}
		c.fault(at.Then("file"), "%v", err)
	}
}

// Options are how the recording is played.
func (r Replay) Options() (source.ReplayOptions, error) {
	speed, err := r.speed()
	shift, now, shiftErr := r.shift()
	return source.ReplayOptions{File: filepath.Clean(r.File), Machine: r.Machine, Speed: speed, Shift: shift, ShiftNow: now}, errors.Join(err, shiftErr)
}

// speed returns the factor, 0 for max.
func (r Replay) speed() (float64, error) {
	if r.Speed == "max" {
		return 0, nil
	}
	number, ok := strings.CutSuffix(r.Speed, "x")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(v > 0 && v <= 1e6) {
		return 0, fmt.Errorf("speed %q: write 1x, 60x or max", r.Speed)
	}
	return v, nil
}

// shift returns the fixed shift, or that the recording is moved to the present.
func (r Replay) shift() (time.Duration, bool, error) {
	switch r.Shift {
	case "none":
		return 0, false, nil
	case "now":
		return 0, true, nil
	}
	d, err := time.ParseDuration(r.Shift)
	if err != nil {
		return 0, false, fmt.Errorf("shift %q: write none, now or a duration such as 87600h", r.Shift)
	}
	return d, false, nil
}
