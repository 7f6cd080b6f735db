package maintenance

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
)

// mailServer is a small SMTP server on a free port that takes one conversation and keeps what it was told.
type mailServer struct {
	addr     string
	tls      *tls.Config // nil: no STARTTLS
	pool     *x509.CertPool
	refuse   string // command to answer with 550
	done     chan struct{}
	commands []string // received, in order
	secure   bool
	data     string
}

func newMailServer(t *testing.T, withTLS bool, refuse string) *mailServer {
	t.Helper()
	s := &mailServer{refuse: refuse, done: make(chan struct{})}
	if withTLS {
		web := httptest.NewTLSServer(nil) // for its certificate
		s.tls = &tls.Config{Certificates: web.TLS.Certificates}
		s.pool = x509.NewCertPool()
		s.pool.AddCert(web.Certificate())
		web.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.addr = l.Addr().String()
	go func() {
		defer close(s.done)
		conn, err := l.Accept()
		if err == nil {
			s.converse(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-s.done })
	return s
}

func (s *mailServer) converse(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say("220 test")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.commands = append(s.commands, line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case verb == s.refuse:
			say("550 not here")
		case verb == "EHLO" && s.tls != nil && !s.secure:
			say("250-test\r\n250 STARTTLS")
		case verb == "EHLO":
			say("250-test\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			say("220 go on")
			c := tls.Server(conn, s.tls)
			if c.Handshake() != nil {
				return
			}
			conn, r, s.secure = c, bufio.NewReader(c), true
		case verb == "AUTH":
			say("235 welcome")
		case verb == "DATA":
			say("354 go on")
			for {
				text, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if text == ".\r\n" {
					break
				}
				s.data += strings.TrimPrefix(text, ".") // the sender doubles a dot at the start of a line
			}
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func testMessage() Message {
	return Message{
		Key: "alarm-7-1", Alarm: registry.Alarm{ID: 7, Site: "cfc", OpenedMs: noon.UnixMilli()},
		Site:  registry.Name{Hi: "सीएफसी", En: "CFC\r\nBcc: evil@example.org"},
		Title: registry.Name{Hi: "भट्टी: तापमान ज़्यादा, बहुत लंबा शीर्षक जो कई पंक्तियों में जाता है", En: "Furnace: too hot"},
		Text:  registry.Name{Hi: "सीएफसी की भट्टी 950 °C पर है।", En: "Furnace is at 950 °C.\r\n.\r\nnot the end"},
	}
}

func TestMail(t *testing.T) {
	srv := newMailServer(t, true, "")
	n := NewSMTP(SMTPOptions{
		Addr: srv.addr, From: "Karkhana <alarm@cfc.example>", To: []string{"a@cfc.example", "बी <b@cfc.example>"},
		User: "alarm", Password: "s3cret", TLS: &tls.Config{RootCAs: srv.pool},
	})
	require.NoError(t, n.Notify(context.Background(), testMessage()))
	<-srv.done
	require.True(t, srv.secure)
	said := strings.Join(srv.commands, "\n")
	require.Contains(t, said, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00alarm\x00s3cret")))
	require.Contains(t, said, "MAIL FROM:<alarm@cfc.example>")
	require.Contains(t, said, "RCPT TO:<a@cfc.example>\nRCPT TO:<b@cfc.example>")

	for line := range strings.SplitSeq(srv.data, "\r\n") {
		require.LessOrEqual(t, len(line), 998)
	}
	m, err := mail.ReadMessage(strings.NewReader(srv.data))
	require.NoError(t, err)
	subject, err := (&mime.WordDecoder{}).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, testMessage().Title.Hi+" | Furnace: too hot | CFC Bcc: evil@example.org", subject)
	require.Empty(t, m.Header.Get("Bcc"))
	require.Equal(t, "<alarm-7-1.cfc@cfc.example>", m.Header.Get("Message-Id"))
	date, err := m.Header.Date()
	require.NoError(t, err)
	require.True(t, date.Equal(noon))
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	require.NoError(t, err)
	require.Contains(t, string(body), "सीएफसी की भट्टी 950 °C पर है।\r\n\r\nFurnace: too hot\r\nFurnace is at 950 °C.\r\n.\r\nnot the end")
}

func TestMailWithoutTLSOnThisComputer(t *testing.T) {
	srv := newMailServer(t, false, "")
	n := NewSMTP(SMTPOptions{Addr: srv.addr, From: "a@x.example", To: []string{"b@x.example"}})
	require.NoError(t, n.Notify(context.Background(), testMessage()))
	<-srv.done
	require.NotContains(t, strings.Join(srv.commands, " "), "AUTH")
}

func TestMailFailures(t *testing.T) {
	ctx := context.Background()
	t.Run("certificate of somebody else", func(t *testing.T) {
		srv := newMailServer(t, true, "")
		n := NewSMTP(SMTPOptions{Addr: srv.addr, From: "a@x.example", To: []string{"b@x.example"}, User: "u", Password: "s3cret"})
		err := n.Notify(ctx, testMessage())
		require.ErrorContains(t, err, "start TLS")
		<-srv.done
		require.NotContains(t, strings.Join(srv.commands, " "), "AUTH", "no password without TLS")
	})
	for _, refuse := range []string{"AUTH", "MAIL", "RCPT", "DATA"} {
		t.Run("refused "+refuse, func(t *testing.T) {
			srv := newMailServer(t, false, refuse)
			n := NewSMTP(SMTPOptions{Addr: srv.addr, From: "a@x.example", To: []string{"b@x.example"}, User: "u", Password: "s3cret"})
			err := n.Notify(ctx, testMessage())
			require.ErrorContains(t, err, `550 "not here"`)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
	t.Run("a server that says nothing", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		n := NewSMTP(SMTPOptions{Addr: l.Addr().String(), From: "a@x.example", To: []string{"b@x.example"}, Timeout: 50 * time.Millisecond})
		require.Error(t, n.Notify(ctx, testMessage()))
		stopped, cancel := context.WithCancel(ctx)
		n = NewSMTP(SMTPOptions{Addr: l.Addr().String(), From: "a@x.example", To: []string{"b@x.example"}})
		time.AfterFunc(20*time.Millisecond, cancel)
		require.ErrorIs(t, n.Notify(stopped, testMessage()), context.Canceled)
	})
	t.Run("bad addresses", func(t *testing.T) {
		require.ErrorContains(t, NewSMTP(SMTPOptions{From: "nobody"}).Notify(ctx, Message{}), `sender "nobody"`)
		require.ErrorContains(t, NewSMTP(SMTPOptions{From: "a@x.example"}).Notify(ctx, Message{}), "no receiver")
		require.ErrorContains(t, NewSMTP(SMTPOptions{From: "a@x.example", To: []string{"x"}}).Notify(ctx, Message{}), `receiver "x"`)
		require.ErrorContains(t, NewSMTP(SMTPOptions{Addr: "host", From: "a@x.example", To: []string{"b@x.example"}}).Notify(ctx, Message{}), "missing port")
	})
}
