// Package spreadsheet makes cells of tables that spreadsheets read.
package spreadsheet

import "strings"

// Text guards a text against being run as a formula by a spreadsheet (CWE-1236): one that begins, after blanks, with
// = + - @ or a control character gets an apostrophe in front. Numbers that we wrote ourselves need no guard.
func Text(s string) string {
	trimmed := strings.TrimLeft(s, " \u00a0\ufeff")
	if trimmed != "" && (strings.ContainsRune("=+-@＝＋－＠", []rune(trimmed)[0]) || trimmed[0] < ' ') {
		return "'" + s
	}
	return s
}
