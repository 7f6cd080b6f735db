package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/analytics/gap"
	"karkhana/analytics/timeline"
	"karkhana/internal/spreadsheet"
)

// Gap is a stretch of a machine without samples, with its cause.
type Gap struct {
	Machine   string     `json:"machine"`
	Gateway   string     `json:"gateway,omitempty" doc:"That read the machine before, as far as known"`
	Start     time.Time  `json:"start" doc:"The last good sample before"`
	End       time.Time  `json:"end" doc:"The next good sample; of an open gap the time of asking"`
	DurationS float64    `json:"duration_s"`
	Open      bool       `json:"open" doc:"Still growing"`
	Cause     string     `json:"cause" enum:"supply,link,gateway,sensor,unknown"`
	Evidence  string     `json:"evidence" enum:"supply-sensor,site,fault,neighbours,gateway-online,boot,stopped,together,lost,backlog,arrived,not-heard,none,filled,late" doc:"What tells the cause, see docs/gaps.md"`
	Fault     string     `json:"fault,omitempty" doc:"What the sensor sent in the gap: its fault, or other for other quantities"`
	Since     *time.Time `json:"since,omitempty" doc:"not-heard: the gateway's last sign of life; backlog, boot, stopped, lost: when that was"`
	Filled    *time.Time `json:"filled,omitempty" doc:"Late data has filled it, the last of it then: this time is no longer unknown"`
}

// GapsInput asks for gaps of a site or a machine.
type GapsInput struct {
	SiteInput
	Span
	Machine string `query:"machine" maxLength:"40"`
}

type gapsOutput struct {
	Body struct {
		Gaps []Gap `json:"gaps" nullable:"false" doc:"Oldest first, whole (not cut to from–to)"`
	}
}

func (a *API) routeGaps() {
	huma.Register(a.huma, operation("list-gaps", http.MethodGet, "/sites/{site}/gaps", "Stretches without samples, and why",
		"Gaps that overlap from–to, at most 100 days, with those that late data has filled since."),
		func(ctx context.Context, in *GapsInput) (*gapsOutput, error) {
			gaps, err := a.askedGaps(ctx, in)
			if err != nil {
				return nil, err
			}
			var out gapsOutput
			out.Body.Gaps = gaps
			return &out, nil
		})
	csv := operation("get-gaps-csv", http.MethodGet, "/sites/{site}/gaps.csv", "The gaps as a table for spreadsheets", "Times are the site's.")
	huma.Register(a.huma, giving(csv, "The table", "text/csv"), func(ctx context.Context, in *struct {
		GapsInput
		TableInput
	}) (*fileOutput, error) {
		gaps, err := a.askedGaps(ctx, &in.GapsInput)
		if err != nil {
			return nil, err
		}
		t, err := a.newTable(ctx, in.Site, in.Lang, "machine", "gateway", "from", "to", "seconds", "open", "cause", "evidence", "fault", "filled")
		if err != nil {
			return nil, err
		}
		t.gaps(gaps)
		return file(csvType, in.Site+"-gaps.csv", t.bytes()), nil
	})
}

func (t *table) gaps(gaps []Gap) {
	for _, g := range gaps {
		filled := ""
		if g.Filled != nil {
			filled = t.time(*g.Filled, time.DateTime)
		}
		t.row(t.machine(g.Machine), g.Gateway, t.time(g.Start, time.DateTime), t.time(g.End, time.DateTime), strconv.FormatFloat(g.DurationS, 'f', 0, 64),
			t.yes(g.Open), t.word("cause.", g.Cause), t.word("evidence.", g.Evidence), spreadsheet.Text(t.word("fault.", g.Fault)), filled)
	}
}

func (a *API) askedGaps(ctx context.Context, in *GapsInput) ([]Gap, error) {
	fromMs, toMs, err := in.check(100 * day)
	if err != nil {
		return nil, err
	}
	if in.Machine != "" {
		_, _, err = a.machine(ctx, in.Site, in.Machine)
	} else {
		_, err = a.site(ctx, in.Site)
	}
	if err != nil {
		return nil, err
	}
	rows, err := gap.Read(ctx, a.store, a.reg, in.Site, in.Machine, fromMs, toMs)
	if err != nil {
		return nil, a.fail(ctx, "read the gaps", err)
	}
	nowMs := a.now().UnixMilli()
	out := make([]Gap, len(rows))
	for i, g := range rows {
		out[i] = shownGap(g, nowMs)
	}
	return out, nil
}

func shownGap(g gap.Gap, nowMs int64) Gap {
	toMs, open := g.ToMs, g.ToMs == 0
	if open {
		toMs = max(nowMs, g.FromMs)
	}
	return Gap{
		Machine: g.Machine, Gateway: g.Gateway, Start: at(g.FromMs), End: at(toMs), DurationS: seconds(toMs - g.FromMs), Open: open,
		Cause: g.Cause, Evidence: g.Evidence, Fault: g.Fault, Since: atOrNil(g.SinceMs), Filled: atOrNil(g.FilledMs),
	}
}

// explainUnknown gives unknown intervals the cause that the ledger tells. What the ledger does not know keeps its own.
func (a *API) explainUnknown(ctx context.Context, site, machine string, out []Interval) error {
	var fromMs, toMs int64
	for _, iv := range out {
		if iv.State == timeline.StateUnknown {
			if fromMs == 0 {
				fromMs = iv.Start.UnixMilli()
			}
			toMs = iv.End.UnixMilli()
		}
	}
	if toMs == 0 {
		return nil
	}
	gaps, err := gap.Read(ctx, a.store, a.reg, site, machine, fromMs, toMs)
	if err != nil {
		return a.fail(ctx, "read the gaps", err)
	}
	for i := range out {
		iv := &out[i]
		if iv.State != timeline.StateUnknown {
			continue
		}
		startMs, endMs := iv.Start.UnixMilli(), iv.End.UnixMilli()
		for _, g := range gaps {
			if g.FilledMs == 0 && g.FromMs < endMs && (g.ToMs == 0 || g.ToMs > startMs) {
				iv.Cause, iv.Evidence = g.Cause, g.Evidence
				break
			}
		}
	}
	return nil
}
