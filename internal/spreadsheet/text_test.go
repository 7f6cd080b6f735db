package spreadsheet

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"=1": "'=1", " +1": "' +1", "-1": "'-1", "\tx": "'\tx", "\ufeff@x": "'\ufeff@x", "＝1": "'＝1", "भट्टी": "भट्टी", "": "", " ": " ",
	} {
		require.Equal(t, want, Text(in))
	}
}
