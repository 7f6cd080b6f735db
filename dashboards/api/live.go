package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// MachineEvent carries what changed of a machine; a part that did not change is absent.
type MachineEvent struct {
	ID    string        `json:"id"`
	Live  *MachineLive  `json:"live,omitempty"`
	Today *MachineToday `json:"today,omitempty"`
}

// Ping comes when the stream opens, every 15 seconds, and at once when reading begins to fail or works again.
type Ping struct {
	Time time.Time `json:"time" doc:"Server's clock"`
	OK   bool      `json:"ok" doc:"False: the store or the registry does not answer, the picture stands still"`
}

// writeLimit is how long one write to a viewer may take.
const writeLimit = 10 * time.Second

type liveInput struct {
	SiteInput
	Cursor      string `query:"cursor" maxLength:"40" doc:"From …/machines: send only what changed since"`
	LastEventID string `header:"Last-Event-ID" maxLength:"40" doc:"Sent by browsers that come back"`
}

func (a *API) routeLive() {
	op := operation("live", http.MethodGet, "/sites/{site}/live", "What changes, as server-sent events",
		"Events: `machine` (MachineEvent), `alarm` (Alarm; state resolved takes it off the list), `gateway` (Gateway), `ping` (Ping). "+
			"On opening come the machines that changed since the cursor (all without one), every unresolved alarm and every gateway. Viewers that don't keep up are disconnected and may come back with their last event id.")
	schemas := a.huma.OpenAPI().Components.Schemas
	for _, v := range []any{MachineEvent{}, Alarm{}, Gateway{}, Ping{}} {
		addSchema(schemas, v)
	}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
	}}
	huma.Register(a.huma, op, func(ctx context.Context, in *liveInput) (*huma.StreamResponse, error) {
		s, err := a.site(ctx, in.Site)
		if err != nil {
			return nil, err
		}
		b := a.hub.board(s)
		cursor := in.LastEventID
		if cursor == "" {
			cursor = in.Cursor
		}
		v, first, err := b.watch(ctx, cursor)
		if err != nil {
			return nil, a.fail(ctx, "read the machines", err)
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			defer b.leave(v)
			a.metrics.viewers.Inc()
			defer a.metrics.viewers.Dec()
			r, w := humago.Unwrap(hctx)
			a.stream(r.Context(), w, v, first)
		}}, nil
	})
}

// stream writes batches to one viewer until it goes, is sent away, or can't take a batch in time.
func (a *API) stream(ctx context.Context, w http.ResponseWriter, v *watcher, first []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies must not hold events back
	h.Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	for batch := first; ; {
		_ = control.SetWriteDeadline(time.Now().Add(writeLimit)) // not every test writer has one
		if _, err := w.Write(batch); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-v.gone:
			return
		case batch = <-v.batches:
		}
	}
}
