package pdf_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/internal/pdf"
)

// conjuncts are the words at which careless setting shows.
var conjuncts = []string{"क्षत्रिय", "बिजली", "कि", "तर्क", "राष्ट्र", "विद्यालय", "स्त्री", "उत्पादक", "अनुसूचित", "कार्य", "ट्रक", "श्रृंखला", "हिंदी", "सर्वाधिक", "मफ़ल"}

func paper() pdf.Document {
	rows := [][]string{}
	for range 70 {
		rows = append(rows, []string{"पॉलिश मशीन 2", "1,23,456.78", "मीरा उत्पादक समूह, a long note that has to be wrapped in its narrow cell because it says so much"})
	}
	return pdf.Document{
		Lang: "hi", Title: "मासिक रिपोर्ट: " + strings.Join(conjuncts, " "), Subtitle: []string{"जोधपुर साझा सुविधा केंद्र · ₹ ≥ ÷ × – 80 %"}, Footer: "कारखाना", Page: "पृष्ठ",
		Blocks: []pdf.Block{
			{Heading: "परिभाषाएँ", Paragraphs: []string{strings.Repeat("किताब विद्यालय क्षत्रिय बिजली का बिल शुल्क ", 12)}},
			{Heading: "मशीनें", Table: &pdf.Table{Columns: []pdf.Column{{Head: "मशीन"}, {Head: "चालू (घंटे)", Right: true}, {Head: "टिप्पणी"}}, Rows: append(rows, []string{"कुल", "9,99,999.00", ""}), Total: true}},
		},
	}
}

func write(t *testing.T, d pdf.Document) []byte {
	var b bytes.Buffer
	require.NoError(t, pdf.Write(&b, d))
	return b.Bytes()
}

func poppler(t *testing.T, tool string, file []byte, args ...string) []byte {
	path := filepath.Join(t.TempDir(), "paper.pdf")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed (Debian package poppler-utils)", tool)
	}
	out, err := exec.CommandContext(t.Context(), tool, append(args, path, "-")...).Output()
	require.NoError(t, err)
	return out
}

func TestSameBytes(t *testing.T) {
	a := write(t, paper())
	for range 5 {
		require.True(t, bytes.Equal(a, write(t, paper())), "the same paper must be the same file")
	}
}

func TestTextCanBeSearched(t *testing.T) {
	text := string(poppler(t, "pdftotext", write(t, paper()), "-layout"))
	for _, w := range append(conjuncts, "1,23,456.78", "9,99,999.00", "₹", "पृष्ठ 1 / 2", "पृष्ठ 2 / 2") {
		require.Contains(t, text, w)
	}
	require.Equal(t, 2, strings.Count(text, "चालू (घंटे)"), "the heads of a table stand on each of its pages")
}

func TestStrangeTexts(t *testing.T) {
	d := pdf.Document{
		Title: "\xff\x00 😀 ગુજરાતી", Page: "Page",
		Blocks: []pdf.Block{{}, {Table: &pdf.Table{}}, {Table: &pdf.Table{Columns: []pdf.Column{{}, {Head: strings.Repeat("W", 300)}}, Rows: [][]string{{}, {"a"}, {"", strings.Repeat("क", 500), "more"}}}}},
	}
	require.True(t, bytes.HasPrefix(write(t, d), []byte("%PDF-")))
	require.Contains(t, string(poppler(t, "pdftotext", write(t, d))), "Page 1 / ")
}
