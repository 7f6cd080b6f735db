package i18n

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestLoad(t *testing.T) {
	files := fstest.MapFS{"i18n/hi.json": {Data: []byte(`{"run":"चालू"}`)}, "i18n/en.json": {Data: []byte(`{"run":`)}}
	hi, err := Load(files, "hi")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"run": "चालू"}, hi)
	_, err = Load(files, "en")
	require.ErrorContains(t, err, "texts of language en")
	_, err = Load(files, "fr")
	require.EqualError(t, err, `language "fr": use hi or en`)
}
