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
	// ClientID is the MQTT client id of this user alone; with "_" and more behind it too. Ids with "_" and those that
	// begin with "karkhana-ingest" are closed to other users that have a ClientID. Empty: any id may be used.
	ClientID string
	// JetStream lets the user read, over the NATS protocol too, the streams in which the server keeps MQTT messages, and
	// put messages for MQTT sessions there.
	JetStream bool
}

// ingestClientID begins the client ids of ingest.
const ingestClientID = "karkhana-ingest"

// mayUse reports whether an MQTT client of this user may have this id.
func (r Rights) mayUse(clientID string) bool {
	if r.ClientID == "" || clientID == r.ClientID || strings.HasPrefix(clientID, r.ClientID+"_") {
		return true
	}
	return !strings.Contains(clientID, "_") && !strings.HasPrefix(clientID, ingestClientID)
}

// GatewayRights lets a gateway write its machines' packs and its status, and read its receipts and commands.
func GatewayRights(site, gateway string) Rights {
	return Rights{
		ClientID: site + "_" + gateway,
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
		JetStream: true,
		Publish:   []string{wire.ReceiptTopic("+", "+"), wire.CommandTopic("+", "+")},
		Subscribe: []string{
			wire.PackTopic("+", "+", "+", wire.LaneLive),
			wire.PackTopic("+", "+", "+", wire.LaneHistory),
			wire.StatusTopic("+", "+"),
		},
	}
}

// Permissions translates the rights for the NATS server, which sees MQTT topics as subjects. Its own $MQTT. subjects
// need no permission for MQTT clients.
func (r Rights) Permissions() (*server.Permissions, error) {
	publish, err := subjects(r.Publish)
	if err != nil {
		return nil, err
	}
	subscribe, err := subjects(r.Subscribe)
	if err != nil {
		return nil, err
	}
	if r.JetStream {
		publish = append(publish, jetStreamPublish(publish)...)
		subscribe = append(subscribe, "_INBOX.>")
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

// jetStreamPublish is what a JetStream client says to make and read its consumers, acknowledge, and put messages for
// MQTT sessions on the subjects that it may publish to.
func jetStreamPublish(subjects []string) []string {
	var out []string
	for _, stream := range []string{"$MQTT_msgs", "$MQTT_rmsgs"} {
		out = append(out, "$JS.API.CONSUMER.CREATE."+stream+".>", "$JS.API.CONSUMER.INFO."+stream+".>",
			"$JS.API.CONSUMER.MSG.NEXT."+stream+".>", "$JS.ACK."+stream+".>")
	}
	for _, s := range subjects {
		out = append(out, "$MQTT.msgs."+s)
	}
	return out
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
