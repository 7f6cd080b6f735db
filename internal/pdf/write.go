package pdf

import (
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf16"

	"codeberg.org/go-pdf/fpdf"
)

// Sizes in points.
const (
	margin      = 36.0
	footerSpace = 26.0
	bodySize    = 9.0
	titleSize   = 16.0
	headSize    = 11.0
	smallSize   = 7.5
	leading     = 1.42 // Devanagari stands higher than Latin
	cellPad     = 3.0
	gutter      = 9.0  // between numbers, which end at the right, and a text behind them
	looseness   = 28.0 // room that a column gets beyond its texts at most, so that the eye finds the row
	family      = "lohit"
	allPages    = "{pages}"
)

// tableSizes are tried in turn until the longest words fit.
var tableSizes = []float64{8.5, 8, 7.5, 7, 6.5, 6, 5.5}

// Write sets the document.
func Write(w io.Writer, d Document) error {
	s, err := newSetter()
	if err != nil {
		return err
	}
	orientation := "P"
	if d.Wide {
		orientation = "L"
	}
	f := fpdf.New(orientation, "pt", "A4", "")
	f.SetCatalogSort(true)
	f.SetCreationDate(noTime)
	f.SetModificationDate(noTime)
	f.SetProducer("Karkhana", false)
	f.SetTitle(d.Title, true)
	f.SetLang(d.Lang)
	f.SetMargins(margin, margin, margin)
	f.SetAutoPageBreak(false, 0)
	f.AliasNbPages(allPages)
	f.AddUTF8FontFromBytes(family, "", lohit)
	p := &press{f: f, s: s, d: d}
	p.width, p.height = f.GetPageSize()
	p.page()
	p.paragraph(d.Title, titleSize, true)
	for _, l := range d.Subtitle {
		p.paragraph(l, bodySize, false)
	}
	for _, b := range d.Blocks {
		p.block(b)
	}
	if err := f.Output(w); err != nil {
		return fmt.Errorf("write the paper: %w", err)
	}
	return nil
}

// noTime stands for the time of making, which would make every copy another file.
var noTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// press puts lines onto pages.
type press struct {
	f             *fpdf.Fpdf
	s             *setter
	d             Document
	width, height float64
	y             float64 // top of the next line
}

func (p *press) page() {
	p.f.AddPage()
	base := p.height - margin + 6
	p.f.SetLineWidth(0.4)
	p.f.SetDrawColor(150, 150, 150)
	p.f.Line(margin, base-smallSize-4, p.width-margin, base-smallSize-4)
	p.text(margin, base, smallSize, false, p.s.lines(p.d.Footer, p.inner()/smallSize*0.75)[0])
	number := fmt.Sprintf("%s %d / %s", p.d.Page, p.f.PageNo(), allPages)
	p.text(p.width-margin-70, base, smallSize, false, p.s.lines(number, p.inner())[0])
	p.y = margin
}

func (p *press) inner() float64 { return p.width - 2*margin }

// room begins a new page when less than h is left. It reports whether it did.
func (p *press) room(h float64) bool {
	if p.y+h <= p.height-margin-footerSpace+margin/2 {
		return false
	}
	p.page()
	return true
}

func (p *press) paragraph(text string, size float64, bold bool) {
	if text == "" {
		return
	}
	for _, l := range p.s.lines(text, p.inner()/size) {
		p.room(size * leading)
		p.text(margin, p.y+size*1.05, size, bold, l)
		p.y += size * leading
	}
	p.y += size * 0.25
}

func (p *press) block(b Block) {
	if b.Heading != "" {
		need := headSize*leading + 4*bodySize*leading // not alone at the foot of a page
		if !p.room(need + 8) {
			p.y += 8
		}
		p.paragraph(b.Heading, headSize, true)
	}
	for _, text := range b.Paragraphs {
		p.paragraph(text, bodySize, false)
	}
	if b.Table != nil && len(b.Table.Columns) > 0 {
		p.table(*b.Table)
	}
}

func (p *press) table(t Table) {
	size, widths := p.columns(t)
	heads := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		heads[i] = c.Head
	}
	head := p.row(t, heads, widths, size)
	for _, w := range widths {
		head.width += w
	}
	p.room(head.height * 2)
	p.put(head, t, widths, size, true, true)
	for i, cells := range t.Rows {
		r := p.row(t, cells, widths, size)
		r.width = head.width
		need := r.height
		if i == len(t.Rows)-2 { // the last row is not alone on a page
			need *= 2
		}
		if p.room(need) {
			p.put(head, t, widths, size, true, true)
		}
		last := t.Total && i == len(t.Rows)-1
		p.put(r, t, widths, size, last, last)
	}
	p.y += 6
}

