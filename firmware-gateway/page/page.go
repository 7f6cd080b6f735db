// Package page is the gateway's own small page: live values and queue for whoever stands beside it when the internet is
// down, and what an installer needs with a phone. Hindi first, also English; plain HTML that reads without a script.
//
// It owns the pages, who may see them (the PIN), and the words. What it shows comes from package local.
//
// On a loopback address reading needs no PIN; all that does something needs it. Beyond loopback everything needs it.
package page

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"karkhana/firmware-gateway/local"
)

//go:embed templates static i18n
var files embed.FS

// Options of a page.
type Options struct {
	Gateway local.Gateway
	Listen  string // host:port; decides how far the PIN is asked for
	PINFile string
	Setup   Setup // without its file machines can't be set up here
	Logger  *slog.Logger
	Now     func() time.Time // nil: time.Now
	// Hostname is this computer's name, by which it may be called beside its addresses; "": none.
	Hostname string
}

// Page serves the pages. Its jobs end with the context of [New].
type Page struct {
	o         Options
	ctx       context.Context //nolint:containedctx // of jobs that outlive their request
	loopback  bool
	door      *door
	texts     map[string]texts
	templates *template.Template
	saving    sync.Mutex
	jobs      sync.WaitGroup
	scan      job[*scanResult]
	test      job[*testResult]
}

// New makes the pages, and the PIN's file when there is none.
func New(ctx context.Context, o Options) (*Page, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if _, err := EnsurePIN(o.PINFile); err != nil {
		return nil, err
	}
	p := &Page{o: o, ctx: ctx, loopback: Loopback(o.Listen), door: newDoor(o.PINFile, o.Now, o.Logger)}
	var err error
	if p.texts, err = loadTexts(); err != nil {
		return nil, err
	}
	if p.templates, err = template.ParseFS(files, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("templates of the page: %w", err)
	}
	return p, nil
}

// Wait waits until no job runs any more, after the context has ended.
func (p *Page) Wait() { p.jobs.Wait() }

// Loopback tells whether an address is reached from this computer only.
func Loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Handler serves the pages.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	static := http.FileServerFS(files)
	mux.Handle("GET /static/", static)
	mux.HandleFunc("GET /pin", p.askPIN)
	mux.HandleFunc("POST /pin", p.takePIN)
	mux.HandleFunc("POST /out", p.leave)
	read := func(pattern string, h func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, p.only(h, p.loopback))
	}
	write := func(pattern string, h func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, p.only(h, false))
	}
	read("GET /{$}", p.live)
	read("GET /part", p.livePart)
	write("GET /setup", p.setup)
	write("GET /setup/scan", p.showScan)
	write("POST /setup/scan", p.startScan)
	write("GET /setup/test", p.showTest)
	write("POST /setup/test", p.startTest)
	p.machineRoutes(write)
	return p.guard(http.NewCrossOriginProtection().Handler(p.language(mux)))
}

// only lets those in who gave the PIN, or everybody.
func (p *Page) only(h http.HandlerFunc, everybody bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if everybody || p.door.inside(r) {
			h(w, r)
			return
		}
		if r.Header.Get("X-Part") != "" || r.Method != http.MethodGet {
			http.Error(w, "the PIN is needed", http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, "/pin", http.StatusSeeOther)
	}
}

// The longest form that is read, and the longest time that an answer may take to leave.
const (
	maxForm  = 64 << 10
	sendTime = 20 * time.Second
)

// guard refuses names that are not this computer's (a foreign page whose name was made to point here), and says to the
// browser what this page never does.
func (p *Page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !p.mine(r.Host) {
			http.Error(w, "this gateway is not called by that name: use its address", http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendTime)) // not every writer can
		next.ServeHTTP(w, r)
	})
}

// mine tells whether the page may be called by a name. A page on the internet can let its name point to any address, but
// can't be called by the address itself.
func (p *Page) mine(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	ip := net.ParseIP(host)
	if p.loopback {
		return host == "localhost" || ip != nil && ip.IsLoopback()
	}
	name := strings.ToLower(p.o.Hostname)
	return ip != nil || host == "localhost" || name != "" && (host == name || host == name+".local")
}

// render writes a page or a part of one. It is made whole first, so that a failure is no half page.
func (p *Page) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, data); err != nil {
		p.o.Logger.Error("local page can't be made", "page", name, "err", err)
		http.Error(w, "the page can't be made: look at the gateway's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the other side is gone
}

// base is what every page has.
type base struct {
	texts
	Lang, Other string
	Path        string
	Title       string
	Here        string // which tab
	Site        string
	Gateway     string
	Inside      bool // gave the PIN
}

func (p *Page) base(r *http.Request, here string) base {
	lang := langOf(r)
	t := p.texts[lang]
	v := p.o.Gateway.View()
	return base{
		texts: t, Lang: lang, Other: map[string]string{"hi": "en", "en": "hi"}[lang], Path: r.URL.Path, Title: t.T("title." + here), Here: here,
		Site: v.Site, Gateway: v.Gateway, Inside: p.door.inside(r),
	}
}

// Serve serves the pages at an address until ctx ends. An address that is not there yet is tried again.
func Serve(ctx context.Context, o Options) {
	told := false
	for ctx.Err() == nil {
		err := serve(ctx, o)
		if ctx.Err() != nil {
			return
		}
		if !told {
			o.Logger.Warn("local page is not served yet, trying again", "listen", o.Listen, "err", err)
			told = true
		}
		t := time.NewTimer(retry)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

const retry = 10 * time.Second

func serve(ctx context.Context, o Options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname() // then only addresses are taken
	}
	p, err := New(ctx, o)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	o.Logger.Info("local page is served", "address", "http://"+l.Addr().String())
	local.Serve(ctx, l, p.Handler(), o.Logger)
	stop()
	p.Wait()
	return errors.New("the server has stopped")
}
