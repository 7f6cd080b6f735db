package registry

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"karkhana/internal/varint"
)

// mostLogged is how many stretches a process puts on the log before it makes rows of touched of them by itself, in case that
// nobody looks at the list meanwhile: one and a half megabytes.
const mostLogged = 50_000

// Touch notes stretches that hold new or late samples, in one transaction: a stretch already waiting grows to hold
// both (least FromMs, greatest ToMs), and its Version grows. Version of the given rows does not count.
//
// What is noted goes onto a log, in one piece: a row for each machine, each time, took a quarter of the time that ingest
// needs for the packs of 20,000 machines. Whoever looks at the list merges the log first.
func (d *DB) Touch(ctx context.Context, touches []Touched) error {
	if len(touches) == 0 {
		return nil
	}
	err := d.txPrepared(ctx, "touch", func(q querier) error {
		_, err := q.ExecContext(ctx, `INSERT INTO touched_log (id, stretches) VALUES ($1, $2)`, rand.Int64(), appendStretches(nil, touches))
		return err
	})
	if err == nil && d.logged.Add(int64(len(touches))) >= mostLogged {
		err = d.mergeLog(ctx)
	}
	return err
}

// mergeLog makes rows of touched of what stands on the log. It is a transaction of its own: it locks rows of touched in
// order, and must not hold any when the caller goes on to lock others.
func (d *DB) mergeLog(ctx context.Context) error {
	var there bool
	if err := d.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM touched_log)`).Scan(&there); err != nil {
		return fmt.Errorf("registry: read the log of touched stretches: %w", err)
	}
	if !there {
		return nil
	}
	err := d.txPrepared(ctx, "merge the log of touched stretches", func(q querier) error {
		if err := lock(ctx, q, "touched_log"); err != nil {
			return err
		}
		rows, err := takeLog(ctx, q)
		if err != nil {
			return err
		}
		return touch(ctx, q, rows)
	})
	if err == nil {
		d.logged.Store(0)
	}
	return err
}

// takeLog takes all from the log that is there and returns one stretch for each machine.
func takeLog(ctx context.Context, q querier) ([]Touched, error) {
	pieces, err := q.QueryContext(ctx, `SELECT id, stretches FROM touched_log`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = pieces.Close() }()
	m := stretchMerger{at: map[string]int{}}
	var ids []int64
	for pieces.Next() {
		var id int64
		var piece sql.RawBytes
		if err := pieces.Scan(&id, &piece); err != nil {
			return nil, err
		}
		if err := m.add(piece); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := pieces.Err(); err != nil {
		return nil, err
	}
	for _, id := range ids { // no piece that has come since
		if _, err := q.ExecContext(ctx, `DELETE FROM touched_log WHERE id = $1`, id); err != nil {
			return nil, err
		}
	}
	return m.rows, nil
}

// appendStretches writes each stretch as the length of its two names together, length and bytes of the site's, bytes of the
// machine's, start and length.
func appendStretches(b []byte, rows []Touched) []byte {
	for _, t := range rows {
		b = binary.AppendUvarint(b, uint64(1+len(t.Site)+len(t.Machine)))
		b = append(b, byte(len(t.Site)))
		b = append(append(b, t.Site...), t.Machine...)
		b = binary.AppendVarint(b, t.FromMs)
		b = binary.AppendVarint(b, t.ToMs-t.FromMs)
	}
	return b
}

// stretchMerger reads what appendStretches wrote.
type stretchMerger struct {
	at   map[string]int // by both names as written
	rows []Touched
}

var errStretches = errors.New("the log of touched stretches holds what cannot be read: the database is damaged, restore it")

func (m *stretchMerger) add(piece []byte) error {
	r := varint.NewReader(piece)
	for r.More() {
		names, from, long := r.Bytes(), r.Varint(), r.Varint()
		if r.Bad() || len(names) == 0 || int(names[0]) >= len(names) {
			return errStretches
		}
		i, ok := m.at[string(names)]
		if !ok {
			site := 1 + int(names[0])
			m.at[string(names)] = len(m.rows)
			m.rows = append(m.rows, Touched{Site: string(names[1:site]), Machine: string(names[site:]), FromMs: from, ToMs: from + long})
			continue
		}
		t := &m.rows[i]
		t.FromMs, t.ToMs = min(t.FromMs, from), max(t.ToMs, from+long)
	}
	return nil
}
