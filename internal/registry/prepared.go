package registry

import (
	"context"
	"database/sql"
	"sync"
)

// statements are the few texts that are executed many times a second, kept prepared until the database is closed: SQLite
// takes longer to read a statement for hundreds of rows than to execute it.
type statements struct {
	mu     sync.Mutex
	byText map[string]*sql.Stmt
}

func (s *statements) get(query string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byText[query]
}

// add prepares a text, without the lock: the connection may be a transaction's, which asks get before it ends. That a
// text cannot be prepared is nothing yet: executing it will say so.
func (s *statements) add(ctx context.Context, db *sql.DB, query string) {
	if s.get(query) != nil {
		return
	}
	p, err := db.PrepareContext(ctx, query)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byText[query] != nil {
		_ = p.Close() //nolint:sqlclosecheck // the other one is kept until the database is closed
		return
	}
	if s.byText == nil {
		s.byText = map[string]*sql.Stmt{}
	}
	s.byText[query] = p
}

// prepared is a transaction whose statements are kept prepared.
type prepared struct {
	*sql.Tx
	kept    *statements
	missing []string
}

func (p *prepared) of(ctx context.Context, query string) *sql.Stmt {
	s := p.kept.get(query)
	if s == nil {
		p.missing = append(p.missing, query)
		return nil
	}
	return p.StmtContext(ctx, s)
}

// ExecContext is that of [sql.Tx].
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s := p.of(ctx, query); s != nil { //nolint:sqlclosecheck // ends with the transaction
		return s.ExecContext(ctx, args...)
	}
	return p.Tx.ExecContext(ctx, query, args...)
}

// QueryContext is that of [sql.Tx].
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s := p.of(ctx, query); s != nil { //nolint:sqlclosecheck // ends with the transaction
		return s.QueryContext(ctx, args...)
	}
	return p.Tx.QueryContext(ctx, query, args...)
}

// txPrepared is tx for what is done many times a second with few texts. What was not prepared yet is so afterwards: the
// only connection that writes to SQLite is the transaction's until then.
func (d *DB) txPrepared(ctx context.Context, what string, f func(q querier) error) error {
	var missing []string
	err := d.tx(ctx, what, func(tx *sql.Tx) error {
		p := &prepared{Tx: tx, kept: &d.statements}
		err := f(p)
		missing = p.missing
		return err
	})
	if err == nil {
		for _, query := range missing {
			d.statements.add(ctx, d.write, query)
		}
	}
	return err
}
