package enrol

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCodesAreReadAsTyped(t *testing.T) {
	const plain = Code("K7QM4T2X9R0")
	c := plain + Code(alphabet[check(string(plain))])
	for _, typed := range []string{
		string(c), c.String(), strings.ToLower(c.String()), " " + strings.ReplaceAll(c.String(), "-", " ") + "\r\n",
		strings.ReplaceAll(c.String(), "0", "o"), strings.ReplaceAll(c.String(), "-", "–"), strings.ReplaceAll(c.String(), "7", "७"),
	} {
		got, err := ParseCode(typed)
		require.NoError(t, err, typed)
		require.Equal(t, c, got)
	}
	require.Len(t, c.String(), 14)
	require.Len(t, c.Hash(), 64)
}

// Every code with one character changed, or any two exchanged, is told from a wrong one.
func TestTyposAreFound(t *testing.T) {
	for range 20 {
		c := []byte(NewCode())
		_, err := ParseCode(string(c))
		require.NoError(t, err)
		for i := range c {
			for _, r := range []byte(alphabet) {
				bad := append([]byte{}, c...)
				if bad[i] = r; r == c[i] {
					continue
				}
				_, err := ParseCode(string(bad))
				require.ErrorIs(t, err, ErrMistyped, "%s for %s", bad, c)
			}
			for j := range i {
				bad := append([]byte{}, c...)
				if bad[i], bad[j] = c[j], c[i]; c[i] == c[j] {
					continue
				}
				_, err := ParseCode(string(bad))
				require.ErrorIs(t, err, ErrMistyped, "%s for %s", bad, c)
			}
		}
	}
}

func TestMistypedSaysWhat(t *testing.T) {
	for typed, want := range map[string]string{
		"": "it has 0 characters, 12 are needed", "K7QM-4T2X": "it has 8 characters", "K7QM-4T2X-9RDU": `'U' is in no code`,
		"कK7": `'क' is in no code`, strings.Repeat("0", 13): "more than 12", "100000000000": "a character is wrong",
	} {
		_, err := ParseCode(typed)
		require.ErrorIs(t, err, ErrMistyped)
		require.ErrorContains(t, err, want)
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add(NewCode().String())
	f.Add("ooooooooooo0")
	f.Add("\xff-कU ४")
	f.Fuzz(func(t *testing.T, typed string) {
		c, err := ParseCode(typed)
		if err != nil {
			require.ErrorIs(t, err, ErrMistyped)
			require.Empty(t, c)
			return
		}
		require.Len(t, string(c), codeLength)
		again, err := ParseCode(c.String())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func TestAnswerIsChecked(t *testing.T) {
	good := JoinAnswer{Site: "s", Gateway: "g", Broker: "mqtt://host:1883", CardSalt: strings.Repeat("a", 64), Machines: []JoinMachine{{ID: "furnace-1"}}}
	require.NoError(t, good.Check())
	for name, spoil := range map[string]func(*JoinAnswer){
		"site":          func(a *JoinAnswer) { a.Site = "S/../x" },
		"gateway":       func(a *JoinAnswer) { a.Gateway = "" },
		"mqtt://":       func(a *JoinAnswer) { a.Broker = "mqtt://" },
		"no kind":       func(a *JoinAnswer) { a.Broker = "http://host" },
		"user":          func(a *JoinAnswer) { a.Broker = "mqtt://a:b@host" },
		"broker \"mqtt": func(a *JoinAnswer) { a.Broker = "mqtt://host\nkey: x" },
		"card salt":     func(a *JoinAnswer) { a.CardSalt = "short" },
		"machine":       func(a *JoinAnswer) { a.Machines = []JoinMachine{{ID: "a\nb"}} },
	} {
		bad := good
		spoil(&bad)
		require.ErrorContains(t, bad.Check(), name)
	}
}
