package timeline

import (
	"strconv"
	"strings"
)

// MostParts bounds the text of an hour's parts; an hour of more is told by its pieces alone.
const MostParts = 512

// NoParts stands for the parts of an hour of too many.
const NoParts = "-"

var partStates = map[byte]string{'O': StateOff, 'I': StateIdle, 'R': StateRun, 'U': StateUnknown}

// AddPart appends a stretch of one state to an hour's parts: the state's letter and the length in ms to the base of 36. Once
// they are longer than MostParts they stay NoParts.
func AddPart(parts string, state byte, ms int64) string {
	if ms == 0 || parts == NoParts {
		return parts
	}
	if parts += string(state) + strconv.FormatInt(ms, 36); len(parts) > MostParts {
		return NoParts
	}
	return parts
}

// Uniform reports whether an hour of the given length is known to be one state throughout, or nothing is known of it.
func (h Hour) Uniform(lengthMs int64) bool {
	return h.OffMs == lengthMs || h.IdleMs == lengthMs || h.RunMs == lengthMs || h.OffMs+h.IdleMs+h.RunMs == 0
}

// States are the states of the hour in their order, without energies: what the pieces within it say. false: the hour does not
// tell, because it was stored by an earlier version or has too many.
func (h Hour) States() ([]Interval, bool) {
	var out []Interval
	var off, idle, run int64
	at, text := h.StartMs, h.Parts
	for text != "" {
		state, ok := partStates[text[0]]
		n := 1 + strings.IndexAny(text[1:], "OIRU")
		if n == 0 {
			n = len(text)
		}
		ms, err := strconv.ParseInt(text[1:n], 36, 64)
		if !ok || err != nil || ms <= 0 {
			return nil, false
		}
		switch state {
		case StateOff:
			off += ms
		case StateIdle:
			idle += ms
		case StateRun:
			run += ms
		}
		out = append(out, Interval{State: state, StartMs: at, EndMs: at + ms})
		at, text = at+ms, text[n:]
	}
	return out, off == h.OffMs && idle == h.IdleMs && run == h.RunMs
}
