package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// CardHash turns the UID of a contactless card into the text that travels and is stored in its place: the first
// 16 bytes of HMAC-SHA-256(salt, UID in upper-case hex), in lower-case hex (32 characters).
//
// The salt belongs to one site and is kept on its gateways only: with it a card keeps its hash across gateways of the
// site, without it a UID (4 or 7 bytes, so guessable) can't be found again from the store. Colons, hyphens and spaces
// that some readers put between the bytes do not count.
func CardHash(salt []byte, uid string) string {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(strings.ToUpper(uidSeparators.Replace(uid))))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

var uidSeparators = strings.NewReplacer(":", "", "-", "", " ", "")
