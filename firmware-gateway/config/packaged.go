package config

import "strings"

// Packaged is [Sample] as the Debian package installs it in /etc/karkhana: with the package's own places for key, salt
// and queue, and with the machines as comments, so that no simulated machine is ever sent from a real site.
func Packaged() string {
	own := map[string]string{"key_file: ": "gateway.key", "card_salt_file: ": "site.salt", "data: ": "/var/lib/karkhana"}
	var b strings.Builder
	machines := false
	for line := range strings.Lines(Sample) {
		for key, value := range own {
			if rest, ok := strings.CutPrefix(line, key); ok {
				_, comment, _ := strings.Cut(rest, "#")
				line = key + value + "   #" + comment
			}
		}
		if machines && strings.TrimSpace(line) != "" {
			line = "#" + line
		}
		machines = machines || strings.HasPrefix(line, "machines:")
		b.WriteString(line)
	}
	return b.String()
}
