package page

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const pinDigits = 8

var errPIN = errors.New("a PIN is 6 to 16 digits")

// CheckPIN refuses what can't be typed on a phone or guessed too soon.
func CheckPIN(pin string) error {
	if len(pin) < 6 || len(pin) > 16 || strings.Trim(pin, "0123456789") != "" {
		return errPIN
	}
	return nil
}

// ReadPIN reads the PIN.
func ReadPIN(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("PIN of the local page: %w", err)
	}
	pin := strings.TrimSpace(string(b))
	if err := CheckPIN(pin); err != nil {
		return "", fmt.Errorf("PIN of the local page: %s: %w: karkhana-gateway pin --new makes one", file, err)
	}
	return pin, nil
}

// EnsurePIN reads the PIN, and makes a random one when there is no file.
func EnsurePIN(file string) (string, error) {
	pin, err := ReadPIN(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return pin, err
	}
	return NewPIN(file)
}

// NewPIN makes a random PIN and writes it.
func NewPIN(file string) (string, error) {
	limit := big.NewInt(1)
	for range pinDigits {
		limit.Mul(limit, big.NewInt(10))
	}
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return "", fmt.Errorf("make a PIN: %w", err)
	}
	pin := fmt.Sprintf("%0*d", pinDigits, n)
	return pin, WritePIN(file, pin)
}

// WritePIN replaces the PIN, which ends all sessions. Only the owner of the directory may read it, also when root writes.
func WritePIN(file, pin string) error {
	if err := CheckPIN(pin); err != nil {
		return err
	}
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, ".pin-*") // 0600
	if err != nil {
		return fmt.Errorf("write the PIN of the local page: %w", err)
	}
	_, err = f.WriteString(pin + "\n")
	if info, e := os.Stat(dir); e == nil && os.Geteuid() == 0 {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			err = errors.Join(err, f.Chown(int(st.Uid), int(st.Gid)))
		}
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write the PIN of the local page: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
