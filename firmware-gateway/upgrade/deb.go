package upgrade

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"strings"
)

// Package is the name of the gateway's package.
const Package = "karkhana-gateway"

// Installed is where the package has its files.
const Installed = "/usr/lib/karkhana"

// Deb is a package file that was looked at.
type Deb struct {
	Path, Version string
}

// OpenDeb checks that a file is the gateway's package for this computer. It needs no network.
func OpenDeb(ctx context.Context, path string) (*Deb, error) {
	arch, err := output(ctx, "dpkg", "--print-architecture")
	if err != nil {
		return nil, err
	}
	var fields [3]string
	for i, name := range []string{"Package", "Architecture", "Version"} {
		if fields[i], err = output(ctx, "dpkg-deb", "-f", path, name); err != nil {
			return nil, fmt.Errorf("%s is no package, or damaged: copy it again: %w", path, err)
		}
	}
	switch {
	case fields[0] != Package:
		return nil, fmt.Errorf("%s is the package %q: want %s", path, fields[0], Package)
	case fields[1] != arch:
		return nil, fmt.Errorf("%s is for %s, this computer is %s: take karkhana-gateway_%s_%s.deb", path, fields[1], arch, fields[2], arch)
	}
	return &Deb{Path: path, Version: fields[2]}, nil
}

// Binary writes the program in the package to w. An error says that what was written is not whole.
func (d *Deb) Binary(ctx context.Context, w io.Writer) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", d.Path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("unpack %s: %w", d.Path, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("unpack %s: %w", d.Path, err)
	}
	found, err := copyProgram(w, tar.NewReader(out))
	_, rest := io.Copy(io.Discard, out) // sums stand at the end
	if err := errors.Join(err, rest, cmd.Wait()); err != nil {
		return fmt.Errorf("unpack %s: it is damaged, copy it again: %w %s", d.Path, err, bytes.TrimSpace(stderr.Bytes()))
	}
	if !found {
		return fmt.Errorf("unpack %s: it does not hold %s", d.Path, path.Join(Installed, binary))
	}
	return nil
}

// copyProgram looks for the program in a package's files.
func copyProgram(w io.Writer, r *tar.Reader) (found bool, err error) {
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if path.Clean("/"+h.Name) == path.Join(Installed, binary) && h.Typeflag == tar.TypeReg {
			_, err := io.Copy(w, r)
			return true, err
		}
	}
}

// Register tells dpkg of a version that was proven: it installs the rest of the package and leaves the former binary
// where it is.
func (d *Deb) Register(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "dpkg", "--install", "--force-confold", d.Path)
	cmd.Env = append(cmd.Environ(), "KARKHANA_UPGRADE=1", "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the new version runs, but dpkg does not know it; run `dpkg --configure -a; dpkg -i %s`: %w: %s", d.Path, err, bytes.TrimSpace(out))
	}
	return nil
}

// output runs a program and returns what it printed, trimmed.
func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(exit.Stderr))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Systemd is the gateway's unit.
type Systemd struct{}

// unit of the package.
const unit = "karkhana-gateway.service"

// Restart asks for a restart.
func (Systemd) Restart(ctx context.Context) error {
	_, err := output(ctx, "systemctl", "restart", "--no-block", unit)
	return err
}

// Active returns nil when the unit is active, which it is from its first reading on.
func (Systemd) Active(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "systemctl", "is-active", unit).Output()
	if state := strings.TrimSpace(string(out)); state != "active" {
		return errors.Join(fmt.Errorf("the service is %s", cmp.Or(state, "unknown")), notExit(err))
	}
	return nil
}

// notExit drops the error that is-active gives by its exit code.
func notExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}
