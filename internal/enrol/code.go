package enrol

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// alphabet is Crockford's base 32: digits and letters without I, L, O (taken for 1, 1, 0) and U.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	codeLength  = 12 // characters, the last of them checks the others
	groupLength = 4
)

// Code is a one-time code in its plain form: 12 characters of Crockford's base 32. Eleven are random (55 bits), the
// twelfth checks them. Its String, K7QM-4T2X-9RDW, is what people read and type.
type Code string

// NewCode makes a random code.
func NewCode() Code {
	b := make([]byte, codeLength-1)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return Code(append(b, alphabet[check(string(b))]))
}

// ErrMistyped is returned by ParseCode for what can't be a code that was ever made: characters are missing, too many,
// or not the right ones. A code that passes may still be wrong.
var ErrMistyped = errors.New("the code is mistyped")

// ParseCode reads what somebody typed: small or capital letters, hyphens and spaces anywhere, O for 0, I or L for 1,
// and Devanagari digits. Errors are ErrMistyped and say what is wrong. One wrong character and two characters in each
// other's place are always found.
func ParseCode(typed string) (Code, error) {
	var b strings.Builder
	for _, r := range typed {
		switch {
		case r == '-' || unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '\u200b' || r == '\ufeff':
			continue
		case r >= '०' && r <= '९':
			r = '0' + r - '०'
		}
		r = unicode.ToUpper(r)
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if r > unicode.MaxASCII || !strings.ContainsRune(alphabet, r) {
			return "", fmt.Errorf("%w: %q is in no code", ErrMistyped, r)
		}
		if b.Len() == codeLength {
			return "", fmt.Errorf("%w: it has more than %d characters", ErrMistyped, codeLength)
		}
		b.WriteRune(r)
	}
	c := b.String()
	if len(c) < codeLength {
		return "", fmt.Errorf("%w: it has %d characters, %d are needed", ErrMistyped, len(c), codeLength)
	}
	if alphabet[check(c[:codeLength-1])] != c[codeLength-1] {
		return "", fmt.Errorf("%w: a character is wrong, or two have changed places", ErrMistyped)
	}
	return Code(c), nil
}

// String is the code in groups of four.
func (c Code) String() string {
	var b strings.Builder
	for i, r := range string(c) {
		if i > 0 && i%groupLength == 0 {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Hash is how a code is stored: SHA-256 in lower-case hex. Its 55 random bits and the rate limit of the call keep it
// from being guessed in its short life.
func (c Code) Hash() string {
	sum := sha256.Sum256([]byte("enrol\x00" + string(c)))
	return hex.EncodeToString(sum[:])
}

// check is the value of the check character: the sum of gⁱ·dᵢ over the field of 32 elements, g a generator and i the
// distance from the end. All gⁱ of a code differ, so one changed character, or two exchanged, change the sum.
func check(s string) byte {
	var sum byte
	for i := range len(s) {
		sum = times2(sum ^ byte(strings.IndexByte(alphabet, s[i])))
	}
	return sum
}

// times2 multiplies by the generator 2 of GF(2⁵), with the polynomial x⁵+x²+1.
func times2(v byte) byte {
	v <<= 1
	if v&32 != 0 {
		v ^= 0b100101
	}
	return v
}
