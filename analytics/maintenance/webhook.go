package maintenance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"karkhana/internal/registry"
)

var _ Notifier = (*Webhook)(nil)

// Webhook posts each alarm as JSON to a URL. Header Idempotency-Key and field key are the same for every attempt. The
// URL may carry a secret: it is never written to logs or errors. Redirects are not followed.
type Webhook struct {
	url    string
	name   string
	client *http.Client
}

// NewWebhook returns a notifier that waits ten seconds at most for an answer of 2xx.
func NewWebhook(address string) *Webhook {
	name := "webhook"
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		name += " " + u.Host
	}
	return &Webhook{url: address, name: name, client: &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Name is "webhook" and the host.
func (w *Webhook) Name() string { return w.name }

// webhookBody is the JSON that receivers get.
type webhookBody struct {
	Key       string          `json:"key"`
	ID        int64           `json:"id"`
	Count     int64           `json:"count"`
	Site      string          `json:"site"`
	Machine   string          `json:"machine,omitempty"`
	Rule      string          `json:"rule"`
	Component string          `json:"component,omitempty"`
	Cause     string          `json:"cause,omitempty"`
	State     string          `json:"state"`
	Active    bool            `json:"active"`
	Opened    time.Time       `json:"opened"`
	Value     float64         `json:"value"` // °C, seconds of silence, or of rises[0]
	Limit     float64         `json:"limit"`
	Rises     []registry.Rise `json:"rises,omitempty"` // vibration-high: mm/s, m/s², plain
	Title     registry.Name   `json:"title"`
	Text      registry.Name   `json:"text"`
}

// Notify posts the message. Any answer but 2xx is an error.
func (w *Webhook) Notify(ctx context.Context, m Message) error {
	a := m.Alarm
	body, err := json.Marshal(webhookBody{
		Key: m.Key, ID: a.ID, Count: a.Count, Site: a.Site, Machine: a.Machine, Rule: a.Rule, Component: a.Component,
		Cause: a.Cause, State: string(a.State), Active: a.Active, Opened: time.UnixMilli(a.OpenedMs).UTC(),
		Value: a.Value, Limit: a.Limit, Rises: a.Rises, Title: m.Title, Text: m.Text,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: the URL cannot be used", w.name)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", m.Key)
	res, err := w.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // its text would show the URL
			err = u.Err
		}
		return fmt.Errorf("%s: %w", w.name, err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("%s: answered %s", w.name, res.Status)
	}
	return nil
}
