package enrol

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"karkhana/firmware-gateway/config"
	"karkhana/internal/enrol"
	"karkhana/internal/secret"
)

// packagedDir is where the Debian package has its configuration.
const packagedDir = "/etc/karkhana"

// pending is the ending of files that are not in force yet.
const pending = ".enrol"

// emptyCommandKey has the form of a public key.
var emptyCommandKey = base64.StdEncoding.EncodeToString(make([]byte, 32))

// place is where the configuration and its files are.
type place struct {
	config             string // absolute
	text               string // of the configuration that is there
	fresh              bool   // nobody wrote one yet
	was                map[string]string
	key, salt, command named
	data               string // of the configuration that was there; "" when that can't be read
	machines           int    // after install
	kept               string // where the former configuration is; "": nowhere
}

// named is a file as the configuration names it.
type named struct{ name, path string }

// openPlace looks at what is there and whether it can be written.
func openPlace(file string) (*place, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	p := &place{config: file, was: map[string]string{}}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, cantWrite(dir, err)
	}
	probe, err := os.CreateTemp(dir, ".enrol-")
	if err != nil {
		return nil, cantWrite(dir, err)
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())

	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.fresh = true
	case err != nil:
		return nil, fmt.Errorf("read the configuration: %w", err)
	default:
		p.text, p.fresh = string(b), string(b) == config.Packaged()
	}
	if p.fresh {
		p.text = config.Packaged()
		if dir != packagedDir {
			p.text = setKey(p.text, "data", config.Default().Data)
		}
	} else if err := p.read(); err != nil {
		return nil, err
	}
	p.key, p.salt, p.command = p.named("key_file", "gateway.key"), p.named("card_salt_file", "site.salt"), p.named("command_key_file", "command.pub")
	return p, nil
}

func cantWrite(dir string, err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	hint := "run it with sudo, or name another file with --config"
	if !errors.Is(err, fs.ErrPermission) {
		hint = "is the file system read-only or full?"
	}
	return fmt.Errorf("%s can't be written: %w: %s", dir, err, hint)
}

// read takes the plain values out of a configuration that is there. Whether all of it is right is checked later.
func (p *place) read() error {
	var all map[string]any
	if err := yaml.Unmarshal([]byte(p.text), &all); err != nil {
		return fmt.Errorf("%s is not right; mend it first, nothing was sent: %w", p.config, err)
	}
	for k, v := range all {
		if s, ok := v.(string); ok {
			p.was[k] = s
		}
	}
	if p.data = p.was["data"]; p.data == "" {
		p.data = config.Default().Data
	}
	p.data = p.path(p.data)
	return nil
}

func (p *place) named(key, name string) named {
	if was := p.was[key]; was != "" {
		name = was
	}
	return named{name, p.path(name)}
}

func (p *place) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(p.config), name)
}

// keepKey returns the key that this gateway will have, making it at the first try. It stays pending until everything is
// in place, so that a command that was stopped goes on with the same key.
func (p *place) keepKey() (string, error) {
	key, err := secret.Keep(p.key.path + pending)
	if err != nil {
		return "", cantWrite(filepath.Dir(p.key.path), err)
	}
	return key, nil
}

// formerKey is the key in force, "" when there is none.
func (p *place) formerKey() string {
	key, err := secret.Read(p.key.path)
	if err != nil {
		return ""
	}
	return key
}

func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// check writes the configuration that an answer gives beside the one in force, with its files, and reads it.
func (p *place) check(a *enrol.JoinAnswer) error {
	for _, f := range []struct {
		named
		content string
	}{{p.salt, a.CardSalt}, {p.command, a.CommandKey}} {
		if err := replace(f.path+pending, f.content+"\n", secretMode(f.path), ""); err != nil {
			return err
		}
	}
	candidate := p.config + pending
	if err := replace(candidate, p.edited(a, pending), 0o600, ""); err != nil {
		return err
	}
	c, err := loaded(candidate, a)
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), pending, ""))
	}
	p.machines = len(c.Machines)
	return nil
}

// edited is the configuration with what the server said. The ending goes to the names of its files.
func (p *place) edited(a *enrol.JoinAnswer, ending string) string {
	text := p.text
	for _, v := range [][2]string{
		{"site", a.Site}, {"gateway", a.Gateway}, {"broker", a.Broker},
		{"key_file", p.key.name + ending}, {"card_salt_file", p.salt.name + ending}, {"command_key_file", p.command.name + ending},
	} {
		text = setKey(text, v[0], v[1])
	}
	text = dropKey(text, "key")
	if p.fresh {
		text = listMachines(text, a.Machines)
	}
	return text
}

// install puts everything in force: files first, the configuration that names them last.
func (p *place) install(a *enrol.JoinAnswer, key string) error {
	if err := p.check(a); err != nil {
		return err
	}
	for _, f := range []struct {
		named
		content string
	}{{p.salt, a.CardSalt}, {p.command, a.CommandKey}, {p.key, key}} {
		if err := replace(f.path, f.content+"\n", secretMode(f.path), f.path); err != nil {
			return err
		}
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(p.config); err == nil {
		mode = info.Mode().Perm()
	}
	text := p.edited(a, "")
	if !p.fresh && text != p.text {
		kept := p.config + ".old"
		if err := replace(kept, p.text, mode, p.config); err != nil {
			return err
		}
		p.kept = kept
	}
	if err := replace(p.config, text, mode, p.config); err != nil {
		return err
	}
	return os.Remove(p.key.path + pending) // all is in force: nothing is left to go on with
}

// tidy removes what is pending, but not the key: the server may know it already.
func (p *place) tidy() {
	for _, f := range []string{p.config, p.salt.path, p.command.path} {
		_ = os.Remove(f + pending)
	}
}

// secretMode is how secrets are kept: for their owner alone, or, where the folder gives its files to a group as the
// package's does, for that group, too.
func secretMode(path string) fs.FileMode {
	if info, err := os.Stat(filepath.Dir(path)); err == nil && info.Mode()&fs.ModeSetgid != 0 {
		return 0o640
	}
	return 0o600
}

// replace gives the file at path its content as a whole, durably. It belongs to whom the file like belongs to, or the
// folder when there is none.
func replace(path, content string, mode fs.FileMode, like string) (err error) {
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, own(f, like), f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
