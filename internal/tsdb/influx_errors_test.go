package tsdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"karkhana/internal/tsdb"
)

var someQuery = tsdb.Query{Measurement: tsdb.Telemetry, Site: "s", Machine: "m", Fields: []string{"power_w"}, ToMs: 1e12}

func somePoints(n int) []tsdb.Point {
	points := make([]tsdb.Point, n)
	for i := range points {
		points[i] = tsdb.Point{
			Measurement: tsdb.Telemetry, Site: "s", Machine: "m", TimeMs: int64(i),
			Fields: []tsdb.Field{{Key: "power_w", Value: float64(i)}},
		}
	}
	return points
}

func nothing(tsdb.Row) error { return nil }

// against opens a store whose InfluxDB is handler.
func against(t *testing.T, handler http.HandlerFunc) *tsdb.Influx {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: server.URL, Token: "secret-token", Org: "cfc", Bucket: "karkhana/autogen"})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

// refuse answers as InfluxDB 1.8 does.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Influxdb-Error", message)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":%q}`, message)
}

func TestInfluxRequests(t *testing.T) {
	var seen []string
	store := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Header.Get("Authorization"), r.URL.String(), string(body))
		if r.URL.Path == "/query" {
			w.Header().Set("Content-Type", "application/x-msgpack")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	require.NoError(t, store.Write(context.Background(), []tsdb.Point{{
		Measurement: "telemetry", Site: "s-1", Machine: "m-1", TimeMs: 12,
		Fields: []tsdb.Field{
			{Key: "f", Value: 1.5}, {Key: "i", Value: int64(-3)}, {Key: "b", Value: true}, {Key: "t", Value: `a"\b`},
		},
	}}))
	require.NoError(t, store.Read(context.Background(), someQuery, nothing))
	require.Equal(t, []string{
		"Token secret-token", "/api/v2/write?bucket=karkhana%2Fautogen&org=cfc&precision=ms",
		`telemetry,machine=m-1,site=s-1 f=1.5,i=-3i,b=true,t="a\"\\b" 12` + "\n",
		"Token secret-token", "/query",
		"chunk_size=10000&chunked=true&db=karkhana&epoch=ms&q=SELECT+%22power_w%22+FROM+%22telemetry%22+WHERE+%22site%22+%3D+%27s%27" +
			"+AND+%22machine%22+%3D+%27m%27+AND+time+%3E%3D+0ms+AND+time+%3C+1000000000000ms&rp=autogen",
	}, seen)
}

// What the set-up or the moment is to blame for is neither a refused point nor, except for the token, hopeless.
func TestInfluxWriteErrors(t *testing.T) {
	for _, test := range []struct {
		name         string
		status       int
		message      string
		unauthorized bool
		want         string
	}{
		{"token", 401, "authorization failed", true, "check the token"},
		{"rights", 403, "user is not authorized to write to database", true, "check the token"},
		{"database", 404, `database not found: "karkhana"`, false, "database not found"},
		{"server", 500, "engine: cache-max-memory-size exceeded", false, "HTTP status 500"},
		{"overload", 503, "too busy", false, "HTTP status 503"},
		{"rate", 429, "", false, "HTTP status 429"},
		{"set-up", 400, "database is required", false, "database is required"},
		{"series limit", 400, "partial write: max-series-per-database limit exceeded: (1) dropped=1", false, "limit exceeded"},
		{"shard", 400, "partial write: shard 3 is pending deletion dropped=1", false, "pending deletion"},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := against(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, test.status, test.message) })
			err := store.Write(context.Background(), somePoints(3))
			require.ErrorContains(t, err, test.want)
			require.Equal(t, test.unauthorized, errors.Is(err, tsdb.ErrUnauthorized))
			var points *tsdb.PointsError
			require.NotErrorAs(t, err, &points)
			require.NotContains(t, err.Error(), "secret-token")
		})
	}
}

func TestInfluxUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: server.URL, Token: "t", Bucket: "karkhana"})
	require.NoError(t, err)
	require.ErrorContains(t, store.Write(context.Background(), somePoints(1)), "write to influxdb")
	require.ErrorContains(t, store.Read(context.Background(), someQuery, nothing), "query influxdb")
	require.ErrorContains(t, store.Ping(context.Background()), "ping")
}

// InfluxDB 2 answers a type conflict with 422 and words of its own around the same core.
func TestInfluxFindsRefusedPoints(t *testing.T) {
	const n = 12_000
	bad := map[string]bool{"7": true, "4999": true, "5000": true, "11999": true}
	stored, requests := map[string]bool{}, 0
	store := against(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		body, _ := io.ReadAll(r.Body)
		dropped := 0
		for line := range strings.Lines(string(body)) {
			ms := strings.Fields(line)[2]
			if bad[ms] {
				dropped++
				continue
			}
			stored[ms] = true
		}
		if dropped == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = fmt.Fprintf(w, `{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict: input field \"power_w\" dropped=%d"}`, dropped)
	})
	err := store.Write(context.Background(), somePoints(n))
	var refused *tsdb.PointsError
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Refused, len(bad))
	for _, i := range []int{7, 4999, 5000, 11999} {
		require.Contains(t, refused.Refused[i], "field type conflict")
	}
	require.Len(t, stored, n-len(bad))
	require.Less(t, requests, 120, "about two requests for each halving")
}

func TestInfluxSplitsWhatIsTooLarge(t *testing.T) {
	var stored atomic.Int64
	store := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(body) > 1000 {
			refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
			return
		}
		stored.Add(int64(bytes.Count(body, []byte("\n"))))
		w.WriteHeader(http.StatusNoContent)
	})
	points := somePoints(300)
	points[200].Fields[0].Value = strings.Repeat("x", 2000)
	var refused *tsdb.PointsError
	require.ErrorAs(t, store.Write(context.Background(), points), &refused)
	require.Equal(t, map[int]string{200: "the point is too large for the store"}, refused.Refused)
	require.EqualValues(t, 299, stored.Load())
}

// Requests stay bounded also when lines are long.
func TestInfluxBoundsRequests(t *testing.T) {
	var largest, lines int
	store := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		largest = max(largest, len(body))
		lines += bytes.Count(body, []byte("\n"))
		w.WriteHeader(http.StatusNoContent)
	})
	points := somePoints(200)
	for i := range points {
		points[i].Fields[0].Value = strings.Repeat("x", tsdb.MaxTextBytes)
	}
	require.NoError(t, store.Write(context.Background(), points))
	require.LessOrEqual(t, largest, 4<<20)
	require.Equal(t, 200, lines)
}

