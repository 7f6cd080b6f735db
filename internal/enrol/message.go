package enrol

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"karkhana/internal/wire"
)

// Path is where the call is, below the server's address.
const Path = "/api/v1/enrol"

// JoinRequest is what a gateway sends to join.
type JoinRequest struct {
	Code      string `json:"code" maxLength:"64" doc:"The one-time code as it was typed" example:"K7QM-4T2X-9RDW"`
	KeySHA256 string `json:"key_sha256" pattern:"^[0-9a-f]{64}$" doc:"SHA-256 of the key that the gateway made, hex; the key itself stays on the gateway"`
	Host      string `json:"host,omitempty" maxLength:"100" doc:"Host name, for the audit log"`
	Version   string `json:"version,omitempty" maxLength:"100" doc:"Version of the gateway's program"`
}

// JoinAnswer is what a gateway gets: all that its configuration needs and that is not found out beside the machines.
type JoinAnswer struct {
	Site       string        `json:"site"`
	Gateway    string        `json:"gateway"`
	Zone       string        `json:"zone" doc:"IANA time zone of the site"`
	Broker     string        `json:"broker" doc:"Where samples go" example:"mqtt://192.168.1.10:1883"`
	BrokerNote string        `json:"broker_note,omitempty" doc:"What keeps gateways from reaching the broker, with its remedy"`
	CardSalt   string        `json:"card_salt" doc:"Salt of the site's card hashes"`
	CommandKey string        `json:"command_key,omitempty" doc:"Ed25519 public key that signs the site's commands, base64"`
	Machines   []JoinMachine `json:"machines" nullable:"false" doc:"The site's machines"`
}

// JoinMachine is a machine of the site.
type JoinMachine struct {
	ID     string `json:"id"`
	Class  string `json:"class"`
	NameHi string `json:"name_hi"`
	NameEn string `json:"name_en"`
}

// BrokerSchemes are the kinds of broker URL that gateways know.
var BrokerSchemes = []string{"mqtt", "mqtts", "tcp", "ssl", "tls"}

// CheckBroker returns an error unless s is the URL of a broker.
func CheckBroker(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || strings.ContainsFunc(s, isControl):
		return fmt.Errorf("broker %.200q: write it as mqtt://host:port", s)
	case !slices.Contains(BrokerSchemes, u.Scheme):
		return fmt.Errorf("broker %.200q: %q is no kind of broker that gateways know; use one of %v", s, u.Scheme, BrokerSchemes)
	case u.User != nil:
		return errors.New("broker: leave user and password out of the URL: each gateway has its own")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\'' }

// Check returns an error when an answer is none that a gateway could work with.
func (a *JoinAnswer) Check() error {
	if err := wire.CheckID("site", a.Site); err != nil {
		return err
	}
	if err := wire.CheckID("gateway", a.Gateway); err != nil {
		return err
	}
	if err := CheckBroker(a.Broker); err != nil {
		return err
	}
	if len(a.CardSalt) < 16 || strings.ContainsFunc(a.CardSalt, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("card salt: too short, or not plain text")
	}
	for _, m := range a.Machines {
		if err := wire.CheckID("machine", m.ID); err != nil {
			return err
		}
	}
	return nil
}
