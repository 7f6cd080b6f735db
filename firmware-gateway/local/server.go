package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"karkhana/firmware-gateway/scan"
	"karkhana/firmware-gateway/sensor"
)

// ErrBusy says that a scan or test is under way already.
var ErrBusy = errors.New("a scan or self-test is under way already: wait until it is over")

// line is one line of a streamed answer: progress until the last, which is the result or an error.
type line struct {
	Progress string           `json:"progress,omitempty"`
	Report   *scan.Report     `json:"report,omitempty"`
	Verdicts []sensor.Verdict `json:"verdicts,omitempty"`
	Error    string           `json:"error,omitempty"`
	Done     bool             `json:"done,omitempty"`
}

// The longest self-test, and the most that is read of a question.
const (
	maxTest  = 10 * time.Minute
	maxAsked = 64 << 10
)

// Handler serves the view, scans and self-tests as JSON. Who may ask is decided before it.
func Handler(g Gateway) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/view", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(g.View()) // the other side is gone
	})
	mux.HandleFunc("POST /api/scan", func(w http.ResponseWriter, r *http.Request) {
		var ask scan.Ask
		if !asked(w, r, &ask) {
			return
		}
		say := stream(w)
		report, err := g.Scan(r.Context(), ask, func(p string) { say(line{Progress: p}) })
		say(last(line{Report: report}, err))
	})
	mux.HandleFunc("POST /api/selftest", func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			ForMs int64 `json:"for_ms"`
		}
		if !asked(w, r, &ask) {
			return
		}
		say := stream(w)
		verdicts, err := g.Selftest(r.Context(), max(0, min(time.Duration(ask.ForMs)*time.Millisecond, maxTest)))
		say(last(line{Verdicts: verdicts}, err))
	})
	return mux
}

func last(l line, err error) line {
	l.Done = true
	if err != nil {
		l.Error = err.Error()
	}
	return l
}

// asked reads a question; an empty one is allowed.
func asked(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsked)).Decode(into)
	if err != nil && !errors.Is(err, io.EOF) {
		http.Error(w, fmt.Sprintf("the question is not JSON: %v", err), http.StatusBadRequest)
		return false
	}
	return true
}

// stream returns what writes one line at once. It is used by one goroutine.
func stream(w http.ResponseWriter) func(line) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	e := json.NewEncoder(w)
	return func(l line) {
		if e.Encode(l) == nil {
			_ = http.NewResponseController(w).Flush() // the other side is gone
		}
	}
}
