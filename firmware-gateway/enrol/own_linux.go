package enrol

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// own gives a file that root has made to the owner of the file like, or of its folder. A folder that passes its group on
// has done so already.
func own(f *os.File, like string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(like)
	if err != nil {
		if info, err = os.Stat(filepath.Dir(f.Name())); err != nil || info.Mode()&fs.ModeSetgid != 0 {
			return err
		}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
