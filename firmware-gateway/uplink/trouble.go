package uplink

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Trouble is what a failure of the connection comes down to, for people.
type Trouble string

// The troubles.
const (
	TroubleNone        Trouble = ""
	TroubleName        Trouble = "name"        // the broker's name is not found: most often no internet
	TroubleUnreachable Trouble = "unreachable" // no way to the network
	TroubleRefused     Trouble = "refused"     // the computer is there, the broker is not
	TroubleSilent      Trouble = "silent"      // nobody answers in time
	TroubleKey         Trouble = "key"         // the broker does not take this gateway's key
	TroubleOther       Trouble = "other"
)

// troubleOf sums an error up.
func troubleOf(err error) Trouble {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case err == nil:
		return TroubleNone
	case errors.Is(err, packets.ErrorRefusedNotAuthorised), errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), strings.Contains(err.Error(), "does not let this gateway"):
		return TroubleKey
	case errors.As(err, &dns):
		return TroubleName
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETDOWN):
		return TroubleUnreachable
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return TroubleRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), strings.Contains(err.Error(), "no answer within"):
		return TroubleSilent
	}
	return TroubleOther
}
