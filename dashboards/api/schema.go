package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// addSchema adds the schema of v's type to the document, for content that no operation returns as plain JSON.
func addSchema(r huma.Registry, v any) { r.Schema(reflect.TypeOf(v), true, "") }
