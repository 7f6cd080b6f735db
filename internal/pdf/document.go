package pdf

// Document is a paper: blocks from top to bottom, broken into pages.
type Document struct {
	Lang     string // hi or en: the language of the paper, for readers that speak
	Title    string
	Subtitle []string // lines under the title
	Footer   string   // on every page, beside the page number
	Page     string   // the word before the page number
	Wide     bool     // A4 across
	Blocks   []Block
}

// Block is one part of a paper. What is empty is left out: a heading alone, a paragraph alone, a table with both.
type Block struct {
	Heading    string
	Paragraphs []string // before the table
	Table      *Table
}

// Table is a table. Its columns are as wide as their texts want; what does not fit is wrapped between words, and
// when even the longest words do not fit, the whole table is set smaller.
type Table struct {
	Columns []Column
	Rows    [][]string // as many cells as columns
	Total   bool       // the last row is a sum: set bold, with a rule above it
}

// Column is one column of a table.
type Column struct {
	Head  string
	Right bool // numbers stand at the right
}
