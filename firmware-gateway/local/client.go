package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"karkhana/firmware-gateway/scan"
	"karkhana/firmware-gateway/sensor"
)

// Client talks to the running gateway of this computer.
type Client struct{ http *http.Client }

// dialLimit is how long a gateway may take to answer on its socket.
const dialLimit = 5 * time.Second

// Dial connects to a socket. fs.ErrNotExist and syscall.ECONNREFUSED mean that no gateway runs there.
func Dial(ctx context.Context, socket string) (*Client, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialLimit)
		defer cancel()
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	conn, err := dial(ctx, "", "")
	if err != nil {
		return nil, fmt.Errorf("talk to the running gateway: %w", err)
	}
	_ = conn.Close() // it answers
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}, nil
}

// View returns how the gateway stands.
func (c *Client) View(ctx context.Context) (*View, error) {
	resp, err := c.do(ctx, http.MethodGet, "/api/view", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	v := &View{}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return nil, fmt.Errorf("read the gateway's view: %w", err)
	}
	return v, nil
}

// Scan lets the gateway look what is connected.
func (c *Client) Scan(ctx context.Context, ask scan.Ask, progress func(string)) (*scan.Report, error) {
	l, err := c.stream(ctx, "/api/scan", ask, progress)
	return l.Report, err
}

// Selftest lets the gateway test its sensors.
func (c *Client) Selftest(ctx context.Context, lasts time.Duration) ([]sensor.Verdict, error) {
	l, err := c.stream(ctx, "/api/selftest", map[string]int64{"for_ms": lasts.Milliseconds()}, func(string) {})
	return l.Verdicts, err
}

// stream asks and reads lines until the last.
func (c *Client) stream(ctx context.Context, path string, ask any, progress func(string)) (line, error) {
	resp, err := c.do(ctx, http.MethodPost, path, ask)
	if err != nil {
		return line{}, err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	for {
		var l line
		if err := d.Decode(&l); err != nil {
			return line{}, fmt.Errorf("the gateway's answer ends early: %w: look at its log (journalctl -u karkhana-gateway)", err)
		}
		switch {
		case l.Done && l.Error != "":
			return l, errors.New(l.Error)
		case l.Done:
			return l, nil
		case l.Progress != "":
			progress(l.Progress)
		}
	}
}

func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("ask the running gateway: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+path, bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("ask the running gateway: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the running gateway: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // what it says, if anything
		_ = resp.Body.Close()
		return nil, fmt.Errorf("ask the running gateway: %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return resp, nil
}
