package enrol

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"karkhana/internal/enrol"
)

const (
	callLimit = 30 * time.Second
	maxAnswer = 1 << 20
	// clockOff is a difference of clocks that is worth a word.
	clockOff = 2 * time.Minute
)

// client calls the server.
type client struct {
	base *url.URL
	http *http.Client
	now  func() time.Time
	date time.Time // of the server's last answer; zero: it did not say
}

func newClient(o Options) (*client, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("--server %q: write it as https://host or https://host:port", o.Server)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("--server %q: leave out what stands behind the host and its port: %s://%s", o.Server, u.Scheme, u.Host)
	}
	c := &client{base: u, now: o.Now}
	dial := &net.Dialer{Timeout: callLimit / 2}
	transport := &http.Transport{DialContext: dial.DialContext, TLSHandshakeTimeout: callLimit / 2, DisableKeepAlives: true}
	if u.Scheme == "http" {
		dial.Control = c.onlyNear
	} else {
		transport.Proxy = http.ProxyFromEnvironment
		if transport.TLSClientConfig, err = tlsConfig(o); err != nil {
			return nil, err
		}
	}
	c.http = &http.Client{Transport: transport, Timeout: callLimit, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		return fmt.Errorf("the server sends on to %s://%s: give that as --server, if it is right", r.URL.Scheme, r.URL.Host)
	}}
	return c, nil
}

func tlsConfig(o Options) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, Time: o.Now}
	if o.CAFile == "" {
		return t, nil
	}
	b, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	if t.RootCAs, err = x509.SystemCertPool(); err != nil {
		t.RootCAs = x509.NewCertPool()
	}
	if !t.RootCAs.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("--ca %s: there is no certificate in it (PEM is needed: -----BEGIN CERTIFICATE-----)", o.CAFile)
	}
	return t, nil
}

var errFar = errors.New("http:// is not encrypted and goes only to addresses within the building")

// onlyNear lets unencrypted calls go to this computer and to private addresses only, whatever name led there.
func (c *client) onlyNear(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	host, _, _ = strings.Cut(host, "%") // zone of a link-local address
	ip := net.ParseIP(host)
	if ip == nil || !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast() {
		return fmt.Errorf("%w, and %s is none: use https://, or a VPN", errFar, host)
	}
	return nil
}

// warning is said before an unencrypted call across a network.
func (c *client) warning() string {
	if c.base.Scheme == "https" || c.base.Hostname() == "localhost" {
		return ""
	}
	if ip := net.ParseIP(c.base.Hostname()); ip != nil && ip.IsLoopback() {
		return ""
	}
	return "Warning: http:// is not encrypted. Whoever listens in this network can read the code and the card salt. The gateway's key is not sent."
}

// refusal is an answer of the server that is none of success.
type refusal struct {
	status int
	detail string
}

// Error is the server's own words.
func (r *refusal) Error() string {
	if r.detail == "" {
		return fmt.Sprintf("the server answers %d %s", r.status, http.StatusText(r.status))
	}
	return r.detail
}

// join sends a request. A code that can't be right is not sent.
func (c *client) join(ctx context.Context, r enrol.JoinRequest) (*enrol.JoinAnswer, error) {
	code, err := enrol.ParseCode(r.Code)
	if err != nil {
		return nil, fmt.Errorf("%w: look at it again", err)
	}
	r.Code = code.String()
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.Scheme+"://"+c.base.Host+enrol.Path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.notReached(err)
	}
	defer func() { _ = res.Body.Close() }()
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		c.date = date
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, c.notReached(err)
	}
	return c.read(res, b)
}

func (c *client) read(res *http.Response, b []byte) (*enrol.JoinAnswer, error) {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case len(b) > maxAnswer:
		return nil, fmt.Errorf("%s answers more than %d bytes: is it a Karkhana server?", c.base.Host, maxAnswer)
	case res.StatusCode == http.StatusOK && kind == "application/json":
		var a enrol.JoinAnswer
		if err := json.Unmarshal(b, &a); err != nil {
			return nil, fmt.Errorf("%s answers what is no JSON: %w", c.base.Host, err)
		}
		if err := a.Check(); err != nil {
			return nil, fmt.Errorf("%s answers what this gateway can't use: %w", c.base.Host, err)
		}
		return &a, nil
	case kind == "application/problem+json":
		var p struct{ Detail string }
		if err := json.Unmarshal(b, &p); err == nil {
			return nil, &refusal{res.StatusCode, oneLine(p.Detail)}
		}
	}
	return nil, fmt.Errorf("%s answers %s, which no Karkhana server would: look at --server", c.base.Host, res.Status)
}

// clockNote is said when the two clocks differ.
func (c *client) clockNote(now time.Time) string {
	if off := now.Sub(c.date); !c.date.IsZero() && (off > clockOff || off < -clockOff) {
		return fmt.Sprintf("Note: this computer's clock says %s, the server's %s. Samples wait until the time is right (docs: Time).", now.UTC().Format(time.RFC3339), c.date.UTC().Format(time.RFC3339))
	}
	return ""
}

// notReached words why a call did not come through.
func (c *client) notReached(err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		now := c.now().UTC()
		from, to := invalid.Cert.NotBefore.UTC(), invalid.Cert.NotAfter.UTC()
		if now.Before(from) {
			return fmt.Errorf("this computer's clock is wrong: it says %s, but the server's certificate is valid only from %s. Set it (sudo date -u -s \"YYYY-MM-DD HH:MM\") or wait for network time, then run the same command again",
				now.Format(time.RFC3339), from.Format(time.RFC3339))
		}
		return fmt.Errorf("the server's certificate ended on %s and this computer's clock says %s: if the clock is wrong, set it (sudo date -u -s \"YYYY-MM-DD HH:MM\"); if it is right, the server needs a new certificate",
			to.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	if op := (*net.OpError)(nil); errors.Is(err, errFar) && errors.As(err, &op) {
		return op.Err
	}
	return fmt.Errorf("%s was not reached: %w. Nothing is lost: run the same command again, with the same code", c.base.Host, explain(err))
}

// explain adds to an error of the network what to do about it.
func explain(err error) error {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		record   tls.RecordHeaderError
		dns      *net.DNSError
		called   *url.Error
	)
	if errors.As(err, &called) {
		err = called.Err
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &unknown):
		return fmt.Errorf("nobody whom this computer knows vouches for its certificate: give the certificate of its CA with --ca FILE (%w)", err)
	case errors.As(err, &hostname):
		return fmt.Errorf("its certificate is for another name: use that name (%w)", err)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("it does not speak TLS at this port: is it http://, or another port? (%w)", err)
	case errors.As(err, &dns):
		return fmt.Errorf("its name is not known: is the network there, and the name right? (%w)", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("the computer is there, but nothing listens at this port: is the server started, and does it listen beyond its own computer? (%w)", err)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Errorf("there is no way to it: look at cable, Wi-Fi and address (%w)", err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("it does not answer: look at the address, and at firewalls on the way (%w)", err)
	}
	return err
}
