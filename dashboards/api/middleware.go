package api

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// requestTimeout bounds every call but the live stream.
const requestTimeout = 30 * time.Second

// contentPolicy lets the page load its own files only: no inline script or style, no frames.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// secured sets the headers that tell browsers what the pages must never do.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses calls that change something when a browser sends them from another site, and bodies that an
// HTML form could send. Together with SameSite=Strict cookies this stops cross-site request forgery.
func sameOrigin(a *API, next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := guard.Check(r); err != nil {
			a.writeProblem(w, problem(http.StatusForbidden, "this call comes from another web site and is refused"))
			return
		}
		if r.Method == http.MethodPost {
			form, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
			if strings.TrimSpace(form) != "application/json" {
				a.writeProblem(w, problem(http.StatusUnsupportedMediaType, "send JSON with the header `Content-Type: application/json`"))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// limited bounds the time of a call and the size of its body.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if isLive(r) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func isLive(r *http.Request) bool { return path.Base(r.URL.Path) == "live" }

// writeProblem answers with an error made by problem.
func (a *API) writeProblem(w http.ResponseWriter, err error) {
	var answer huma.StatusError
	if !errors.As(err, &answer) {
		answer = &huma.ErrorModel{Status: http.StatusInternalServerError, Title: http.StatusText(http.StatusInternalServerError)}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(answer.GetStatus())
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.log.Debug("write a problem", "err", err)
	}
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// compressed sends text through gzip when the browser takes it: a phone on 2G pays for every byte. The live stream
// stays plain so that each event leaves at once.
func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept-Encoding")
		if isLive(r) || r.Method == http.MethodHead || r.Header.Get("Range") != "" || !acceptsGzip(r) {
			next.ServeHTTP(w, r)
			return
		}
		g := &gzipWriter{ResponseWriter: w}
		defer g.close()
		next.ServeHTTP(g, r)
	})
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" {
			return strings.TrimSpace(q) != "q=0"
		}
	}
	return false
}

// gzipWriter decides at the first byte whether the content is worth compressing.
type gzipWriter struct {
	http.ResponseWriter
	zip     *gzip.Writer // nil: plain
	decided bool
}

// Unwrap lets http.ResponseController reach the connection.
func (g *gzipWriter) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// WriteHeader decides on compression and sends the header.
func (g *gzipWriter) WriteHeader(status int) {
	if !g.decided {
		g.decided = true
		h := g.Header()
		if compressible(h.Get("Content-Type")) && h.Get("Content-Encoding") == "" && status != http.StatusNoContent && status != http.StatusNotModified {
			h.Set("Content-Encoding", "gzip")
			h.Del("Content-Length")
			g.zip = gzipWriters.Get().(*gzip.Writer)
			g.zip.Reset(g.ResponseWriter)
		}
	}
	g.ResponseWriter.WriteHeader(status)
}

// Write compresses p where that was decided.
func (g *gzipWriter) Write(p []byte) (int, error) {
	if !g.decided {
		if g.Header().Get("Content-Type") == "" {
			g.Header().Set("Content-Type", http.DetectContentType(p))
		}
		g.WriteHeader(http.StatusOK)
	}
	if g.zip != nil {
		return g.zip.Write(p)
	}
	return g.ResponseWriter.Write(p)
}

func (g *gzipWriter) close() {
	if g.zip != nil {
		_ = g.zip.Close() // fails only when the caller has gone
		gzipWriters.Put(g.zip)
	}
}

func compressible(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "javascript") || kind == "image/svg+xml"
}
