package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// Gateway is a gateway of the site as it last reported.
type Gateway struct {
	ID          string     `json:"id"`
	Online      bool       `json:"online"`
	Seen        *time.Time `json:"seen,omitempty" doc:"Server time of its last sign of life; absent before the first"`
	AgeS        float64    `json:"age_s,omitempty" doc:"Age of that when this was made, s"`
	Version     string     `json:"version,omitempty"`
	Machines    *int       `json:"machines,omitempty" doc:"How many machines its configuration lists; 0: it has only joined"`
	Clock       string     `json:"clock,omitempty" doc:"How far its time can be trusted: synced, rtc, repaired, bounded"`
	RTC         string     `json:"rtc,omitempty" doc:"Its battery-backed clock: good, or why it is not trusted: stopped (battery empty), unreadable, before, absurd, doubtful"`
	SpoolPacks  uint64     `json:"spool_packs" doc:"Packs that wait on its disk"`
	OldestAgeS  int64      `json:"oldest_age_s" doc:"Age of the oldest of them, s"`
	Dropped     uint64     `json:"spool_dropped,omitempty" doc:"Packs lost since its start because the disk was full"`
	Thinned     uint64     `json:"spool_thinned,omitempty" doc:"Packs of which only cards and registers are left, for the same reason"`
	Supply      *bool      `json:"supply,omitempty" doc:"Mains present, where that is sensed"`
	Undervolted *bool      `json:"undervolted,omitempty" doc:"The Pi's 5 V are too low now"`
	ConfigError string     `json:"config_error,omitempty" doc:"Why a changed gateway.yaml was not taken; the former one runs on"`
	DiskFree    *uint64    `json:"disk_free_bytes,omitempty" doc:"Room for the queue"`
	DiskWritten *uint64    `json:"disk_written_bytes,omitempty" doc:"Written to the whole card since boot, where the kernel counts it"`
	Problems    []string   `json:"problems" nullable:"false" enum:"offline,mains-out,undervoltage,undervoltage-before,samples-lost,too-hot,throttled,throttled-before,disk-read-only,disk-low,clock-bounded,clock-rtc,queue-old,config-error" doc:"What somebody should look at, the most urgent first"`
}

type gatewaysOutput struct {
	Body struct {
		Gateways []Gateway `json:"gateways" nullable:"false"`
	}
}

func (a *API) routeGateways() {
	huma.Register(a.huma, operation("list-gateways", http.MethodGet, "/sites/{site}/gateways", "Gateways and what waits on them", ""),
		func(ctx context.Context, in *SiteInput) (*gatewaysOutput, error) {
			if _, err := a.site(ctx, in.Site); err != nil {
				return nil, err
			}
			rows, err := a.gateways(ctx, in.Site, a.now().UnixMilli())
			if err != nil {
				return nil, a.fail(ctx, "list the gateways", err)
			}
			var out gatewaysOutput
			out.Body.Gateways = rows
			return &out, nil
		})
}

// gateways lists a site's gateways. A status that can't be read is logged and leaves its fields empty.
func (a *API) gateways(ctx context.Context, site string, nowMs int64) ([]Gateway, error) {
	rows, err := a.reg.Gateways(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("list gateways: %w", err)
	}
	out := make([]Gateway, len(rows))
	for i, r := range rows {
		out[i] = a.shownGateway(r, nowMs)
	}
	return out, nil
}

func (a *API) shownGateway(r registry.Gateway, nowMs int64) Gateway {
	g := Gateway{ID: r.ID, Online: r.Online, Seen: atOrNil(r.SeenMs), Problems: []string{}}
	if !r.Online {
		g.Problems = append(g.Problems, "offline")
	}
	if r.SeenMs != 0 {
		g.AgeS = seconds(max(0, nowMs-r.SeenMs))
	}
	if r.StatusJSON == "" {
		return g
	}
	var s wire.Status
	if err := json.Unmarshal([]byte(r.StatusJSON), &s); err != nil {
		a.log.Debug("gateway status can't be read", "site", r.Site, "gateway", r.ID, "err", err)
		return g
	}
	if d := s.Disk; d != nil {
		g.DiskFree, g.DiskWritten = &d.FreeBytes, d.WrittenBytes
	}
	g.ConfigError = s.ConfigError
	g.Problems = append(g.Problems, statusProblems(s)...)
	g.Machines = s.Machines
	g.RTC = s.RTC
	g.Dropped, g.Thinned = s.SpoolDropped, s.SpoolThinned
	g.Version, g.Clock, g.SpoolPacks, g.OldestAgeS, g.Supply, g.Undervolted = s.Version, string(s.Clock), s.SpoolPacks, s.OldestAgeS, s.Supply, s.Undervolted
	return g
}
