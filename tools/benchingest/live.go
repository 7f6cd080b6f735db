package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// viewers look at the live pages of sites as a manager's browser does: one stream of server-sent events each.
type viewers struct {
	stop    context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	newest map[machine]time.Time
	delays []float64 // ms from the time of a machine's newest sample until the stream said it
	err    error     // of the first stream that broke
}

// watch opens a stream for each site.
func watch(ctx context.Context, api, token string, sites []string) (*viewers, error) {
	ctx, stop := context.WithCancel(ctx)
	v := &viewers{stop: stop, newest: map[machine]time.Time{}}
	for _, site := range sites {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/api/v1/sites/"+site+"/live", nil)
		if err != nil {
			return nil, errors.Join(err, v.close())
		}
		req.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, errors.Join(err, v.close())
		}
		if answer.StatusCode != http.StatusOK {
			_ = answer.Body.Close()
			return nil, errors.Join(fmt.Errorf("live page of %s: %s", site, answer.Status), v.close())
		}
		v.running.Go(func() {
			defer func() { _ = answer.Body.Close() }()
			err := v.read(bufio.NewScanner(answer.Body), site, time.Now())
			v.mu.Lock()
			defer v.mu.Unlock()
			if ctx.Err() == nil && v.err == nil {
				v.err = fmt.Errorf("live page of %s ended: %w", site, err)
			}
		})
	}
	return v, nil
}

// read takes the events of one site. Samples from before the stream was opened don't count.
func (v *viewers) read(lines *bufio.Scanner, site string, opened time.Time) error {
	lines.Buffer(nil, 1<<20)
	event := ""
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || event != "machine" {
			continue
		}
		now := time.Now()
		var m struct {
			ID   string `json:"id"`
			Live *struct {
				LastSample time.Time `json:"last_sample"`
			} `json:"live"`
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			return err
		}
		if m.Live != nil && m.Live.LastSample.After(opened) {
			v.seen(machine{site, m.ID}, m.Live.LastSample, now)
		}
	}
	return lines.Err()
}

func (v *viewers) seen(m machine, sample, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if sample.After(v.newest[m]) {
		v.newest[m] = sample
		v.delays = append(v.delays, float64(now.Sub(sample).Microseconds())/1000)
	}
}

// close ends the streams and waits for them. The error is that of a stream that ended before.
func (v *viewers) close() error {
	v.stop()
	v.running.Wait()
	slices.Sort(v.delays)
	return v.err
}
