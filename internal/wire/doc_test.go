package wire

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/quantity"
)

// docs/wire.md has a row for every quantity, with its unit and field, and names every reason.
func TestDocumentNamesEverything(t *testing.T) {
	content, err := os.ReadFile("../../docs/wire.md")
	require.NoError(t, err)
	rows := map[string]string{} // first name of a table row → row
	for line := range strings.Lines(string(content)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			rows[name[:strings.IndexByte(name, '`')]] = line
		}
		if strings.HasPrefix(line, "| `crest`, `kurtosis`") {
			rows["kurtosis"] = line
		}
	}
	for _, q := range quantity.All() {
		base := q
		for _, suffix := range []string{"_min", "_max", "_l1", "_l2", "_l3"} {
			if name, ok := strings.CutSuffix(q.Name, suffix); ok {
				base, _ = quantity.Get(name)
			}
		}
		row := rows[base.Name]
		require.NotEmpty(t, row, "%s has no row", q.Name)
		require.Contains(t, row, "`"+base.Field+"`")
		require.Contains(t, row, "| "+strings.TrimLeft(base.Unit+" |", " "), base.Name)
	}
	for _, reason := range []string{
		ReasonNotSenML, ReasonBadRecord, ReasonUnknownQuantity, ReasonUnknownUnit, ReasonWrongType,
		ReasonAbsurdTime, ReasonMissingIdentity, ReasonOutOfRange, ReasonTooLarge,
	} {
		require.Contains(t, string(content), "`"+reason+"`")
	}
}

// docs/wire.md names every field of the status.
func TestDocumentNamesTheStatus(t *testing.T) {
	content, err := os.ReadFile("../../docs/wire.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(content), "## Status")
	require.True(t, ok)
	for _, message := range []any{Status{}, Disk{}, CommandStatus{}, CommandOutcome{}, AllowListStatus{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(message)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			require.Contains(t, section, `"`+name+`"`)
		}
	}
}
