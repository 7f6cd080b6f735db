package sim

// tap is a card held to a machine's reader.
type tap struct {
	at  int64
	uid string
}

// hold says who holds a machine from a time on; group "" means nobody with a card.
type hold struct {
	at    int64
	group string
}

// crew is the people at one machine: who comes, with which card, and what they forget.
type crew struct {
	rnd       stream
	taps      []tap  // yet to be read, by time
	holds     []hold // yet to come, by time
	group     int    // of the present or last session, -1 before the first
	card      Card
	carded    bool // the present session has a card
	forgetful bool // the last session ended without a tap
}

const (
	chanceNoCard = 0.05 // a session without any card: its run time is unattributed
	chanceForget = 0.06 // a tap-out that is forgotten
)

func newCrew(seed uint64, kind string) *crew {
	return &crew{rnd: newStream(seed, "crew "+kind), group: -1}
}

// begin opens a session at a time: a group taps in, or works without a card.
func (c *crew) begin(at int64) {
	if c.rnd.chance(chanceNoCard) {
		c.carded = false
		return
	}
	c.tapIn(at)
}

// tapIn lets another group take the machine. After a forgotten tap-out and at a takeover it is never the same group,
// whose tap would say tap-out.
func (c *crew) tapIn(at int64) {
	cards := Cards()
	groups := len(cards) / 2
	group := c.rnd.below(groups)
	if group == c.group && (c.carded || c.forgetful) {
		group = (group + 1 + c.rnd.below(groups-1)) % groups
	}
	c.group, c.carded, c.forgetful = group, true, false
	c.card = cards[2*group+c.rnd.below(2)]
	c.taps = append(c.taps, tap{at, c.card.UID})
	c.holds = append(c.holds, hold{at, c.card.Group})
}

// takeover lets another group take over a machine whose session is open.
func (c *crew) takeover(at int64) { c.tapIn(at) }

// end closes the session: the card taps out, unless it is forgotten.
func (c *crew) end(at int64) {
	if !c.carded {
		return
	}
	c.forgetful = c.rnd.chance(chanceForget)
	if !c.forgetful {
		c.taps = append(c.taps, tap{at, c.card.UID})
	}
	c.carded = false
	c.holds = append(c.holds, hold{at, ""})
}
