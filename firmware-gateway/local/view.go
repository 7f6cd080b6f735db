// Package local lets people and commands on the same computer look at a running gateway: its live values, its queue, and
// what is connected, without taking the buses from it.
//
// It owns the view, and how it travels over a unix socket that only the gateway's user and group may open. The pages for
// people are in package page.
package local

import (
	"context"
	"time"

	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/live"
	"karkhana/firmware-gateway/scan"
	"karkhana/firmware-gateway/sensor"
	"karkhana/firmware-gateway/uplink"
	"karkhana/internal/wire"
)

// Gateway is the running gateway as it is looked at.
type Gateway interface {
	// View returns how everything stands. It does not wait.
	View() View
	// Scan looks what is connected, in the gaps between the gateway's readings. It fails with ErrBusy while another scan
	// or test goes on.
	Scan(ctx context.Context, ask scan.Ask, progress func(string)) (*scan.Report, error)
	// Selftest judges the sensors after some time of watching; otherwise as Scan.
	Selftest(ctx context.Context, lasts time.Duration) ([]sensor.Verdict, error)
}

// View is how a gateway stands.
type View struct {
	Site    string `json:"site"`
	Gateway string `json:"gateway"`
	Version string `json:"version"`

	TimeMs int64      `json:"time_ms"` // the gateway's clock
	Clock  wire.Clock `json:"clock"`   // how far it is trusted

	Machines []Machine     `json:"machines"`
	Queue    Queue         `json:"queue"`
	Link     Link          `json:"link"`
	System   health.System `json:"system"`
	Config   Config        `json:"config"`

	AllowList *wire.AllowListStatus `json:"allow_list,omitempty"` // nil: this gateway has no list of cards
}

// Machine is one machine with its newest values.
type Machine struct {
	ID     string       `json:"id"`
	Source string       `json:"source"`
	Values []live.Value `json:"values"` // none: it has no present, or is not read yet
}

// Queue is what waits on disk for the server.
type Queue struct {
	Packs      int      `json:"packs"`
	Bytes      int64    `json:"bytes"`
	MaxBytes   int64    `json:"max_bytes"`
	OldestAgeS int64    `json:"oldest_age_s"`
	DaysLeft   *float64 `json:"days_left,omitempty"` // until the oldest raw samples go; absent: not known, little waits
	Receipted  uint64   `json:"receipted"`           // packs proved stored since the start
	Dropped    uint64   `json:"dropped"`             // lost for want of room
	Thinned    uint64   `json:"thinned"`             // reduced to cards and registers for want of room
	Failing    string   `json:"failing,omitempty"`   // why the disk takes nothing now
}

// Link is the connection to the server.
type Link struct {
	Broker    string `json:"broker"`
	Connected bool   `json:"connected"`
	ForS      int64  `json:"for_s"`           // since it is so
	Error     string `json:"error,omitempty"` // last failure while not connected
	// Trouble sums the failure up; "" while connected.
	Trouble uplink.Trouble `json:"trouble,omitempty"`
}

// Config says what the gateway runs with.
type Config struct {
	Hash  string `json:"hash"`            // of the file
	Error string `json:"error,omitempty"` // why a newer file is not used
}

// Expected returns whether a value was read that is expected to come by itself. A card may never come.
func (m Machine) Expected() (all bool) {
	for _, v := range m.Values {
		if !v.Seen && v.Quantity != "card" {
			return false
		}
	}
	return true
}

// Queue's arithmetic needs this much to go by.
const (
	fewPacks    = 100
	shortOutage = 10 * 60 // seconds
)

// Left estimates after how many days the queue is full, from how fast it has grown; nil: too little waits to tell. free is
// what the disk has left.
func (q Queue) Left(free *uint64) *float64 {
	if q.Packs < fewPacks || q.OldestAgeS < shortOutage || q.Bytes <= 0 {
		return nil
	}
	room := float64(q.MaxBytes - q.Bytes)
	if free != nil {
		room = min(room, float64(*free))
	}
	days := max(0, room) / (float64(q.Bytes) / float64(q.OldestAgeS)) / 86400
	return &days
}
