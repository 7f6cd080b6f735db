package api

import (
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

const csvType = "text/csv; charset=utf-8"

// fileOutput is an answer that a browser keeps as a file.
type fileOutput struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	Body               []byte
}

// file answers with a file of the given name.
func file(contentType, name string, body []byte) *fileOutput {
	return &fileOutput{ContentType: contentType, ContentDisposition: fmt.Sprintf("attachment; filename=%q", name), Body: body}
}

// giving says in the description of op that it answers with something other than JSON.
func giving(op huma.Operation, description, contentType string) huma.Operation {
	op.Responses = map[string]*huma.Response{"200": {
		Description: description, Content: map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: "string"}}},
	}}
	return op
}