// One failing request fails the write, whatever the others said.
func TestInfluxWriteStopsAtFailure(t *testing.T) {
	requests := 0
	store := against(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 2 {
			refuse(w, 500, "timeout")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	require.ErrorContains(t, store.Write(context.Background(), somePoints(15_000)), "timeout")
	require.Equal(t, 2, requests)
}

// message writes {"results": [{"statement_id": 0, "series": [{"columns", "values", "partial"}]}]}.
func message(rows int, partial bool) []byte {
	var b bytes.Buffer
	w := msgp.NewWriter(&b)
	_ = w.WriteMapHeader(1)
	_ = w.WriteString("results")
	_ = w.WriteArrayHeader(1)
	_ = w.WriteMapHeader(2)
	_ = w.WriteString("statement_id")
	_ = w.WriteInt(0)
	_ = w.WriteString("series")
	_ = w.WriteArrayHeader(1)
	_ = w.WriteMapHeader(3)
	_ = w.WriteString("columns")
	_ = w.WriteArrayHeader(2)
	_ = w.WriteString("time")
	_ = w.WriteString("power_w")
	_ = w.WriteString("values")
	_ = w.WriteArrayHeader(uint32(rows))
	for i := range rows {
		_ = w.WriteArrayHeader(2)
		_ = w.WriteInt(i)
		_ = w.WriteFloat64(float64(i))
	}
	_ = w.WriteString("partial")
	_ = w.WriteBool(partial)
	_ = w.Flush()
	return b.Bytes()
}

// failed writes {"results": [{"error": text}]}.
func failed(text string) []byte {
	var b bytes.Buffer
	w := msgp.NewWriter(&b)
	_ = w.WriteMapStrIntf(map[string]any{"results": []any{map[string]any{"error": text}}})
	_ = w.Flush()
	return b.Bytes()
}

// A query that breaks off must never look like a complete answer.
func TestInfluxQueryErrors(t *testing.T) {
	whole := message(10, false)
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   string
		is     error
	}{
		{"token", func(w http.ResponseWriter) { refuse(w, 401, "authorization failed") }, "authorization failed", tsdb.ErrUnauthorized},
		{"rights", func(w http.ResponseWriter) { refuse(w, 403, "no") }, "no", tsdb.ErrUnauthorized},
		{"syntax", func(w http.ResponseWriter) { refuse(w, 400, "error parsing query") }, "HTTP status 400: error parsing query", nil},
		{"body of 2.x", func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":"not found","message":"no dbrp mapping"}`)
		}, "HTTP status 404: no dbrp mapping", nil},
		{"error after rows", func(w http.ResponseWriter) { write(w, message(10, true), failed("query timeout")) }, "query timeout", nil},
		{"more was promised", func(w http.ResponseWriter) { write(w, message(10, true)) }, "unexpected EOF", io.ErrUnexpectedEOF},
		{"cut inside a message", func(w http.ResponseWriter) { write(w, whole[:len(whole)-20]) }, "unexpected EOF", io.ErrUnexpectedEOF},
		{"connection lost between messages", func(w http.ResponseWriter) {
			write(w, whole)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "query influxdb", nil},
		{"not MessagePack", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"results":[]}`)
		}, "is this an InfluxDB", nil},
		{"rubbish", func(w http.ResponseWriter) { write(w, []byte("hello")) }, "query influxdb", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := against(t, func(w http.ResponseWriter, _ *http.Request) { test.answer(w) })
			err := store.Read(context.Background(), someQuery, nothing)
			require.ErrorContains(t, err, test.want)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		})
	}
	rows := 0
	store := against(t, func(w http.ResponseWriter, _ *http.Request) { write(w, message(10, true), whole) })
	require.NoError(t, store.Read(context.Background(), someQuery, func(tsdb.Row) error { rows++; return nil }))
	require.Equal(t, 20, rows)
}

func write(w http.ResponseWriter, messages ...[]byte) {
	w.Header().Set("Content-Type", "application/x-msgpack")
	for _, m := range messages {
		_, _ = w.Write(m)
	}
}

func TestInfluxOptionsAreChecked(t *testing.T) {
	for _, o := range []tsdb.InfluxOptions{
		{URL: "127.0.0.1:8086", Bucket: "b"}, {URL: "", Bucket: "b"}, {URL: "mqtt://x", Bucket: "b"}, {URL: "http://x"},
	} {
		_, err := tsdb.NewInflux(o)
		require.Error(t, err, "%+v", o)
	}
}

// The real server's words for a wrong token and a missing database.
func TestInfluxWrongSetUp(t *testing.T) {
	_, options := openInflux(t)
	wrong := options
	wrong.Token = "karkhana:wrong"
	store, err := tsdb.NewInflux(wrong)
	require.NoError(t, err)
	defer store.Close()
	require.ErrorIs(t, store.Ping(context.Background()), tsdb.ErrUnauthorized)
	require.ErrorIs(t, store.Write(context.Background(), somePoints(1)), tsdb.ErrUnauthorized)

	wrong = options
	wrong.Bucket = "elsewhere"
	store, err = tsdb.NewInflux(wrong)
	require.NoError(t, err)
	defer store.Close()
	require.Error(t, store.Ping(context.Background()))
	err = store.Write(context.Background(), somePoints(1))
	require.Error(t, err)
	var points *tsdb.PointsError
	require.NotErrorAs(t, err, &points, "a missing database is not the points' fault")
}
