package meter

import (
	"embed"
	"fmt"
	"math"
	"slices"

	"karkhana/internal/config"
	"karkhana/internal/quantity"
)

//go:embed profile/*.yaml
var files embed.FS

// Names of things a meter tells that do not go on the wire.
const (
	EnergyExport  = "energy_export"  // Wh; grows when a current transformer sits the wrong way round
	ApparentPower = "apparent_power" // VA
	ReactivePower = "reactive_power" // var
	OverPower     = "over_power"     // the meter's own alarm, 0 or 1
)

// local tells which of those names exist and their plausible range.
var local = map[string][2]float64{
	EnergyExport:  {0, 1e13},
	ApparentPower: {-1e7, 1e7},
	ReactivePower: {-1e7, 1e7},
	OverPower:     {0, 1},
}

// Type is the form of a value in its registers.
type Type string

// The forms known. Those of 32 bits take two registers in the profile's order of words.
const (
	Uint16  Type = "uint16"
	Int16   Type = "int16"
	Uint32  Type = "uint32"
	Int32   Type = "int32"
	Float32 Type = "float32"
)

// Words is the order of the two registers of a 32-bit value.
type Words string

// The orders known.
const (
	HighFirst Words = "high-first" // ABCD
	LowFirst  Words = "low-first"  // CDAB
	ByProbe   Words = "probe"      // not known beforehand: see [Probe]
)

// Table is one of the two spaces of 16-bit registers.
type Table string

// The tables known.
const (
	Input   Table = "input"   // function 4
	Holding Table = "holding" // function 3
)

// Row says where one value stands. The value in wire units is raw × Times ÷ Divide, rounded to Step.
type Row struct {
	Name    string  `yaml:"name"` // a wire quantity, or one of the local names
	Address uint16  `yaml:"at"`
	Type    Type    `yaml:"type"`
	Times   float64 `yaml:"times"`  // 0 stands for 1
	Divide  float64 `yaml:"divide"` // 0 stands for 1; 10 gives the nearest number to a tenth, 0.1 × would not
	Step    float64 `yaml:"step"`   // resolution in wire units; 0: as it comes

	min, max float64
	wire     bool
}

// Profile is the register table of a kind of meter.
type Profile struct {
	Name     string `yaml:"name"`
	Title    string `yaml:"title"`     // maker and model
	Source   string `yaml:"source"`    // where the table comes from
	Words    Words  `yaml:"words"`     // order of words
	Table    Table  `yaml:"table"`     // where the values stand; default input
	MaxBlock uint16 `yaml:"max_block"` // most registers in one request
	Gaps     bool   `yaml:"gaps"`      // registers that are not listed may be read over
	Baud     uint   `yaml:"baud"`      // factory setting of a serial line
	Parity   string `yaml:"parity"`    // none, even or odd; factory setting
	Rows     []Row  `yaml:"rows"`
}

var shelf = config.Shelf{FS: files, Folder: "profile", What: "profile"}

// Profiles lists the names of the built-in profiles, sorted.
func Profiles() []string { return shelf.Names() }

// LoadProfile returns a built-in profile by name.
func LoadProfile(name string) (*Profile, error) {
	file, data, err := shelf.Read(name)
	if err != nil {
		return nil, fmt.Errorf("meter: %w", err)
	}
	return ParseProfile(file, data)
}

// ParseProfile reads a profile strictly. Errors name file (only a name here), line and remedy.
func ParseProfile(file string, data []byte) (*Profile, error) {
	p := &Profile{Words: HighFirst, Table: Input, MaxBlock: 60, Baud: 9600, Parity: "none"}
	src, err := config.Decode(file, data, p)
	if err != nil {
		return nil, err
	}
	var errs []error
	bad := func(at config.Path, format string, args ...any) { errs = append(errs, src.Errorf(at, format, args...)) }
	if p.Name == "" {
		bad(config.At("name"), "a profile needs a name")
	}
	if !p.Words.known() {
		bad(config.At("words"), "words %q: use %s, %s or %s", p.Words, HighFirst, LowFirst, ByProbe)
	}
	if p.Table != Input && p.Table != Holding {
		bad(config.At("table"), "table %q: use %s or %s", p.Table, Input, Holding)
	}
	if p.MaxBlock < 2 || p.MaxBlock > 125 {
		bad(config.At("max_block"), "max_block %d: a request holds 2 to 125 registers", p.MaxBlock)
	}
	if !slices.Contains([]string{"none", "even", "odd"}, p.Parity) {
		bad(config.At("parity"), "parity %q: use none, even or odd", p.Parity)
	}
	if len(p.Rows) == 0 {
		bad(config.At("rows"), "a profile needs rows")
	}
	seen := map[string]bool{}
	for i := range p.Rows {
		r := &p.Rows[i]
		if err := r.complete(); err != nil {
			bad(config.At("rows", i), "%v", err)
		}
		if seen[r.Name] {
			bad(config.At("rows", i), "%s stands twice", r.Name)
		}
		seen[r.Name] = true
	}
	if err := config.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(p.Rows, func(a, b Row) int { return int(a.Address) - int(b.Address) })
	return p, nil
}

// complete checks a row and fills in what follows from it.
func (r *Row) complete() error {
	var ok bool
	if r.min, r.max, r.wire, ok = Range(r.Name); !ok {
		return fmt.Errorf("unknown quantity %q%s", r.Name, config.DidYouMean(r.Name, names()))
	}
	if r.Type == "" || r.width() == 0 {
		return fmt.Errorf("%s: type %q: use uint16, int16, uint32, int32 or float32", r.Name, r.Type)
	}
	if int(r.Address)+r.width() > 0x10000 {
		return fmt.Errorf("%s: register %#x: the value would end past register 0xffff", r.Name, r.Address)
	}
	if r.Times == 0 {
		r.Times = 1
	}
	if r.Divide == 0 {
		r.Divide = 1
	}
	for _, v := range []float64{r.Times, r.Divide, r.Step} {
		if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: times, divide and step must be positive numbers", r.Name)
		}
	}
	return nil
}

// Range returns the plausible range of a name in wire units. wire: it is a wire quantity; ok: the name is known.
func Range(name string) (low, high float64, wire, ok bool) {
	if q, ok := quantity.Get(name); ok && q.Kind == quantity.KindNumber {
		return q.Min, q.Max, true, true
	}
	l, ok := local[name]
	return l[0], l[1], false, ok
}

func names() []string {
	var out []string
	for _, q := range quantity.All() {
		if q.Kind == quantity.KindNumber {
			out = append(out, q.Name)
		}
	}
	return append(out, EnergyExport, ApparentPower, ReactivePower, OverPower)
}

// width is the number of registers, 0 for an unknown type.
func (r *Row) width() int {
	switch r.Type {
	case Uint16, Int16:
		return 1
	case Uint32, Int32, Float32:
		return 2
	}
	return 0
}

// known tells whether w is one of the three settings.
func (w Words) known() bool { return w == HighFirst || w == LowFirst || w == ByProbe }

// In returns the profile with another order of words: what an installer has read on the meter, or what a probe found.
func (p *Profile) In(w Words) *Profile {
	q := *p
	q.Words = w
	return &q
}

// Row returns the row of a name.
func (p *Profile) Row(name string) (Row, bool) {
	for _, r := range p.Rows {
		if r.Name == name {
			return r, true
		}
	}
	return Row{}, false
}
