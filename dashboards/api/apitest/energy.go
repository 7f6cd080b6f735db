package apitest

import (
	"context"
	"time"

	"karkhana/analytics/timeline"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// supply is an electricity tariff with the bands of docs/site.example.yaml.
func supply(sinceMs int64) electricity.Config {
	band := func(id, hi, en string, percent electricity.Percent, hours ...int) electricity.Band {
		b := electricity.Band{ID: id, Hi: hi, En: en, Percent: percent}
		for _, h := range hours {
			b.Quarters = append(b.Quarters, 4*h, 4*h+1, 4*h+2, 4*h+3)
		}
		return b
	}
	return electricity.Config{
		Tariffs: []electricity.Tariff{{
			ValidFromMs: sinceMs, Order: "Example order, medium industry", Basis: electricity.BasisKWh, Energy: 650_000, Surcharge: 100_000, ShareBy: electricity.KeyRunHours,
			Bands: []electricity.Band{
				band("normal", "सामान्य", "Normal", 0, 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 16, 17, 22, 23),
				band("morning", "सुबह (महँगी)", "Morning peak", 500, 6, 7),
				band("solar", "दोपहर (सस्ती)", "Solar hours", -1000, 12, 13, 14, 15),
				band("evening", "शाम (महँगी)", "Evening peak", 1000, 18, 19, 20, 21),
			},
			Fixed: electricity.Fixed{Per: electricity.PerKVA, Paise: 300_00, Load: 60_000, Least: 7500, DemandMinutes: 15},
		}},
		Metals: []electricity.Metal{{
			ID: "brass-70-30", Hi: "पीतल 70/30", En: "Brass 70/30", Solid: 380, Melts: 930, Latent: 168_000, Liquid: 490, Pours: 1050,
		}},
		Emission: []electricity.Emission{{Year: 2024, MicroKgPerKWh: 710_000, Version: "CEA v21.0, Nov 2025"}},
	}
}

// mainHours writes the hours of the main meter: what the machines drew and 420 W of lights and fans.
func (w *World) mainHours(ctx context.Context, m *machine, begin time.Time) error {
	sums := map[int64]int64{}
	for _, other := range w.machines {
		if other.Class == registry.ClassMainMeter {
			continue
		}
		hours, err := timeline.ReadHours(ctx, w.Store, Site, other.ID, begin.UnixMilli(), w.nowMs)
		if err != nil {
			return err
		}
		for _, h := range hours {
			sums[h.StartMs] += h.MilliWh()
		}
	}
	var points []tsdb.Point
	for at := begin.UnixMilli(); at < w.nowMs; at = timeline.NextHour(at, w.zone) {
		ms := min(timeline.HourMs, w.nowMs-at)
		points = append(points, timeline.Hour{StartMs: at, RunMs: ms, RunMilliWh: sums[at] + 420*ms/3600}.Point(Site, m.ID))
	}
	return w.Store.Write(ctx, points)
}
