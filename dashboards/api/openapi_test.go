package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/tsdb"
)

// TestOpenAPIFile holds the committed openapi.json, from which the pages' types are generated, against the code.
// UPDATE=1 writes it.
func TestOpenAPIFile(t *testing.T) {
	a, err := New(Options{Store: struct{ tsdb.Store }{}, Registry: struct{ Registry }{}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	raw, err := json.Marshal(a.huma.OpenAPI())
	require.NoError(t, err)
	var want bytes.Buffer
	require.NoError(t, json.Indent(&want, raw, "", " "))
	want.WriteByte('\n')
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile("openapi.json", want.Bytes(), 0o644))
	}
	is, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	require.True(t, bytes.Equal(want.Bytes(), is), "openapi.json differs from the code: run `UPDATE=1 go test ./dashboards/api -run OpenAPIFile` and commit it")
}
