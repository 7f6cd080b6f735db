package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// SocketName is the socket's name in the gateway's runtime directory or, without one, in its data directory.
const SocketName = "gateway.sock"

// Socket returns where a gateway has its socket. runtime is the directory that systemd made for it, or "".
func Socket(runtime, data string) string {
	if runtime != "" {
		return filepath.Join(runtime, SocketName)
	}
	return filepath.Join(data, SocketName)
}

// ListenSocket listens where only the user and the group of this process, and root, may connect. What a killed gateway has
// left there is replaced: the caller makes sure that no other one runs.
func ListenSocket(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket for the commands: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket for the commands: %w", err)
	}
	// Until here it is the process's umask that keeps others out, which must leave at least the others' w out, as all do.
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("socket for the commands: %w", err), l.Close())
	}
	return l, nil
}

// maxConns is how many connections a listener has at once. Each costs some 20 kB.
const maxConns = 16

// Serve serves a handler until ctx ends, then ends what is under way.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, IdleTimeout: 20 * time.Second,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(&limited{Listener: l, room: make(chan struct{}, maxConns)}); !errors.Is(err, http.ErrServerClosed) {
		log.Error("local page stopped", "err", err)
	}
}

// limited accepts no more connections than it has room for.
type limited struct {
	net.Listener
	room chan struct{}
}

// Accept waits for room, then for a connection. Closing the listener ends the second only; connections, which the server
// closes, end the first.
func (l *limited) Accept() (net.Conn, error) {
	l.room <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err //nolint:wrapcheck // the server looks at it
	}
	return &counted{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection and makes room.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close() //nolint:wrapcheck // the server looks at it
}
