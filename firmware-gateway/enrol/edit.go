package enrol

import (
	"fmt"
	"regexp"
	"strings"

	"karkhana/internal/enrol"
)

// setKey gives a key at the top of a YAML text a plain value, keeping the comment of its line. A key that is there only
// as a comment is taken out of it; one that is not there at all comes last, so that lines keep their numbers.
func setKey(text, key, value string) string {
	lines := strings.SplitAfter(text, "\n")
	commented := -1
	for i, line := range lines {
		rest, ok := strings.CutPrefix(line, key+":")
		if !ok {
			if commented < 0 && strings.HasPrefix(line, "# "+key+":") {
				commented = i
			}
			continue
		}
		lines[i] = keyLine(key, value, rest)
		return strings.Join(lines, "")
	}
	if commented >= 0 {
		lines[commented] = keyLine(key, value, strings.TrimPrefix(lines[commented], "# "+key+":"))
		return strings.Join(lines, "")
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + keyLine(key, value, "")
}

// comment finds the comment behind a plain or quoted value.
var comment = regexp.MustCompile(`^\s*(?:"[^"]*"|'[^']*'|[^#'"]|\S#)*?(\s+#.*)$`)

func keyLine(key, value, rest string) string {
	line := key + ": " + value
	if m := comment.FindStringSubmatch(strings.TrimRight(rest, "\r\n")); m != nil {
		line += m[1]
	}
	return line + "\n"
}

// dropKey takes a key at the top out of a YAML text. A comment stays in its line.
func dropKey(text, key string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, key+":") {
			line = "# " + key + " is in " + key + "_file\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// listMachines writes the machines that the server knows before the key machines, as a comment.
func listMachines(text string, machines []enrol.JoinMachine) string {
	var b strings.Builder
	if len(machines) == 0 {
		b.WriteString("# The server knows no machine of this site yet: bring them in with its site file.\n")
	} else {
		b.WriteString("# The server knows these machines of the site; packs of others are put aside until they are in its site file:\n")
	}
	for _, m := range machines {
		fmt.Fprintf(&b, "#   %-16s %-12s %s, %s\n", m.ID, oneLine(m.Class), oneLine(m.NameHi), oneLine(m.NameEn))
	}
	return strings.Replace(text, "\nmachines:", "\n"+b.String()+"machines:", 1)
}

// oneLine keeps a text from the network from becoming anything but a comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == '\uFFFD' {
			return ' '
		}
		return r
	}, s)
}
