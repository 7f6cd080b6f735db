package apitest

import (
	"context"
	"time"

	"karkhana/internal/registry"
)

// gaps writes what the ledger of a few days holds: the supply was out two evenings ago, a thermocouple broke for a while
// yesterday, this noon the network was away and the data came later, and gateway 2 has been silent for 40 minutes.
func (w *World) gaps(ctx context.Context) error {
	today := time.Date(2026, 11, 20, 0, 0, 0, 0, w.zone)
	clock := func(days, hour, minute int) int64 {
		return today.AddDate(0, 0, days).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute).UnixMilli()
	}
	for _, m := range w.machines {
		if m.Class == registry.ClassMainMeter {
			continue
		}
		gateway := "gw-1"
		if m.ID == "polishing-2" {
			gateway = "gw-2"
		}
		err := w.Registry.NoteBoots(ctx, []registry.MachineBoot{
			{Site: Site, Machine: m.ID, Gateway: gateway, Boot: gateway + "-a", FromMs: clock(-19, 0, 0)},
			{Site: Site, Machine: m.ID, Gateway: gateway, Boot: gateway + "-b", FromMs: clock(-2, 19, 52)},
		})
		if err != nil {
			return err
		}
		holes := []registry.Gap{{Site: Site, Machine: m.ID, FromMs: clock(-2, 19, 10), ToMs: clock(-2, 19, 52)}}
		switch m.ID {
		case "furnace-1":
			holes = append(holes, registry.Gap{Site: Site, Machine: m.ID, FromMs: clock(-1, 7, 5), ToMs: clock(-1, 7, 48), Fault: "fault:open"})
			late := append(holes[:len(holes):len(holes)], registry.Gap{Site: Site, Machine: m.ID, FromMs: clock(0, 12, 31), ToMs: clock(0, 13, 4)})
			if err := w.Registry.ReplaceGaps(ctx, Site, m.ID, 0, late, w.nowMs, clock(0, 13, 4)); err != nil {
				return err
			}
		case "polishing-2":
			holes = append(holes, registry.Gap{Site: Site, Machine: m.ID, FromMs: w.nowMs - 40*60_000})
		}
		if err := w.Registry.ReplaceGaps(ctx, Site, m.ID, 0, holes, w.nowMs, clock(0, 13, 9)); err != nil {
			return err
		}
	}
	return nil
}
