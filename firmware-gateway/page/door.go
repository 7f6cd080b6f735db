package page

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	sessionCookie = "karkhana_session"
	sessionFor    = 12 * time.Hour
	maxSessions   = 16
	// freeTries are wrong PINs without a wait; each further one doubles it, from a second to mostWait. The count is that of
	// the whole page: a guesser with many addresses is no faster.
	freeTries = 3
	mostWait  = time.Minute
)

// door knows who gave the PIN.
type door struct {
	file string
	now  func() time.Time
	log  *slog.Logger

	mu       sync.Mutex
	wrong    int
	shut     time.Time // no try before
	sessions []session // oldest first
}

type session struct {
	id   [32]byte // hash of the cookie
	pin  [32]byte // hash of the PIN that it was given for: a changed one ends it
	ends time.Time
}

func newDoor(file string, now func() time.Time, log *slog.Logger) *door {
	return &door{file: file, now: now, log: log}
}

// try compares a PIN. wait is how long to wait before the next try when it was wrong, or too early to be looked at.
func (d *door) try(given, from string) (cookie string, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if left := d.shut.Sub(now); left > 0 {
		return "", left
	}
	pin, err := ReadPIN(d.file)
	if err != nil {
		d.log.Error("nobody can sign in", "err", err)
		return "", mostWait
	}
	want, got := sha256.Sum256([]byte(pin)), sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		d.wrong++
		wait := time.Duration(0)
		if n := d.wrong - freeTries; n >= 0 {
			wait = min(mostWait, time.Duration(math.Exp2(float64(min(n, 10))))*time.Second)
		}
		d.shut = now.Add(wait)
		d.log.Warn("wrong PIN on the local page", "from", from, "wrong", d.wrong)
		return "", wait
	}
	d.wrong = 0
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	cookie = hex.EncodeToString(secret[:])
	if len(d.sessions) == maxSessions {
		d.sessions = d.sessions[1:]
	}
	d.sessions = append(d.sessions, session{id: sha256.Sum256([]byte(cookie)), pin: want, ends: now.Add(sessionFor)})
	return cookie, 0
}

// inside tells whether a request comes from somebody who gave the PIN that holds now.
func (d *door) inside(r *http.Request) bool {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return false
	}
	id := sha256.Sum256([]byte(c.Value))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		if subtle.ConstantTimeCompare(s.id[:], id[:]) == 1 && d.now().Before(s.ends) {
			pin, err := ReadPIN(d.file)
			return err == nil && sha256.Sum256([]byte(pin)) == s.pin
		}
	}
	return false
}

// forget ends the session of a request.
func (d *door) forget(r *http.Request) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return
	}
	id := sha256.Sum256([]byte(c.Value))
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, s := range d.sessions {
		if s.id == id {
			d.sessions = append(d.sessions[:i:i], d.sessions[i+1:]...)
			return
		}
	}
}

// pinPage is the form.
type pinPage struct {
	base
	Wrong bool
	Wait  int // seconds
}

func (p *Page) askPIN(w http.ResponseWriter, r *http.Request) {
	p.render(w, http.StatusOK, "pin.html", pinPage{base: p.outside(r)})
}

// outside is the base for those who have not given the PIN: it says nothing of the site.
func (p *Page) outside(r *http.Request) base {
	b := p.base(r, "pin")
	if !p.loopback && !b.Inside {
		b.Site, b.Gateway = "", ""
	}
	return b
}

func (p *Page) takePIN(w http.ResponseWriter, r *http.Request) {
	cookie, wait := p.door.try(r.PostFormValue("pin"), r.RemoteAddr)
	if cookie == "" {
		status, seconds := http.StatusForbidden, int(math.Ceil(wait.Seconds()))
		if seconds > 0 {
			status = http.StatusTooManyRequests
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
		}
		p.render(w, status, "pin.html", pinPage{base: p.outside(r), Wrong: true, Wait: seconds})
		return
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: cookie, Path: "/", MaxAge: int(sessionFor / time.Second), HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/setup", http.StatusSeeOther)
}

func (p *Page) leave(w http.ResponseWriter, r *http.Request) {
	p.door.forget(r)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
