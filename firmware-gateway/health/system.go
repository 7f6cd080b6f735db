// Package health reads how the computer under a gateway is doing (supply voltage, card) and holds the report that a
// running gateway leaves for the commands `health` and `upgrade`.
//
// It owns where the kernel says these things and what they mean to a person. It does not decide what happens then.
package health

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// System is what a computer says of itself. What it can't say is nil.
type System struct {
	Throttled *Throttled `json:"throttled,omitempty"`
	Disk      *Disk      `json:"disk,omitempty"`
}

// Throttled are the bits of the Raspberry Pi's firmware (get_throttled): 0 to 3 hold now, 16 to 19 held at some time
// since boot.
type Throttled uint32

// The bits of Throttled.
const (
	UndervoltedNow  Throttled = 1 << 0
	CappedNow       Throttled = 1 << 1
	ThrottledNow    Throttled = 1 << 2
	HotNow          Throttled = 1 << 3
	UndervoltedOnce Throttled = 1 << 16
	CappedOnce      Throttled = 1 << 17
	ThrottledOnce   Throttled = 1 << 18
	HotOnce         Throttled = 1 << 19
)

// Disk is the state of the file system that holds a gateway's queue.
type Disk struct {
	FreeBytes    uint64  `json:"free_bytes"` // for a user who is not root
	TotalBytes   uint64  `json:"total_bytes"`
	WrittenBytes *uint64 `json:"written_bytes,omitempty"` // to the whole card or disk since boot
	ReadOnly     bool    `json:"read_only"`               // the kernel makes it so when the card fails
}

// Reader reads the computer.
type Reader struct {
	Root   fs.FS  // "/": sys and proc are read below it
	Data   string // directory whose file system is asked for
	Statfs func(path string) (free, total uint64, err error)
	// Vcgencmd prints the firmware's bits; it is asked where the kernel does not show them.
	Vcgencmd func(ctx context.Context) ([]byte, error)
}

// NewReader reads the computer that this process runs on.
func NewReader(data string) *Reader {
	return &Reader{Root: os.DirFS("/"), Data: data, Statfs: statfs, Vcgencmd: vcgencmd}
}

// Read reads what there is. It waits for vcgencmd, and for the disk.
func (r *Reader) Read(ctx context.Context) System {
	return System{Throttled: r.throttled(ctx), Disk: r.disk()}
}

// throttledGlob is where Raspberry Pi OS shows the bits: soc/soc:firmware on a Pi 4, soc@107c000000/… on a Pi 5.
const throttledGlob = "sys/devices/platform/soc*/soc*:firmware/get_throttled"

func (r *Reader) throttled(ctx context.Context) *Throttled {
	if names, _ := fs.Glob(r.Root, throttledGlob); len(names) > 0 {
		if b, err := fs.ReadFile(r.Root, names[0]); err == nil {
			return parseThrottled(b)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, err := r.Vcgencmd(ctx)
	if err != nil {
		return nil
	}
	return parseThrottled(out)
}

// parseThrottled reads "50005" (sysfs) and "throttled=0x50005" (vcgencmd): always hexadecimal.
func parseThrottled(b []byte) *Throttled {
	text := strings.TrimPrefix(string(bytes.TrimSpace(b)), "throttled=")
	v, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 32)
	if err != nil {
		return nil
	}
	t := Throttled(v)
	return &t
}

func vcgencmd(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "vcgencmd", "get_throttled")
	cmd.WaitDelay = time.Second
	return cmd.Output()
}

func statfs(path string) (free, total uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}

func (r *Reader) disk() *Disk {
	data, err := filepath.Abs(r.Data)
	if err != nil {
		return nil
	}
	free, total, err := r.Statfs(data)
	if err != nil {
		return nil
	}
	d := &Disk{FreeBytes: free, TotalBytes: total}
	if m, ok := r.mount(data); ok {
		d.ReadOnly = m.readOnly
		d.WrittenBytes = r.written(m.device)
	}
	return d
}

// mount is a line of mountinfo.
type mount struct {
	point, device string // device as major:minor
	readOnly      bool
}

// mount finds where a directory is mounted: the longest mount point above it, of equal ones the last.
func (r *Reader) mount(dir string) (best mount, ok bool) {
	b, err := fs.ReadFile(r.Root, "proc/self/mountinfo")
	if err != nil {
		return best, false
	}
	for line := range strings.Lines(string(b)) {
		m, good := parseMount(line)
		if good && below(dir, m.point) && len(m.point) >= len(best.point) {
			best, ok = m, true
		}
	}
	return best, ok
}

// parseMount reads "36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/x rw,errors=continue" (proc_pid_mountinfo(5)).
func parseMount(line string) (mount, bool) {
	left, right, ok := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if !ok || len(l) < 6 || len(r) < 3 {
		return mount{}, false
	}
	point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(l[4])
	return mount{point: point, device: l[2], readOnly: hasOption(l[5], "ro") || hasOption(r[2], "ro")}, true
}

func hasOption(options, want string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == want {
			return true
		}
	}
	return false
}

func below(dir, point string) bool {
	return point == "/" || dir == point || strings.HasPrefix(dir, point+"/")
}

// sector is the unit of /sys/block/*/stat, whatever the disk's own sectors are.
const sector = 512

// written returns the bytes written since boot to the disk that holds a device: the whole card wears, not a partition.
func (r *Reader) written(device string) *uint64 {
	for _, pattern := range []string{"sys/block/*/dev", "sys/block/*/*/dev"} {
		names, _ := fs.Glob(r.Root, pattern)
		for _, name := range names {
			b, err := fs.ReadFile(r.Root, name)
			if err != nil || string(bytes.TrimSpace(b)) != device {
				continue
			}
			disk := strings.Split(name, "/")[2]
			return r.sectors(path.Join("sys/block", disk, "stat"))
		}
	}
	return nil
}

// sectors reads the seventh number of a stat file: sectors written.
func (r *Reader) sectors(name string) *uint64 {
	b, err := fs.ReadFile(r.Root, name)
	if err != nil {
		return nil
	}
	f := strings.Fields(string(b))
	if len(f) < 7 {
		return nil
	}
	n, err := strconv.ParseUint(f[6], 10, 64)
	if err != nil {
		return nil
	}
	n *= sector
	return &n
}

// lowDisk is the free space below which a gateway's card is said to be nearly full.
const lowDisk = 100 << 20

// Problems returns what is wrong, each with its remedy. What was wrong once since boot is a problem, too: undervoltage
// comes in dips that nobody sees.
func (s System) Problems() []string {
	var out []string
	if t := s.Throttled; t != nil {
		switch {
		case *t&UndervoltedNow != 0:
			out = append(out, "supply voltage is below 4.63 V now: use the official power supply and a short, thick cable")
		case *t&UndervoltedOnce != 0:
			out = append(out, "supply voltage fell below 4.63 V since boot: use the official power supply and a short, thick cable")
		}
		switch {
		case *t&HotNow != 0:
			out = append(out, "the processor is too hot now: give it a heat sink and shade")
		case *t&HotOnce != 0:
			out = append(out, "the processor was too hot since boot: give it a heat sink and shade")
		}
	}
	if d := s.Disk; d != nil {
		if d.ReadOnly {
			out = append(out, "the data partition is read-only: the card is failing or the file system is damaged; replace the card")
		}
		if d.FreeBytes < lowDisk {
			out = append(out, fmt.Sprintf("the data partition has only %d MB left: make room or lower spool_max_mb", d.FreeBytes>>20))
		}
	}
	return out
}
