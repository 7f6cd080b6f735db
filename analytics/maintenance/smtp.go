package maintenance

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"time"
)

var _ Notifier = (*SMTP)(nil)

// SMTPOptions say how mail is sent. Addr, From and To are needed.
type SMTPOptions struct {
	Addr     string // host:port; on port 465 TLS begins at once, elsewhere STARTTLS is used when offered
	From     string
	To       []string
	User     string        // "": no authentication
	Password string        // never written to logs or errors; only sent over TLS or to this computer
	TLS      *tls.Config   // nil: the system's roots
	Timeout  time.Duration // of a whole delivery; 0: 30 s
}

// SMTP mails each alarm, Hindi first, English below.
type SMTP struct{ o SMTPOptions }

// NewSMTP returns a notifier for a mail server.
func NewSMTP(o SMTPOptions) *SMTP {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	return &SMTP{o}
}

// Name is "smtp" and the server's address.
func (s *SMTP) Name() string { return "smtp " + s.o.Addr }

// Notify delivers the message to the mail server. It returns nil only when the server has taken it for all receivers.
func (s *SMTP) Notify(ctx context.Context, m Message) error {
	if err := s.notify(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", s.Name(), err)
	}
	return nil
}

func (s *SMTP) notify(ctx context.Context, m Message) (err error) {
	from, err := mail.ParseAddress(s.o.From)
	if err != nil {
		return fmt.Errorf("sender %q: %w", s.o.From, err)
	}
	if len(s.o.To) == 0 {
		return errors.New("no receiver")
	}
	to := make([]*mail.Address, len(s.o.To))
	for i, a := range s.o.To {
		if to[i], err = mail.ParseAddress(a); err != nil {
			return fmt.Errorf("receiver %q: %w", a, err)
		}
	}
	body, err := mailText(from, to, m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.o.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // net/smtp knows no context
	defer stop()
	client, err := s.greet(conn)
	if err != nil {
		return errors.Join(ctx.Err(), err)
	}
	if err := s.converse(client, from, to, body); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	_ = client.Quit() // the mail is accepted already
	return nil
}

// greet begins TLS where the port asks for it and waits for the server's greeting.
func (s *SMTP) greet(conn net.Conn) (*smtp.Client, error) {
	host, port, err := net.SplitHostPort(s.o.Addr)
	if err != nil {
		return nil, err
	}
	if port == "465" {
		conn = tls.Client(conn, s.tls(host))
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	return client, nil
}

func (s *SMTP) tls(host string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.o.TLS != nil {
		c = s.o.TLS.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c
}

func (s *SMTP) converse(c *smtp.Client, from *mail.Address, to []*mail.Address, body []byte) error {
	host, _, _ := net.SplitHostPort(s.o.Addr)
	if _, secure := c.TLSConnectionState(); !secure {
		if ok, _ := c.Extension("STARTTLS"); ok {
			if err := c.StartTLS(s.tls(host)); err != nil {
				return fmt.Errorf("start TLS: %w", err)
			}
		}
	}
	if s.o.User != "" {
		// PlainAuth refuses to send the password unencrypted to another computer.
		if err := c.Auth(smtp.PlainAuth("", s.o.User, s.o.Password, host)); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
	}
	if err := c.Mail(from.Address); err != nil {
		return fmt.Errorf("sender %s: %w", from.Address, err)
	}
	for _, a := range to {
		if err := c.Rcpt(a.Address); err != nil {
			return fmt.Errorf("receiver %s: %w", a.Address, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("begin the text: %w", err)
	}
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("send the text: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("end the text: %w", err)
	}
	return nil
}

// mailText is the mail with its headers (RFC 5322): UTF-8, quoted-printable, subject encoded (RFC 2047). Its date is
// when the alarm opened and its id follows from the key, so that every attempt is the same mail.
func mailText(from *mail.Address, to []*mail.Address, m Message) ([]byte, error) {
	receivers := make([]string, len(to))
	for i, a := range to {
		receivers[i] = a.String()
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	subject := oneLine(m.Title.Hi + " | " + m.Title.En + " | " + m.Site.En)
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", from.String()},
		{"To", strings.Join(receivers, ",\r\n ")},
		{"Subject", strings.ReplaceAll(mime.BEncoding.Encode("utf-8", subject), "?= =?", "?=\r\n =?")},
		{"Date", time.UnixMilli(m.Alarm.OpenedMs).UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + m.Key + "." + m.Alarm.Site + "@" + domain + ">"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	text := strings.Join([]string{m.Title.Hi, m.Text.Hi, "", m.Title.En, m.Text.En, ""}, "\r\n")
	if _, err := q.Write([]byte(text)); err != nil {
		return nil, fmt.Errorf("encode the text: %w", err)
	}
	if err := q.Close(); err != nil {
		return nil, fmt.Errorf("encode the text: %w", err)
	}
	return b.Bytes(), nil
}

// oneLine keeps a name from starting a new header.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
