package tsdb_test

import (
	"testing"

	"karkhana/internal/tsdb"
	"karkhana/internal/tsdb/tsdbtest"
)

func TestMemory(t *testing.T) { tsdbtest.Suite(t, tsdb.NewMemory()) }
