package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/registry"
	"karkhana/internal/wire"
)

// commandLife is how long a command waits for its gateway when nobody says otherwise.
const commandLife = 10 * time.Minute

// Command is something that a gateway was asked to do with itself, and what became of it. None switches a machine.
type Command struct {
	ID       int64      `json:"id"`
	Kind     string     `json:"kind" enum:"reload,self-test,replay"`
	From     *time.Time `json:"from,omitempty" doc:"replay only"`
	To       *time.Time `json:"to,omitempty" doc:"replay only"`
	By       string     `json:"by"`
	Queued   time.Time  `json:"queued"`
	Expires  time.Time  `json:"expires" doc:"Without an answer until then it comes to nothing"`
	State    string     `json:"state" enum:"queued,sent,done,failed,expired"`
	Sent     *time.Time `json:"sent,omitempty" doc:"Last sending"`
	Sendings int64      `json:"sendings"`
	Ended    *time.Time `json:"ended,omitempty"`
	Detail   string     `json:"detail,omitempty" doc:"What the gateway said, or why there is no answer; may have several lines"`
}

// GatewayInput names a gateway of a site in the path.
type GatewayInput struct {
	SiteInput
	Gateway string `path:"gateway" doc:"Gateway id" example:"gw-1"`
}

type commandsInput struct {
	GatewayInput
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}

type commandsOutput struct {
	Body struct {
		Commands []Command `json:"commands" nullable:"false" doc:"Newest first"`
	}
}

type sendCommandInput struct {
	GatewayInput
	Body struct {
		Kind   string     `json:"kind" enum:"reload,self-test,replay" doc:"reload: read the configuration again; self-test: tell how the sensors do; replay: send again at once what has no receipt"`
		From   *time.Time `json:"from,omitempty" doc:"replay only: packs whose newest sample is not before this"`
		To     *time.Time `json:"to,omitempty" doc:"replay only: packs whose newest sample is not after this"`
		ValidS int64      `json:"valid_s,omitempty" minimum:"10" maximum:"2592000" doc:"How long it may wait for the gateway, s; 600 by default"`
	}
}

type commandOutput struct{ Body Command }

func (a *API) routeCommands() {
	list := operation("list-commands", http.MethodGet, "/sites/{site}/gateways/{gateway}/commands", "Commands to a gateway and what became of them", "")
	huma.Register(a.huma, list, a.listCommands)
	send := operation("send-command", http.MethodPost, "/sites/{site}/gateways/{gateway}/commands", "Ask a gateway to do something with itself",
		"It is queued, sent until the gateway's status shows its outcome, and expires. Read it again with GET. A technician may ask for a self-test only.")
	send.DefaultStatus = http.StatusAccepted
	send.Errors = append(send.Errors, http.StatusTooManyRequests)
	huma.Register(a.huma, send, a.sendCommand)
}

// gateway looks a site and its gateway up; an unknown one is a 404 that names those there are.
func (a *API) gateway(ctx context.Context, site, id string) error {
	if _, err := a.site(ctx, site); err != nil {
		return err
	}
	all, err := a.reg.Gateways(ctx, site)
	if err != nil {
		return a.fail(ctx, "list the gateways", err)
	}
	ids := make([]string, len(all))
	for i, g := range all {
		if g.ID == id {
			return nil
		}
		ids[i] = g.ID
	}
	return problem(http.StatusNotFound, "no gateway %q at site %q; %s", id, site, known("gateways", ids))
}

func (a *API) listCommands(ctx context.Context, in *commandsInput) (*commandsOutput, error) {
	if err := a.gateway(ctx, in.Site, in.Gateway); err != nil {
		return nil, err
	}
	rows, err := a.reg.Commands(ctx, in.Site, in.Gateway, in.Limit)
	if err != nil {
		return nil, a.fail(ctx, "list the commands", err)
	}
	var out commandsOutput
	out.Body.Commands = make([]Command, len(rows))
	for i, c := range rows {
		out.Body.Commands[i] = shownCommand(c)
	}
	return &out, nil
}

func (a *API) sendCommand(ctx context.Context, in *sendCommandInput) (*commandOutput, error) {
	by := caller(ctx)
	if by.role == technician && in.Body.Kind != wire.CommandSelfTest {
		return nil, problem(http.StatusForbidden, "role technician may ask for a self-test only: %s needs admin or manager", in.Body.Kind)
	}
	if err := a.gateway(ctx, in.Site, in.Gateway); err != nil {
		return nil, err
	}
	body, err := replayBody(in.Body.Kind, in.Body.From, in.Body.To)
	if err != nil {
		return nil, err
	}
	now, life := a.now(), commandLife
	if in.Body.ValidS > 0 {
		life = time.Duration(in.Body.ValidS) * time.Second
	}
	c, err := a.reg.QueueCommand(ctx, registry.Command{
		Site: in.Site, Gateway: in.Gateway, Kind: in.Body.Kind, Body: body, By: by.name,
		QueuedMs: now.UnixMilli(), ExpiresMs: now.Add(life).UnixMilli(),
	})
	if errors.Is(err, registry.ErrTooMany) {
		return nil, problem(http.StatusTooManyRequests, "twenty commands wait for gateway %q already: wait until they have ended", in.Gateway)
	}
	if err != nil {
		return nil, a.fail(ctx, "queue the command", err)
	}
	return &commandOutput{Body: shownCommand(c)}, nil
}

// replayBody makes the body of a command.
func replayBody(kind string, from, to *time.Time) (string, error) {
	if kind != wire.CommandReplay {
		if from != nil || to != nil {
			return "", problem(http.StatusBadRequest, "from and to go with replay only")
		}
		return "", nil
	}
	var r wire.Replay
	if from != nil {
		r.FromMs = from.UnixMilli()
	}
	if to != nil {
		r.ToMs = to.UnixMilli()
	}
	b, err := r.Encode()
	if err != nil {
		return "", problem(http.StatusBadRequest, "from must not be after to, and neither before 1970")
	}
	return string(b), nil
}

func shownCommand(c registry.Command) Command {
	out := Command{
		ID: c.ID, Kind: c.Kind, By: c.By, Queued: at(c.QueuedMs), Expires: at(c.ExpiresMs), State: string(c.State),
		Sent: atOrNil(c.SentMs), Sendings: c.Sendings, Ended: atOrNil(c.EndedMs), Detail: c.Detail,
	}
	var r wire.Replay
	if json.Unmarshal([]byte(c.Body), &r) == nil { // what it asks for, when it asks for something
		out.From, out.To = atOrNil(r.FromMs), atOrNil(r.ToMs)
	}
	return out
}
