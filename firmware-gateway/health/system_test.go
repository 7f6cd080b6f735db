package health

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

func bits(v Throttled) *Throttled { return &v }
func count(v uint64) *uint64      { return &v }

func reader(root fs.FS) *Reader {
	return &Reader{
		Root: root, Data: "/var/lib/karkhana",
		Statfs:   func(string) (uint64, uint64, error) { return 5 << 30, 30 << 30, nil },
		Vcgencmd: func(context.Context) ([]byte, error) { return nil, errors.New("not installed") },
	}
}

func TestThrottled(t *testing.T) {
	const pi4, pi5 = "sys/devices/platform/soc/soc:firmware/get_throttled", "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
	for name, c := range map[string]struct {
		root     fstest.MapFS
		vcgencmd string
		want     *Throttled
	}{
		"nothing there":        {root: files()},
		"good":                 {root: files(pi4, "0\n"), want: bits(0)},
		"Pi 4, kernel":         {root: files(pi4, "50005\n"), want: bits(0x50005)},
		"Pi 5, kernel":         {root: files(pi5, "10000\n"), want: bits(UndervoltedOnce)},
		"kernel before tool":   {root: files(pi4, "1\n"), vcgencmd: "throttled=0x0\n", want: bits(UndervoltedNow)},
		"tool":                 {root: files(), vcgencmd: "throttled=0x50000\n", want: bits(0x50000)},
		"tool says nonsense":   {root: files(), vcgencmd: "VCHI initialization failed\n"},
		"kernel says nonsense": {root: files(pi4, "?\n"), vcgencmd: "throttled=0x0"},
		"too long":             {root: files(pi4, "fffffffff\n")},
		"empty":                {root: files(pi4, "")},
	} {
		t.Run(name, func(t *testing.T) {
			r := reader(c.root)
			if c.vcgencmd != "" {
				r.Vcgencmd = func(context.Context) ([]byte, error) { return []byte(c.vcgencmd), nil }
			}
			require.Equal(t, c.want, r.Read(t.Context()).Throttled)
		})
	}
}

func TestVcgencmdThatHangsIsGivenUp(t *testing.T) {
	r := reader(files())
	r.Vcgencmd = func(ctx context.Context) ([]byte, error) {
		_, bounded := ctx.Deadline()
		require.True(t, bounded)
		return nil, context.DeadlineExceeded
	}
	require.Nil(t, r.Read(t.Context()).Throttled)
}

const (
	root   = "22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
	rootRO = "22 1 179:2 / / ro,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
	data   = "40 22 179:3 / /var/lib/karkhana rw,noatime shared:9 - ext4 /dev/mmcblk0p3 rw,errors=remount-ro\n"
	failed = "40 22 179:3 / /var/lib/karkhana rw,noatime shared:9 - ext4 /dev/mmcblk0p3 ro,errors=remount-ro\n"
	other  = "41 22 8:1 / /var/lib/kark ro - ext4 /dev/sda1 ro\n"
	stat   = "    4711     3110   401216    60214     9001     8000   178259    70000        0    61000   130214        0        0        0        0 0 0\n"
)

func card(mounts string) fstest.MapFS {
	return files("proc/self/mountinfo", mounts,
		"sys/block/mmcblk0/dev", "179:0\n", "sys/block/mmcblk0/stat", stat,
		"sys/block/mmcblk0/mmcblk0p2/dev", "179:2\n", "sys/block/mmcblk0/mmcblk0p3/dev", "179:3\n",
		"sys/block/sda/dev", "8:0\n", "sys/block/sda/stat", "1 2 3\n")
}

func TestDisk(t *testing.T) {
	whole := Disk{FreeBytes: 5 << 30, TotalBytes: 30 << 30, WrittenBytes: count(178259 * 512)}
	with := func(change func(*Disk)) *Disk {
		d := whole
		change(&d)
		return &d
	}
	for name, c := range map[string]struct {
		root fstest.MapFS
		want *Disk
	}{
		"no mountinfo":                      {files(), with(func(d *Disk) { d.WrittenBytes = nil })},
		"torn mountinfo":                    {card("22 1 179:2 / /\n- x\n\n"), with(func(d *Disk) { d.WrittenBytes = nil })},
		"all on one partition":              {card(root), &whole},
		"read-only root, data partition":    {card(rootRO + data + other), &whole},
		"card failed, kernel made it ro":    {card(root + failed), with(func(d *Disk) { d.ReadOnly = true })},
		"data not mounted, read-only root":  {card(rootRO), with(func(d *Disk) { d.ReadOnly = true })},
		"the last mount on a point counts":  {card(root + failed + data), &whole},
		"whole disk without partitions":     {card("1 1 179:0 / / rw - ext4 /dev/x rw\n"), &whole},
		"overlay: nobody counts what it is": {card("1 1 0:30 / / rw - overlay overlay rw\n"), with(func(d *Disk) { d.WrittenBytes = nil })},
		"stat file too short":               {card("1 1 8:0 / / rw - ext4 /dev/sda rw\n"), with(func(d *Disk) { d.WrittenBytes = nil })},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff(c.want, reader(c.root).Read(t.Context()).Disk))
		})
	}
	r := reader(card(root))
	r.Statfs = func(string) (uint64, uint64, error) { return 0, 0, errors.New("I/O error") }
	require.Nil(t, r.Read(t.Context()).Disk)
}

func TestMountPointWithASpace(t *testing.T) {
	m, ok := parseMount(`1 1 8:1 / /my\040data rw - ext4 /dev/sda1 rw`)
	require.True(t, ok)
	require.Equal(t, "/my data", m.point)
}

func TestThisComputer(t *testing.T) {
	s := NewReader(t.TempDir()).Read(t.Context())
	require.NotNil(t, s.Disk)
	require.NotZero(t, s.Disk.TotalBytes)
	require.False(t, s.Disk.ReadOnly)
}

func TestProblemsNameTheRemedy(t *testing.T) {
	for want, s := range map[string]System{
		"below 4.63 V now":   {Throttled: bits(UndervoltedNow | UndervoltedOnce)},
		"since boot: use":    {Throttled: bits(UndervoltedOnce)},
		"too hot now":        {Throttled: bits(HotNow)},
		"replace the card":   {Disk: &Disk{FreeBytes: 1 << 40, ReadOnly: true}},
		"lower spool_max_mb": {Disk: &Disk{FreeBytes: 1 << 20}},
	} {
		problems := s.Problems()
		require.Len(t, problems, 1)
		require.Contains(t, problems[0], want)
	}
	require.Empty(t, System{}.Problems())
	require.Empty(t, System{Throttled: bits(0), Disk: &Disk{FreeBytes: 1 << 40}}.Problems())
}
