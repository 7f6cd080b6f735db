package report

import (
	"encoding/csv"
	"fmt"
	"io"

	"karkhana/internal/pdf"
	"karkhana/internal/spreadsheet"
)

// WriteCSV writes the page's tables one below the other, each under its heading, with an empty line between them.
//
// It begins with the UTF-8 byte order mark, because Excel otherwise reads Hindi as Latin characters, and ends lines
// with CR LF. Numbers are plain (1234.50), dates dd-mm-yyyy in the site's zone; what is not known is an empty cell.
// A text that a spreadsheet would take for a formula gets an apostrophe before it.
func (p *Page) WriteCSV(out io.Writer) error {
	if _, err := io.WriteString(out, "\ufeff"); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	c := csv.NewWriter(out)
	c.UseCRLF = true
	rows := [][]string{{p.Title}}
	for _, s := range p.Subtitle {
		rows = append(rows, []string{s})
	}
	for _, part := range p.Parts {
		rows = append(rows, []string{""}, []string{part.Heading})
		for _, text := range part.Paragraphs {
			rows = append(rows, []string{text})
		}
		if len(part.Columns) == 0 {
			continue
		}
		head := make([]string, len(part.Columns))
		for i, col := range part.Columns {
			head[i] = col.Head
		}
		rows = append(rows, head)
		rows = append(rows, part.raw...)
	}
	for _, r := range rows {
		safe := make([]string, len(r))
		for i, v := range r {
			safe[i] = spreadsheet.Text(v)
		}
		if err := c.Write(safe); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// WritePDF sets the page on A4, across unless it says otherwise. The same page gives the same bytes.
func (p *Page) WritePDF(out io.Writer) error {
	d := pdf.Document{Lang: p.Lang, Title: p.Title, Subtitle: p.Subtitle, Footer: p.footer, Page: p.pageWord, Wide: !p.tall}
	for _, part := range p.Parts {
		b := pdf.Block{Heading: part.Heading, Paragraphs: part.Paragraphs}
		if len(part.Columns) > 0 && !part.tableOnly {
			t := pdf.Table{Rows: part.Rows, Total: part.Total}
			for _, c := range part.Columns {
				t.Columns = append(t.Columns, pdf.Column{Head: c.Head, Right: c.Number})
			}
			b.Table = &t
		}
		d.Blocks = append(d.Blocks, b)
	}
	return pdf.Write(out, d)
}
