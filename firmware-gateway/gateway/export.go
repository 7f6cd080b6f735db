package gateway

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

// exported is one sample as Export writes it.
type exported struct {
	Site     string `json:"site"`
	Machine  string `json:"machine"`
	Spool    string `json:"spool"`
	Seq      uint64 `json:"seq"`
	Clock    string `json:"clock"`
	Time     string `json:"time"` // UTC, RFC 3339 with milliseconds
	Quantity string `json:"quantity"`
	Value    any    `json:"value,omitempty"` // none of a fault
	Unit     string `json:"unit,omitempty"`
	Quality  string `json:"quality,omitempty"`
}

// Export writes every sample that is queued, oldest pack first, one JSON object in a line, and takes nothing out of the
// queue. It is for a gateway that does not run. Packs whose time is not known yet are left out.
func (g *Gateway) Export(w io.Writer) (packs int, err error) {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	c := queue{g}.Cursor()
	defer c.Close()
	for {
		r, err := c.Next()
		if errors.Is(err, io.EOF) {
			return packs, out.Flush()
		}
		if err != nil {
			return packs, fmt.Errorf("export: %w", err)
		}
		p, err := wire.Decode(r.Payload)
		if err != nil {
			return packs, fmt.Errorf("export: pack %d: %w", r.Seq, err)
		}
		packs++
		for _, s := range p.Samples {
			if err := enc.Encode(line(p, s)); err != nil {
				return packs, fmt.Errorf("export: %w", err)
			}
		}
	}
}

func line(p *wire.Pack, s wire.Sample) exported {
	q, _ := quantity.Get(s.Quantity)
	e := exported{
		Site: p.Site, Machine: p.Machine, Spool: p.Spool, Seq: p.Seq, Clock: string(p.Clock),
		Time:     time.UnixMilli(s.TimeMs).UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Quantity: s.Quantity, Unit: q.Unit, Quality: s.Quality,
	}
	switch {
	case s.IsFault():
	case q.Kind == quantity.KindText:
		e.Value = s.Text
	case q.Kind == quantity.KindBool:
		e.Value = s.Bool
	default:
		e.Value = s.Number
	}
	return e
}
