// Package ready answers /readyz: what a process needs, and whether it has it just now.
package ready

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Checks are what must be in order, by name. Each returns what is wrong just now, or nil.
type Checks map[string]func(context.Context) error

// Said is an error whose text anybody may read; of others the answer says only that the part does not answer.
type Said string

// Error implements error.
func (s Said) Error() string { return string(s) }

// within is how long the parts have to answer.
const within = 3 * time.Second

// Answer asks all parts and writes JSON with what is wrong with each; status 503 when something is. They are asked side by
// side: one that hangs uses up the time, and the others must not be blamed for it.
func Answer(w http.ResponseWriter, r *http.Request, checks Checks, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	var asked sync.WaitGroup
	var mutex sync.Mutex
	answer, status := map[string]string{}, http.StatusOK
	for name, check := range checks {
		asked.Go(func() {
			words := "ok"
			if err := check(ctx); err != nil {
				words = "does not answer"
				if said := Said(""); errors.As(err, &said) {
					words = string(said)
				}
				log.Debug("not ready", "part", name, "err", err)
			}
			mutex.Lock()
			defer mutex.Unlock()
			if answer[name] = words; words != "ok" {
				status = http.StatusServiceUnavailable
			}
		})
	}
	asked.Wait()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the caller may have gone
}
