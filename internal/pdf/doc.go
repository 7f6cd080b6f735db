// Package pdf sets papers: a title, paragraphs and tables on A4, with page numbers, in Hindi and in English.
//
// fpdf alone puts the short-i sign on the wrong side and breaks every conjunct. Therefore Devanagari is shaped by
// go-text/typesetting (HarfBuzz) and drawn as filled outlines; its plain text is laid over it in invisible mode, so that a
// reader can search and copy it. Everything else is plain text in the same font, of which only the glyphs used are embedded.
//
// The same Document gives the same bytes: the file carries no time and no random id.
//
// The font is Lohit Devanagari under the SIL Open Font License, see font/OFL.txt.
package pdf
