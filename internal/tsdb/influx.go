package tsdb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"
	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
)

// InfluxOptions name an InfluxDB.
type InfluxOptions struct {
	URL    string // for example http://127.0.0.1:8086
	Token  string // 2.x and 3: an API token; 1.8: user:password
	Org    string // 2.x: the organisation; 1.8 and 3: empty
	Bucket string // 2.x and 3: the bucket; 1.8: database or database/retention-policy

	HTTPClient *http.Client // nil: one with sensible limits of its own
}

// Influx is a Store in InfluxDB 1.8, 2.x or 3. It writes by POST /api/v2/write through influxdb-client-go and reads
// by InfluxQL through POST /query, the pair that all three understand (2.x by its v1-compatible mapping of database
// and retention policy to a bucket, which is automatic for a bucket named like the database).
//
// At most maxWriters requests write at a time, each with at most one batch of text in memory; reading streams.
type Influx struct {
	client  influxdb2.Client
	writer  api.WriteAPIBlocking
	http    influxhttp.Service
	query   string // URL of /query
	db, rp  string
	writers chan struct{}
	idle    func()
}

var _ Store = (*Influx)(nil)

// maxWriters bounds concurrent writes: more does not store faster, it only takes memory here and there.
const maxWriters = 8

// NewInflux checks the options and returns a store. It does not connect: see Ping.
func NewInflux(o InfluxOptions) (*Influx, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("influxdb URL %q: want http://HOST:PORT or https://HOST:PORT", o.URL)
	}
	if o.Bucket == "" {
		return nil, errors.New("influxdb bucket is empty: name a bucket, or database/retention-policy for InfluxDB 1.8")
	}
	if o.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = maxWriters + 8
		transport.ResponseHeaderTimeout = time.Minute
		o.HTTPClient = &http.Client{Transport: transport}
	}
	client := influxdb2.NewClientWithOptions(o.URL, o.Token, influxdb2.DefaultOptions().
		SetHTTPClient(o.HTTPClient).SetPrecision(time.Millisecond).SetApplicationName("karkhana"))
	db, rp, _ := strings.Cut(o.Bucket, "/")
	return &Influx{
		client:  client,
		writer:  client.WriteAPIBlocking(o.Org, o.Bucket),
		http:    client.HTTPService(),
		query:   strings.TrimSuffix(o.URL, "/") + "/query",
		db:      db,
		rp:      rp,
		writers: make(chan struct{}, maxWriters),
		idle:    o.HTTPClient.CloseIdleConnections,
	}, nil
}

// Close gives up idle connections. The store can be used on, it then connects again.
func (x *Influx) Close() { x.idle() }

// Ping asks for a row that is not there: nil means that the store answers, accepts the token and has the database.
func (x *Influx) Ping(ctx context.Context) error {
	err := x.Read(ctx, Query{Measurement: Telemetry, Site: "-", Machine: "-", Fields: []string{"-"}, ToMs: 1, Limit: 1},
		func(Row) error { return nil })
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
