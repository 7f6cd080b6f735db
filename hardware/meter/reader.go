package meter

import (
	"context"
	"fmt"
	"strings"

	"karkhana/internal/config"
)

// Registers reads registers of the meters on one line: input registers (Modbus function 4) and holding registers
// (function 3). It has no way to write, so nothing that holds one can send a reset or calibration. n is at most 125. The
// returned slice holds n registers and is only looked at until the next call.
type Registers interface {
	ReadInput(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error)
	ReadHolding(ctx context.Context, unit byte, addr, n uint16) ([]uint16, error)
}

// Opts are the settings of a meter.
type Opts struct {
	Profile *Profile
	Words   Words    // order of words as set on this meter; "": as in the profile
	Unit    byte     // Modbus address, 1 to 247
	Names   []string // what to read; nil: every wire quantity of the profile
}

// Reader is one meter on a line. It is not safe for concurrent use.
type Reader struct {
	bus     Registers
	profile *Profile
	unit    byte
	name    string
	words   Words
	blocks  []block
	count   int
}

// block is one request and the rows it answers.
type block struct {
	addr, n uint16
	rows    []Row
}

// New plans the requests for a meter. It reads nothing. The caller owns the line.
func New(bus Registers, o Opts) (*Reader, error) {
	if o.Profile == nil {
		return nil, fmt.Errorf("meter: no profile: use one of %s", strings.Join(Profiles(), ", "))
	}
	if o.Unit < 1 || o.Unit > 247 {
		return nil, fmt.Errorf("meter: unit %d: a Modbus address is 1 to 247", o.Unit)
	}
	words := o.Profile.Words
	if o.Words != "" {
		words = o.Words
	}
	if !words.known() {
		return nil, fmt.Errorf("meter: words %q: use %s, %s or %s", words, HighFirst, LowFirst, ByProbe)
	}
	wanted := map[string]bool{}
	var all []string
	for _, r := range o.Profile.Rows {
		all = append(all, r.Name)
		if o.Names == nil && r.wire {
			wanted[r.Name] = true
		}
	}
	for _, n := range o.Names {
		if _, ok := o.Profile.Row(n); !ok {
			return nil, fmt.Errorf("meter: %s does not tell %q%s", o.Profile.Name, n, config.DidYouMean(n, all))
		}
		wanted[n] = true
	}
	r := &Reader{
		bus: bus, profile: o.Profile, unit: o.Unit, words: words, count: len(wanted),
		name: fmt.Sprintf("meter{%s(%d)}", o.Profile.Name, o.Unit),
	}
	r.blocks = plan(o.Profile, func(row Row) bool { return wanted[row.Name] })
	return r, nil
}

// plan merges the wanted rows into as few requests as the meter allows.
func plan(p *Profile, wanted func(Row) bool) []block {
	var blocks []block
	for _, row := range p.Rows { // sorted by address
		if !wanted(row) {
			continue
		}
		end := row.Address + uint16(row.width())
		if i := len(blocks) - 1; i >= 0 {
			b := &blocks[i]
			if end-b.addr <= p.MaxBlock && (p.Gaps || row.Address <= b.addr+b.n) {
				b.n = max(b.n, end-b.addr)
				b.rows = append(b.rows, row)
				continue
			}
		}
		blocks = append(blocks, block{addr: row.Address, n: end - row.Address, rows: []Row{row}})
	}
	return blocks
}

// fetch makes one request.
func fetch(ctx context.Context, bus Registers, p *Profile, unit byte, b *block) ([]uint16, error) {
	ask := bus.ReadInput
	if p.Table == Holding {
		ask = bus.ReadHolding
	}
	regs, err := ask(ctx, unit, b.addr, b.n)
	if err != nil {
		return nil, fmt.Errorf("read %d registers from %#x: %w", b.n, b.addr, err)
	}
	if len(regs) != int(b.n) {
		return nil, fmt.Errorf("%d registers from %#x asked, %d came", b.n, b.addr, len(regs))
	}
	return regs, nil
}

// Sense reads the meter once and appends its values to into, in the order of addresses; pass a kept slice cut to zero
// length to save allocations. It blocks for as many requests as needed, one more where the order of words is still to be
// probed. On an error nothing is returned: half a reading would be taken for a whole one.
func (r *Reader) Sense(ctx context.Context, into []Value) ([]Value, error) {
	if r.words == ByProbe {
		words, err := Probe(ctx, r.bus, r.profile, r.unit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		r.words = words
	}
	if into == nil {
		into = make([]Value, 0, r.count)
	}
	for i := range r.blocks {
		b := &r.blocks[i]
		regs, err := fetch(ctx, r.bus, r.profile, r.unit, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		for j := range b.rows {
			row := &b.rows[j]
			v, err := row.decode(r.words, regs[row.Address-b.addr:])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			into = append(into, Value{row.Name, v, row.wire})
		}
	}
	return into, nil
}

// Halt does nothing: a meter is never told anything. It satisfies conn.Resource.
func (r *Reader) Halt() error { return nil }

// Words is the order of words in use: what the meter was set to or what the probe at the first reading found.
func (r *Reader) Words() Words { return r.words }

// String names the meter.
func (r *Reader) String() string { return r.name }
