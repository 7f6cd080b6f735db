package wire

import (
	"fmt"
	"strings"
)

// Lane is the last level of a pack's topic.
type Lane string

// The two lanes: live values first, backlog behind at a limited rate. Same form, same receipt.
const (
	LaneLive    Lane = "telemetry"
	LaneHistory Lane = "history"
)

// Kind is what a topic carries.
type Kind string

// The kinds of topic below cfc/v1/{site}/{gateway}.
const (
	KindTelemetry Kind = "telemetry"
	KindHistory   Kind = "history"
	KindReceipt   Kind = "receipt"
	KindStatus    Kind = "status"
	KindCommand   Kind = "command"
)

const prefix = "cfc/v1/"

// Topic is a parsed topic of the contract. Machine is set for telemetry and history only.
type Topic struct {
	Site, Gateway, Machine string
	Kind                   Kind
}

// PackTopic is where a gateway publishes a machine's packs.
func PackTopic(site, gateway, machine string, lane Lane) string {
	return prefix + site + "/" + gateway + "/" + machine + "/" + string(lane)
}

// ReceiptTopic is where ingest answers a gateway.
func ReceiptTopic(site, gateway string) string { return prefix + site + "/" + gateway + "/receipt" }

// StatusTopic holds the gateway's retained status, which is also its Will.
func StatusTopic(site, gateway string) string { return prefix + site + "/" + gateway + "/status" }

// CommandTopic is where the server asks a gateway for something. It never switches a machine.
func CommandTopic(site, gateway string) string { return prefix + site + "/" + gateway + "/command" }

// ParseTopic takes a topic of the contract apart and checks its ids.
func ParseTopic(s string) (Topic, error) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return Topic{}, fmt.Errorf("topic %.200q: does not start with %s", s, prefix)
	}
	p := strings.Split(rest, "/")
	var t Topic
	switch {
	case len(p) == 4 && (p[3] == string(KindTelemetry) || p[3] == string(KindHistory)):
		t = Topic{Site: p[0], Gateway: p[1], Machine: p[2], Kind: Kind(p[3])}
		if err := CheckID("machine", t.Machine); err != nil {
			return Topic{}, fmt.Errorf("topic %.200q: %w", s, err)
		}
	case len(p) == 3 && (p[2] == string(KindReceipt) || p[2] == string(KindStatus) || p[2] == string(KindCommand)):
		t = Topic{Site: p[0], Gateway: p[1], Kind: Kind(p[2])}
	default:
		return Topic{}, fmt.Errorf("topic %.200q: not one of cfc/v1/{site}/{gateway}/{machine}/telemetry|history or cfc/v1/{site}/{gateway}/receipt|status|command", s)
	}
	if err := CheckID("site", t.Site); err != nil {
		return Topic{}, fmt.Errorf("topic %.200q: %w", s, err)
	}
	if err := CheckID("gateway", t.Gateway); err != nil {
		return Topic{}, fmt.Errorf("topic %.200q: %w", s, err)
	}
	return t, nil
}

// Username is the MQTT user name of a gateway: site and gateway joined by a dot, which no id contains.
func Username(site, gateway string) string { return site + "." + gateway }
