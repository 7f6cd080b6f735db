package diagram

import (
	"fmt"
	"html"
	"strings"
)

// canvas writes SVG elements. Numbers are rounded to a tenth, so that the same picture is the same bytes.
type canvas struct{ strings.Builder }

func (c *canvas) put(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

func (c *canvas) rect(x, y, w, h float64, attrs string) {
	c.put(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" %s/>`, x, y, w, h, attrs)
}

func (c *canvas) circle(x, y, r float64, attrs string) {
	c.put(`<circle cx="%.1f" cy="%.1f" r="%.1f" %s/>`, x, y, r, attrs)
}

func (c *canvas) line(x1, y1, x2, y2 float64, attrs string) {
	c.put(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`, x1, y1, x2, y2, attrs)
}

// text writes text; anchor is start, middle or end.
func (c *canvas) text(x, y, size float64, anchor, attrs, text string) {
	c.put(`<text x="%.1f" y="%.1f" font-size="%.1f" text-anchor="%s" %s>%s</text>`, x, y, size, anchor, attrs, html.EscapeString(text))
}

// wire draws a wire in its colours with a dark edge, so that white and yellow show on paper.
func (c *canvas) wire(x1, x2, y float64, colours []string, thick bool) {
	w := 3.5
	if thick {
		w = 7
	}
	c.line(x1, y, x2, y, fmt.Sprintf(`stroke="#333" stroke-width="%.1f"`, w+1.8))
	c.line(x1, y, x2, y, fmt.Sprintf(`stroke="%s" stroke-width="%.1f"`, colours[0], w))
	if len(colours) > 1 {
		c.line(x1, y, x2, y, fmt.Sprintf(`stroke="%s" stroke-width="%.1f" stroke-dasharray="9 9"`, colours[1], w))
	}
}

// bolt draws the warning sign of electric voltage, h high, its left lower corner at x, y.
func (c *canvas) bolt(x, y, h float64) {
	c.put(`<path d="M%.1f %.1f l%.1f %.1f l%.1f %.1f z" fill="#ffd400" stroke="#111" stroke-width="1.5" stroke-linejoin="round"/>`,
		x, y, h*0.58, -h, h*0.58, h)
	c.put(`<path d="M%.1f %.1f l%.1f %.1f h%.1f l%.1f %.1f" fill="none" stroke="#111" stroke-width="2"/>`,
		x+h*0.64, y-h*0.72, -h*0.16, h*0.34, h*0.2, -h*0.14, h*0.3)
}
