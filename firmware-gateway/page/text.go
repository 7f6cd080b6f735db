package page

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"karkhana/internal/i18n"
)

const langCookie = "karkhana_lang"

// texts are the words of one language.
type texts map[string]string

func loadTexts() (map[string]texts, error) {
	out := map[string]texts{}
	for _, lang := range i18n.Languages {
		t, err := i18n.Load(files, lang)
		if err != nil {
			return nil, fmt.Errorf("words of the page: %w", err)
		}
		out[lang] = t
	}
	return out, nil
}

// T returns a text with its places filled in: T("time.s", "n", 5) puts 5 for {n}. A text that is missing shows its key.
func (t texts) T(key string, pairs ...any) string {
	s, ok := t[key]
	if !ok {
		return key
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		s = strings.ReplaceAll(s, fmt.Sprintf("{%v}", pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	return s
}

// has tells whether there is a text.
func (t texts) has(key string) bool {
	_, ok := t[key]
	return ok
}

// either returns the text of the first key that there is, else a plain text.
func (t texts) either(plain string, keys ...string) string {
	for _, k := range keys {
		if t.has(k) {
			return t[k]
		}
	}
	return plain
}

// Duration says a length of time in one or two words.
func (t texts) Duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return t.T("time.s", "n", int(d/time.Second))
	case d < time.Hour:
		return t.T("time.m", "n", int(d/time.Minute))
	case d < 48*time.Hour:
		return t.T("time.h", "n", int(d/time.Hour), "m", int(d%time.Hour/time.Minute))
	}
	return t.T("time.d", "n", int(d/(24*time.Hour)))
}

// Ago says how long ago something was.
func (t texts) Ago(d time.Duration) string {
	if d < 3*time.Second {
		return t.T("time.now")
	}
	return t.T("time.ago", "d", t.Duration(d))
}

func langOf(r *http.Request) string {
	if c, err := r.Cookie(langCookie); err == nil {
		for _, l := range i18n.Languages {
			if c.Value == l {
				return l
			}
		}
	}
	return i18n.Languages[0]
}

// language takes ?lang=en off the address and keeps it.
func (p *Page) language(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := r.URL.Query().Get("lang")
		if _, ok := p.texts[want]; !ok || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: langCookie, Value: want, Path: "/", MaxAge: 365 * 86400, HttpOnly: true, SameSite: http.SameSiteStrictMode})
		to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/\\")} // never to another host
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
	})
}