// columns chooses the size of a table and the widths of its columns.
func (p *press) columns(t Table) (size float64, widths []float64) {
	longest, whole := make([]float64, len(t.Columns)), make([]float64, len(t.Columns))
	for i, c := range t.Columns {
		longest[i], whole[i] = p.s.widest(c.Head)
		for _, r := range t.Rows {
			if i < len(r) {
				l, w := p.s.widest(r[i])
				longest[i], whole[i] = max(longest[i], l), max(whole[i], w)
			}
		}
	}
	pads := 2 * cellPad * float64(len(t.Columns))
	for i := range t.Columns {
		pads += t.gutter(i)
	}
	var sumLongest, sumWhole float64
	for i := range longest {
		sumLongest, sumWhole = sumLongest+longest[i], sumWhole+whole[i]
	}
	for _, size = range tableSizes {
		if sumLongest*size+pads <= p.inner() {
			break
		}
	}
	space := p.inner() - pads
	widths = make([]float64, len(t.Columns))
	for i := range widths {
		w := whole[i] * size
		switch {
		case sumLongest*size > space: // too much even for the smallest size: share what there is
			w = longest[i] / sumLongest * space
		case sumWhole*size > space:
			w = longest[i]*size + (whole[i]-longest[i])/(sumWhole-sumLongest)*(space-sumLongest*size)
		case sumWhole > 0:
			w += min(looseness, (space-sumWhole*size)/float64(len(t.Columns)))
		}
		widths[i] = w + 2*cellPad + t.gutter(i)
	}
	return size, widths
}

// gutter is the room before a column of text that stands behind numbers.
func (t Table) gutter(column int) float64 {
	if column > 0 && t.Columns[column-1].Right && !t.Columns[column].Right {
		return gutter
	}
	return 0
}

// setRow is a row broken into lines.
type setRow struct {
	cells         [][]line
	width, height float64
}

func (p *press) row(t Table, cells []string, widths []float64, size float64) setRow {
	r := setRow{cells: make([][]line, len(widths))}
	most := 1
	for i := range widths {
		if i < len(cells) {
			r.cells[i] = p.s.lines(cells[i], (widths[i]-2*cellPad-t.gutter(i))/size)
			most = max(most, len(r.cells[i]))
		}
	}
	r.height = float64(most)*size*leading + cellPad
	return r
}

func (p *press) put(r setRow, t Table, widths []float64, size float64, bold, ruled bool) {
	if ruled {
		p.f.SetFillColor(238, 238, 238)
		p.f.Rect(margin, p.y, r.width, r.height, "F")
	}
	x := margin
	for i, ls := range r.cells {
		for j, l := range ls {
			left := x + cellPad + t.gutter(i)
			if t.Columns[i].Right {
				left = x + widths[i] - cellPad - l.width*size
			}
			p.text(left, p.y+cellPad/2+size*1.02+float64(j)*size*leading, size, bold, l)
		}
		x += widths[i]
	}
	p.y += r.height
	p.f.SetLineWidth(0.3)
	p.f.SetDrawColor(190, 190, 190)
	p.f.Line(margin, p.y, margin+r.width, p.y)
}

// text puts one line with its base line at y.
func (p *press) text(x, y, size float64, bold bool, l line) {
	p.f.SetFont(family, "", size)
	for i, w := range l.words {
		if i > 0 {
			x += p.s.space * size
		}
		for _, r := range w.runs {
			p.run(x, y, size, bold, r)
			x += r.width * size
		}
	}
}

func (p *press) run(x, y, size float64, bold bool, r run) {
	switch {
	case r.glyphs != nil:
		p.outlines(x, y, size, bold, r)
		p.hidden(x, y, r)
		return
	case bold:
		p.f.SetLineWidth(size * boldness)
		p.f.SetDrawColor(0, 0, 0)
		p.f.SetTextRenderingMode(2)
	}
	p.f.Text(x, y, r.text)
	if bold {
		p.f.SetTextRenderingMode(0)
	}
}

// hidden lays a run's text over its outlines, for searching and copying: invisible, drawn out or together to the width
// of the outlines. ActualText gives a reader the run as a whole, whose signs it would otherwise order by their places.
func (p *press) hidden(x, y float64, r run) {
	var plain float64
	for _, c := range r.text {
		plain += p.s.advance(c)
	}
	if plain > 0 {
		p.f.RawWriteStr(fmt.Sprintf("%.1f Tz", 100*r.width/plain))
	}
	p.f.SetTextRenderingMode(3)
	actual := []byte{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(r.text)) {
		actual = append(actual, byte(u>>8), byte(u))
	}
	p.f.RawWriteStr(fmt.Sprintf("/Span <</ActualText <%X>>> BDC", actual))
	p.f.Text(x, y, r.text)
	p.f.RawWriteStr("EMC")
	p.f.SetTextRenderingMode(0)
	p.f.RawWriteStr("100 Tz")
}

// boldness is how thick the rim is that makes a letter bold, as a share of the size: the font has no bold cut.
const boldness = 0.03

func (p *press) outlines(x, y, size float64, bold bool, r run) {
	scale := size / p.s.upem
	b := []byte("q 0 g 0 G ")
	num := func(v float64, decimals int) {
		b = append(strconv.AppendFloat(b, v, 'f', decimals, 64), ' ')
	}
	num(scale, 6)
	b = append(b, "0 0 "...)
	num(scale, 6)
	num(x, 2)
	num(p.height-y, 2)
	b = append(b, "cm "...)
	op := "f "
	if bold {
		num(boldness*p.s.upem, 0)
		b = append(b, "w "...)
		op = "B "
	}
	for _, g := range r.glyphs { // integers from the glyph's own origin: the same glyph is the same bytes, which packs well
		b = append(b, "q 1 0 0 1 "...)
		num(g.x, 0)
		num(g.y, 0)
		b = append(b, "cm "...)
		b = append(b, g.path...)
		b = append(b, ' ')
		b = append(b, op...)
		b = append(b, "Q "...)
	}
	p.f.RawWriteStr(string(append(b, 'Q')))
}
