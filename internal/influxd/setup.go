package influxd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// shardDuration is how much time one shard of the database holds: see configuration.
const shardDuration = "30d"

// setUp is the readiness probe: it makes the admin user and the database where they are missing, and so proves that
// influxd answers and accepts our secret. It changes nothing when everything is there.
//
// The shard duration is set with the same statement that makes the database, never after it: what somebody writes in
// between would lie in a shard of another length, and once two shards overlap in time a point written again is stored
// twice, with both values.
func (s *Server) setUp(ctx context.Context) error {
	createDatabase := fmt.Sprintf(`CREATE DATABASE "%s" WITH DURATION INF REPLICATION 1 SHARD DURATION %s NAME "%s"`, Database, shardDuration, Retention)
	status, err := s.query(ctx, s.Token(), createDatabase)
	if status == http.StatusForbidden {
		// No admin user yet: influxd then accepts exactly one thing, and that without a password.
		create := fmt.Sprintf(`CREATE USER "%s" WITH PASSWORD '%s' WITH ALL PRIVILEGES`, user, s.secret)
		if _, err := s.query(ctx, "", create); err != nil {
			return fmt.Errorf("create the influxd user: %w", err)
		}
		status, err = s.query(ctx, s.Token(), createDatabase)
	}
	if status == http.StatusUnauthorized {
		return fmt.Errorf("influxd does not accept the secret in %s: the directory was made with another one", s.secretFile())
	}
	if err != nil {
		return fmt.Errorf("create the influxd database: %w", err)
	}
	return nil
}

// query runs one InfluxQL statement and returns the HTTP status, 0 when there was no answer. The statement stands in
// the body, so that no secret gets into an URL; errors never quote it.
func (s *Server) query(ctx context.Context, token, statement string) (int, error) {
	form := url.Values{"q": {statement}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/query", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Token "+token)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // asked at starts only: keep nothing open
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Error   string
		Results []struct{ Error string }
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	switch {
	case err != nil:
		return resp.StatusCode, fmt.Errorf("%s: %w", resp.Status, err)
	case resp.StatusCode != http.StatusOK:
		return resp.StatusCode, fmt.Errorf("%s: %s", resp.Status, answer.Error)
	case len(answer.Results) > 0 && answer.Results[0].Error != "":
		return resp.StatusCode, fmt.Errorf("%s", answer.Results[0].Error)
	}
	return resp.StatusCode, nil
}

// lineLog hands each line that influxd prints (warnings and errors only) to the log.
type lineLog struct {
	log     *slog.Logger
	partial string
}

// Write is called by one goroutine.
func (l *lineLog) Write(p []byte) (int, error) {
	l.partial += string(p)
	for {
		line, rest, found := strings.Cut(l.partial, "\n")
		if !found {
			if len(l.partial) > 64<<10 { // not a log line
				l.partial = ""
			}
			return len(p), nil
		}
		l.partial = rest
		// What it says of its own listener when it stops is no news.
		if line != "" && !strings.Contains(line, "use of closed network connection") {
			l.log.Warn("influxd reports", "line", line)
		}
	}
}
