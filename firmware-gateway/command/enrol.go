package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"karkhana/firmware-gateway/enrol"
)

// Enrol joins a server.
type Enrol struct {
	Server string `help:"Address of the server, https://host or, within the building, http://host:port." required:""`
	Code   string `help:"One-time code from the manager. Default: it is asked for."`
	Config string `name:"config" short:"c" help:"Configuration file, made when there is none." default:"/etc/karkhana/gateway.yaml" type:"path"`
	CA     string `name:"ca" help:"Certificate (PEM) that vouches for the server, where it has one of its own." type:"existingfile"`
	Yes    bool   `short:"y" help:"Change an existing configuration without asking."`
}

// Run makes this gateway's key, joins and writes its configuration.
func (c *Enrol) Run(e *Env) error {
	in := e.Stdin
	if in == nil {
		in = os.Stdin
	}
	lines := bufio.NewReader(in)
	return enrol.Run(e.Context, enrol.Options{
		Server: c.Server, Code: c.Code, Config: c.Config, CAFile: c.CA, Yes: c.Yes, Version: e.Version, Out: e.Stdout,
		Ask: func(ctx context.Context, question string) (string, error) { return ask(ctx, e.Stdout, lines, question) },
	})
}

// ask puts a question. A reading that ctx has ended goes on until the process ends: a terminal's can't be broken off.
func ask(ctx context.Context, out io.Writer, in *bufio.Reader, question string) (string, error) {
	if _, err := fmt.Fprint(out, question); err != nil {
		return "", err
	}
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		fmt.Fprintln(out)
		return "", ctx.Err()
	}
}
