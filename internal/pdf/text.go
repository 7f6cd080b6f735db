package pdf

import (
	"bytes"
	_ "embed" // the font
	"fmt"
	"strconv"
	"strings"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
)

//go:embed font/Lohit-Devanagari.ttf
var lohit []byte

// setter measures and shapes words. Not safe for concurrent use.
type setter struct {
	face   *font.Face
	shaper shaping.HarfbuzzShaper
	upem   float64
	space  float64 // width of a space, as a share of the size
	words  map[string]word
	paths  map[font.GID]string
}

// word is what stands between two spaces, set. Widths are shares of the size.
type word struct {
	runs  []run
	width float64
}

// run is a part of a word in one script.
type run struct {
	text   string
	glyphs []glyph // of Devanagari; nil: plain text
	width  float64
}

// glyph is an outline in font units (y upwards) with its place from the begin of the run.
type glyph struct {
	path string
	x, y float64
}

func newSetter() (*setter, error) {
	face, err := font.ParseTTF(bytes.NewReader(lohit))
	if err != nil {
		return nil, fmt.Errorf("read the font of papers: %w", err)
	}
	s := &setter{face: face, upem: float64(face.Upem()), words: map[string]word{}, paths: map[font.GID]string{}}
	s.space = s.advance(' ')
	return s, nil
}

// advance is the width of a rune that is set plainly.
func (s *setter) advance(r rune) float64 {
	gid, _ := s.face.NominalGlyph(r)
	return float64(s.face.HorizontalAdvance(gid)) / s.upem
}

// devanagari reports whether a rune must be shaped. Joiners count: they say how their neighbours join.
func devanagari(r rune) bool {
	return r >= 0x0900 && r <= 0x097f || r >= 0xa8e0 && r <= 0xa8ff || r >= 0x1cd0 && r <= 0x1cff || r == 0x200c || r == 0x200d
}

// word sets a word. A rune that the font does not have is set as a question mark.
func (s *setter) word(text string) word {
	if w, ok := s.words[text]; ok {
		return w
	}
	var w word
	runes := []rune(strings.ToValidUTF8(text, "?"))
	for i, r := range runes {
		if _, ok := s.face.NominalGlyph(r); !ok && r != 0x200c && r != 0x200d {
			runes[i] = '?'
		}
	}
	for from := 0; from < len(runes); {
		to := from + 1
		for to < len(runes) && devanagari(runes[to]) == devanagari(runes[from]) {
			to++
		}
		r := s.run(runes[from:to])
		w.runs = append(w.runs, r)
		w.width += r.width
		from = to
	}
	s.words[text] = w
	return w
}

func (s *setter) run(runes []rune) run {
	r := run{text: string(runes)}
	if !devanagari(runes[0]) {
		for _, c := range runes {
			r.width += s.advance(c)
		}
		return r
	}
	out := s.shaper.Shape(shaping.Input{
		Text: runes, RunEnd: len(runes), Direction: di.DirectionLTR, Face: s.face,
		Size: fixed.I(int(s.upem)), Script: language.Devanagari, Language: language.NewLanguage("hi"),
	})
	r.glyphs = []glyph{}
	var x float64
	for _, g := range out.Glyphs {
		if path := s.path(g.GlyphID); path != "" {
			r.glyphs = append(r.glyphs, glyph{path, x + units(g.XOffset), units(g.YOffset)})
		}
		x += units(g.Advance)
	}
	r.width = x / s.upem
	return r
}

func units(v fixed.Int26_6) float64 { return float64(v) / 64 }

// path writes a glyph's outline as PDF path operators; "" when it is empty, as a space is.
func (s *setter) path(gid font.GID) string {
	if p, ok := s.paths[gid]; ok {
		return p
	}
	var b strings.Builder
	if outline, ok := s.face.GlyphDataOutline(gid); ok {
		var at opentype.SegmentPoint
		for i, seg := range outline.Segments {
			p := seg.Args
			switch seg.Op {
			case opentype.SegmentOpMoveTo:
				if i > 0 {
					b.WriteString("h ")
				}
				operator(&b, 'm', p[0])
				at = p[0]
			case opentype.SegmentOpLineTo:
				operator(&b, 'l', p[0])
				at = p[0]
			case opentype.SegmentOpQuadTo: // PDF has cubic curves only
				third := func(a, c opentype.SegmentPoint) opentype.SegmentPoint {
					return opentype.SegmentPoint{X: a.X + 2*(c.X-a.X)/3, Y: a.Y + 2*(c.Y-a.Y)/3}
				}
				operator(&b, 'c', third(at, p[0]), third(p[1], p[0]), p[1])
				at = p[1]
			case opentype.SegmentOpCubeTo:
				operator(&b, 'c', p[0], p[1], p[2])
				at = p[2]
			}
		}
		if len(outline.Segments) > 0 {
			b.WriteString("h")
		}
	}
	s.paths[gid] = b.String()
	return b.String()
}

// operator writes whole font units: they are a hundredth of a point at most.
func operator(b *strings.Builder, op byte, points ...opentype.SegmentPoint) {
	for _, p := range points {
		for _, v := range []float32{p.X, p.Y} {
			b.WriteString(strconv.FormatFloat(float64(v), 'f', 0, 32))
			b.WriteByte(' ')
		}
	}
	b.WriteByte(op)
	b.WriteByte(' ')
}

// line is words with one space between them.
type line struct {
	words []word
	width float64 // share of the size
}

// lines breaks a text so that no line is wider than max (share of the size). A word wider than that stands alone.
func (s *setter) lines(text string, most float64) []line {
	var out []line
	var l line
	for _, f := range strings.Fields(text) {
		w := s.word(f)
		switch {
		case len(l.words) == 0:
			l = line{[]word{w}, w.width}
		case l.width+s.space+w.width > most+1e-6:
			out = append(out, l)
			l = line{[]word{w}, w.width}
		default:
			l.words = append(l.words, w)
			l.width += s.space + w.width
		}
	}
	if len(l.words) > 0 || len(out) == 0 {
		out = append(out, l)
	}
	return out
}

// widest returns the widths of the longest word and of the whole text.
func (s *setter) widest(text string) (longest, whole float64) {
	for i, f := range strings.Fields(text) {
		w := s.word(f)
		longest = max(longest, w.width)
		if i > 0 {
			whole += s.space
		}
		whole += w.width
	}
	return longest, whole
}
