package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

const (
	sessionCookie = "karkhana_session"
	sessionLife   = 12 * time.Hour // one working day
)

// sealSession makes the value of a session cookie: expiry, the token's hash, and a signature over both. It holds no
// secret of the token, and a revoked token ends its sessions because every request looks the hash up again.
func (a *API) sealSession(hash string, expires time.Time) string {
	body := strconv.FormatInt(expires.Unix(), 10) + "." + hash
	return body + "." + base64.RawURLEncoding.EncodeToString(a.sign(body))
}

// openSession returns the token hash of a cookie that is genuine and has not run out.
func (a *API) openSession(value string) (hash string, ok bool) {
	cut := strings.LastIndexByte(value, '.')
	if cut < 0 {
		return "", false
	}
	body := value[:cut]
	mac, err := base64.RawURLEncoding.DecodeString(value[cut+1:])
	if err != nil || !hmac.Equal(mac, a.sign(body)) {
		return "", false
	}
	expiry, hash, _ := strings.Cut(body, ".")
	unix, err := strconv.ParseInt(expiry, 10, 64)
	return hash, err == nil && a.now().Unix() < unix
}

func (a *API) sign(body string) []byte {
	h := hmac.New(sha256.New, a.sessionKey)
	h.Write([]byte("session\x00" + body))
	return h.Sum(nil)
}
