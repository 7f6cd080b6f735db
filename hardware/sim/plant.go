package sim

// segment is a stretch of constant electrical power that ends at a time.
type segment struct {
	end    int64
	milliW int64
	pf     float64 // power factor
	load   float64 // mechanical load of a motor, 0 … about 1
	state  state
}

// model is the physics of one kind of machine.
type model interface {
	// next returns the segment that begins at a time. dark says that there is no supply; models that go on by plan
	// need not look at it, the plant switches them off.
	next(at int64, dark bool) segment
}

// plant is a machine without its sensors: it strings the segments of a model together, takes the supply away in power
// cuts, and keeps the integrals. Everything that adds up is an integer, and floats change only at the end of a
// segment; so the state at a time does not depend on the times at which it was looked at before.
type plant struct {
	model   model
	grid    *grid
	crew    *crew // nil: nobody taps here
	bearing *bearing
	restart stream // how long people take to switch on again after a power cut

	start int64   // of the present segment
	seg   segment // as it really is
	plan  segment // as the model wants it

	energy int64 // mW·ms before start
	cut    cut   // present or next power cut
	back   int64 // when this machine runs again after it
	block  int64 // of that cut
	holder string
}

func newPlant(m model, c *crew, g *grid, seed uint64, kind string) *plant {
	p := &plant{model: m, crew: c, grid: g, restart: newStream(seed, "restart "+kind), block: -1}
	p.nextCut()
	p.begin(0)
	return p
}

// nextCut looks up the power cut after the present one.
func (p *plant) nextCut() {
	p.block++
	p.cut = p.grid.cut(p.block)
	p.back = p.cut.to
	if p.crew != nil {
		p.back += int64(p.restart.between(20, 180)) * msSecond
	}
}

// begin starts the segment at a time.
func (p *plant) begin(at int64) {
	if at >= p.back {
		p.nextCut()
	}
	dark := at >= p.cut.from
	if at >= p.plan.end {
		p.plan = p.model.next(at, dark)
	}
	p.start, p.seg = at, p.plan
	if dark {
		p.seg.milliW, p.seg.load, p.seg.state = 0, 0, off
		p.seg.end = min(p.seg.end, p.back)
	} else {
		p.seg.end = min(p.seg.end, p.cut.from)
	}
}

// advance goes to the segment that holds a time.
func (p *plant) advance(to int64) {
	for p.seg.end <= to {
		took := p.seg.end - p.start
		p.energy += p.seg.milliW * took
		if p.bearing != nil {
			p.bearing.finish(p.seg, p.start, took)
		}
		p.begin(p.seg.end)
	}
	if p.crew == nil {
		return
	}
	for len(p.crew.holds) > 0 && p.crew.holds[0].at <= to {
		p.holder = p.crew.holds[0].group
		p.crew.holds = p.crew.holds[1:]
	}
}

// energyAt is the energy since the epoch in mW·ms at a time in the present segment.
func (p *plant) energyAt(at int64) int64 { return p.energy + p.seg.milliW*(at-p.start) }

// milliWmsPerWh is one watt-hour in the unit of plant.energy.
const milliWmsPerWh = 1000 * 3_600_000
