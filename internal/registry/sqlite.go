package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // driver "sqlite"
)

// sqliteReaders bounds how many readers work at once.
const sqliteReaders = 4

// readerCache bounds the pages that each reader keeps (KiB; the writer keeps 2 MB): the file's pages are in the system's
// cache, and each of a server's processes has readers of its own.
const readerCache = "cache_size(-512)"

// busyTimeout (ms) is how long one process waits for another one's write.
const busyTimeout = "busy_timeout(15000)"

// openSQLite opens the file at path. WAL lets readers go on beside the writer, synchronous FULL makes a commit outlast
// a power cut, the busy time-out waits for other processes (karkhana admin beside karkhana up).
func openSQLite(ctx context.Context, path string) (*DB, error) {
	if path == "" {
		return nil, errors.New("registry: the database URL names no file; use sqlite:///path/file.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	if err := createFile(path); err != nil {
		return nil, fmt.Errorf("registry: create database file: %w", err)
	}
	writer, err := sql.Open("sqlite", dsn(path, url.Values{
		"_txlock": {"immediate"}, // wait for the lock at the start, never fail on it in the middle
		"_pragma": {busyTimeout, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"},
	}))
	if err != nil {
		return nil, fmt.Errorf("registry: open %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	if err := migrate(ctx, writer, goose.DialectSQLite3); err != nil {
		return nil, errors.Join(fmt.Errorf("registry: open %s: %w", path, err), writer.Close())
	}
	reader, err := sql.Open("sqlite", dsn(path, url.Values{"_pragma": {busyTimeout, readerCache, "query_only(1)"}}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("registry: open %s: %w", path, err), writer.Close())
	}
	reader.SetMaxOpenConns(sqliteReaders)
	reader.SetMaxIdleConns(sqliteReaders)
	return &DB{read: reader, write: writer, now: time.Now, quarantine: DefaultQuarantineLimits}, nil
}

func dsn(path string, options url.Values) string {
	return (&url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}).String()
}

// createFile makes an empty database file that only its owner may read: it holds hashes of secrets. SQLite gives the
// files beside it the same mode.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
