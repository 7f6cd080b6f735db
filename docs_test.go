package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	gatewaycommand "karkhana/firmware-gateway/command"
)

// pagesOfText are the documents that name commands, flags and metrics, by path.
func pagesOfText(t *testing.T) map[string]string {
	t.Helper()
	paths := []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md"}
	more, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, more)
	out := map[string]string{}
	for _, path := range append(paths, more...) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		out[path] = string(text)
	}
	return out
}

var (
	codeSpan = regexp.MustCompile("`[^`\n]+`")
	program  = regexp.MustCompile(`\bkarkhana(?:-gateway)?((?: +[^\s|&;]+)+)`)
	word     = regexp.MustCompile(`^[a-z][a-z-]*$`)
	flag     = regexp.MustCompile(`^--([a-z][a-z-]+)`)
)

// Every command and flag that a document names, in a code span or a block of code, is there.
func TestCommandsInDocsExist(t *testing.T) {
	model := func(name string, of any) *kong.Node {
		k, err := kong.New(of, kong.Name(name))
		require.NoError(t, err)
		return k.Model.Node
	}
	server, gateway := model("karkhana", &cli{}), model("karkhana-gateway", &gatewaycommand.CLI{})
	seen := 0
	for path, text := range pagesOfText(t) {
		var code []string
		for i, part := range strings.Split(text, "```") {
			if i%2 == 1 {
				code = append(code, strings.Split(part, "\n")...)
			} else {
				code = append(code, codeSpan.FindAllString(part, -1)...)
			}
		}
		for _, line := range code {
			for _, m := range program.FindAllStringSubmatch(strings.Trim(line, "`"), -1) {
				node := server
				if strings.HasPrefix(m[0], gateway.Name) {
					node = gateway
				}
				words := strings.Fields(m[1])
				if !word.MatchString(words[0]) && !strings.HasPrefix(words[0], "--") {
					continue // a file of the program's, or a sentence
				}
				seen++
				flags := known(node)
				for _, w := range words {
					if f := flag.FindStringSubmatch(w); f != nil {
						require.Contains(t, flags, f[1], "%s: %q", path, line)
						continue
					}
					if len(node.Children) == 0 || !word.MatchString(w) {
						continue // an argument
					}
					i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == w })
					require.GreaterOrEqual(t, i, 0, "%s: there is no command %q in %q", path, w, line)
					node = node.Children[i]
					flags = append(flags, known(node)...)
				}
			}
		}
	}
	require.Greater(t, seen, 50)
}

func known(n *kong.Node) (flags []string) {
	for _, f := range n.Flags {
		flags = append(flags, f.Name)
	}
	return flags
}

// Every metric that a document names is made somewhere. Packages write the name whole or after a prefix of their own.
func TestMetricsInDocsExist(t *testing.T) {
	var sources strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && slices.Contains([]string{"node_modules", ".git", "data"}, d.Name()) {
				return fs.SkipDir
			}
			return err
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			text, err := os.ReadFile(path)
			sources.Write(text)
			return err
		}
		return nil
	}))
	made := sources.String()
	metric := regexp.MustCompile(`\bkarkhana_[a-z0-9_]*[a-z0-9]\b`)
	seen := 0
	for path, text := range pagesOfText(t) {
		for _, name := range metric.FindAllString(text, -1) {
			seen++
			base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
			found := false
			for rest := base; !found && rest != ""; {
				found = strings.Contains(made, `"`+rest+`"`)
				_, rest, _ = strings.Cut(rest, "_")
			}
			require.True(t, found, "%s: nothing makes the metric %s", path, name)
		}
	}
	require.Greater(t, seen, 10)
}
