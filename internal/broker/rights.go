package broker

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"karkhana/internal/wire"
)

// Rights are what a client may do, as MQTT topic filters. Empty means nothing.
type Rights struct {
	Publish, Subscribe []string
}

// GatewayRights lets a gateway write its machines' packs and its status, and read its receipts and commands.
func GatewayRights(site, gateway string) Rights {
	return Rights{
		Publish: []string{
			wire.PackTopic(site, gateway, "+", wire.LaneLive),
			wire.PackTopic(site, gateway, "+", wire.LaneHistory),
			wire.StatusTopic(site, gateway),
		},
		Subscribe: []string{wire.ReceiptTopic(site, gateway), wire.CommandTopic(site, gateway)},
	}
}

// IngestRights lets ingest read what all gateways write and answer with receipts and commands.
func IngestRights() Rights {
	return Rights{
		Publish: []string{wire.ReceiptTopic("+", "+"), wire.CommandTopic("+", "+")},
		Subscribe: []string{
			wire.PackTopic("+", "+", "+", wire.LaneLive),
			wire.PackTopic("+", "+", "+", wire.LaneHistory),
			wire.StatusTopic("+", "+"),
		},
	}
}

// permissions translates the rights for the NATS server, which sees MQTT topics as subjects. Its own $MQTT. subjects
// need no permission.
func (r Rights) permissions() (*server.Permissions, error) {
	publish, err := subjects(r.Publish)
	if err != nil {
		return nil, err
	}
	subscribe, err := subjects(r.Subscribe)
	if err != nil {
		return nil, err
	}
	p := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: subscribe},
	}
	if len(publish) == 0 { // the server takes an empty list for "everything"
		p.Publish.Deny = []string{">"}
	}
	if len(subscribe) == 0 {
		p.Subscribe.Deny = []string{">"}
	}
	return p, nil
}

func subjects(filters []string) ([]string, error) {
	out := make([]string, 0, len(filters))
	for _, f := range filters {
		levels := strings.Split(f, "/")
		for i, l := range levels {
			switch {
			case l == "+":
				levels[i] = "*"
			case l == "#" && i == len(levels)-1:
				levels[i] = ">"
			case l == "" || strings.ContainsAny(l, ".*> \t\r\n#+\x00"):
				return nil, fmt.Errorf("topic filter %.200q: level %d cannot be translated", f, i+1)
			}
		}
		out = append(out, strings.Join(levels, "."))
	}
	return out, nil
}
