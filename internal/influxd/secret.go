package influxd

import (
	"errors"
	"fmt"
	"io/fs"

	"karkhana/internal/secret"
)

// loadSecret reads the password kept in path, or makes one when there is none yet and mayMake says so. It is called
// with the directory's lock held.
func loadSecret(path string, mayMake bool) (string, error) {
	if mayMake {
		return secret.Keep(path)
	}
	s, err := secret.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is missing but the directory holds a database: restore the file from a backup, or move the data directory away", path)
	}
	return s, err
}
