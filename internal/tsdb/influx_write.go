package tsdb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
)

// One request carries at most so much: InfluxDB advises 5,000 to 10,000 points, and 1.8 refuses bodies over 25 MB.
const (
	maxBatchPoints = 5000
	maxBatchBytes  = 4 << 20
)

// Write implements Store. It sends the points in requests of bounded size. When InfluxDB refuses some of a request,
// the request is halved until the refused points stand alone, so that every other point has been acknowledged.
func (x *Influx) Write(ctx context.Context, points []Point) error {
	select {
	case x.writers <- struct{}{}:
		defer func() { <-x.writers }()
	case <-ctx.Done():
		return fmt.Errorf("write to influxdb: %w", ctx.Err())
	}
	const usualLine = 128 // bytes; the body grows where lines are longer
	w := batchWriter{
		store: x, points: points, refused: map[int]string{},
		line: func(b []byte, i int) []byte { return appendLine(b, &points[i]) },
		body: make([]byte, 0, min(len(points), maxBatchPoints)*usualLine),
	}
	for i := range points {
		if reason := refusal(&points[i]); reason != "" {
			w.refused[i] = reason
			continue
		}
		if err := w.add(ctx, i); err != nil {
			return err
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	if len(w.refused) > 0 {
		return &PointsError{Refused: w.refused}
	}
	return nil
}

// batchWriter gathers lines of one Write.
type batchWriter struct {
	store   *Influx
	points  []Point                      // of Write
	line    func(b []byte, i int) []byte // appends the line of point i
	refused map[int]string
	body    []byte
	indexes []int // of the points in body
}

func (w *batchWriter) add(ctx context.Context, i int) error {
	before := len(w.body)
	w.body = appendLine(w.body, &w.points[i])
	if len(w.body) > maxBatchBytes && before > 0 {
		line := string(w.body[before:])
		w.body = w.body[:before]
		if err := w.flush(ctx); err != nil {
			return err
		}
		w.body = append(w.body, line...)
	}
	w.indexes = append(w.indexes, i)
	if len(w.indexes) == maxBatchPoints {
		return w.flush(ctx)
	}
	return nil
}

func (w *batchWriter) flush(ctx context.Context) error {
	if len(w.indexes) == 0 {
		return nil
	}
	err := w.send(ctx, w.indexes, w.body)
	w.indexes, w.body = w.indexes[:0], w.body[:0]
	return err
}

// send stores the points of a body and notes those refused for good.
func (w *batchWriter) send(ctx context.Context, indexes []int, body []byte) error {
	if err := w.store.writer.WriteRecord(ctx, string(body)); err != nil {
		return w.split(ctx, indexes, err)
	}
	return nil
}

// split finds the points for which a request failed, if it was for points.
func (w *batchWriter) split(ctx context.Context, indexes []int, err error) error {
	reason, all := refusedForGood(err, len(indexes))
	switch {
	case reason == "":
		return writeError(err)
	case all || len(indexes) == 1:
		for _, i := range indexes {
			w.refused[i] = reason
		}
		return nil
	}
	// InfluxDB answers with the first refusal before it is done with the other points (1.8 writes shard by shard),
	// so nothing of this request counts as stored: both halves are written again.
	half := len(indexes) / 2
	for _, part := range [][]int{indexes[:half], indexes[half:]} {
		var again []byte
		for _, i := range part {
			again = w.line(again, i)
		}
		if err := w.send(ctx, part, again); err != nil {
			return err
		}
	}
	return nil
}

// refusedForGood returns the reason when the answer blames points of the request, and whether it says that all n of
// them were dropped. Anything else may succeed later or is a fault of the set-up.
func refusedForGood(err error, n int) (reason string, all bool) {
	var answer *influxhttp.Error
	if !errors.As(err, &answer) {
		return "", false
	}
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
	case http.StatusRequestEntityTooLarge:
		return "the point is too large for the store", false
	default:
		return "", false
	}
	m := answer.Message
	for _, passing := range []string{"pending deletion", "limit exceeded", "timeout"} {
		if strings.Contains(m, passing) {
			return "", false
		}
	}
	for _, blame := range []string{"partial write", "unable to parse", "field type conflict", "beyond retention policy"} {
		if strings.Contains(m, blame) {
			return m, strings.HasSuffix(m, fmt.Sprintf(" dropped=%d", n))
		}
	}
	return "", false
}

// writeError says what failed and keeps ErrUnauthorized apart from what may pass.
func writeError(err error) error {
	var answer *influxhttp.Error
	if errors.As(err, &answer) {
		switch answer.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("write to influxdb: %w (%s)", ErrUnauthorized, answer.Message)
		case 0:
		default:
			return fmt.Errorf("write to influxdb: HTTP status %d: %w", answer.StatusCode, err)
		}
	}
	return fmt.Errorf("write to influxdb: %w", err)
}
