package command

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"karkhana/firmware-gateway/health"
	"karkhana/firmware-gateway/local"
)

// running are the flags of commands that a running gateway carries out itself.
type running struct {
	Socket string `hidden:"" help:"Where the running gateway is reached." type:"path"`
	Report string `hidden:"" default:"/run/karkhana/health.json" type:"path"`
}

// find returns the gateway that runs on this computer, nil when none does. data is its data directory, "" when that is not
// known.
func (r running) find(ctx context.Context, data string) (*local.Client, error) {
	sockets := []string{r.Socket}
	if r.Socket == "" {
		sockets = sockets[:0]
		if data != "" {
			sockets = append(sockets, local.Socket("", data))
		}
		sockets = append(sockets, local.Socket(health.RuntimeDir, ""))
	}
	for _, s := range sockets {
		c, err := local.Dial(ctx, s)
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, fs.ErrPermission):
			return nil, errors.Join(err, errNotAllowed)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		default:
			return nil, err
		}
	}
	return nil, free(r.Report)
}

var errNotAllowed = errors.New("only root and the gateway's group may: put sudo before the command")

// free refuses to read sensors that a running gateway reads and that can't be reached: two at once on a line spoil each
// other's answers.
func free(report string) error {
	up, err := health.Up(os.DirFS("/"))
	if err != nil {
		return nil //nolint:nilerr // another system than Linux: no gateway runs as a service there
	}
	r, err := health.ReadReport(report)
	if err != nil || up-r.UpMs > 3*health.WriteEvery.Milliseconds() || up < r.UpMs {
		return nil //nolint:nilerr // none, or an old one
	}
	return errBusy
}

var errBusy = errors.New("the gateway of this computer is running, reads the sensors and does not answer at its socket: stop it first (systemctl stop karkhana-gateway), and start it afterwards")
