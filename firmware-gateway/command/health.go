package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"karkhana/firmware-gateway/config"
	"karkhana/firmware-gateway/health"
)

// Health prints how the gateway on this computer does.
type Health struct {
	file
	Report string `help:"Report of the running gateway." default:"/run/karkhana/health.json" type:"path"`
}

// Run prints what there is, then what is wrong, each with its remedy, and fails when something is.
func (h *Health) Run(e *Env) error {
	c, err := config.Load(h.Path)
	if err != nil {
		return err
	}
	up, err := health.Up(os.DirFS("/"))
	if err != nil {
		return err
	}
	var problems []string
	system := health.System{}
	r, err := health.ReadReport(h.Report)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(e.Stdout, "gateway: does not run (%s is not there)\n", h.Report)
		problems = append(problems, "no gateway runs: systemctl status karkhana-gateway says why")
		system = health.NewReader(c.Data).Read(e.Context)
		problems = append(problems, system.Problems()...)
	case err != nil:
		return err
	default:
		printGateway(e.Stdout, r, up)
		system, problems = r.System, r.Problems(up)
	}
	printSystem(e.Stdout, system)
	if len(c.Machines) == 0 {
		problems = append(problems, "no machines are configured: "+h.Path+" lists none yet")
	}
	for _, p := range problems {
		fmt.Fprintln(e.Stdout, "!", p)
	}
	if len(problems) > 0 {
		return fmt.Errorf("not well: %d findings", len(problems))
	}
	_, err = fmt.Fprintln(e.Stdout, "all is well")
	return err
}

func printGateway(w io.Writer, r *health.Report, up int64) {
	fmt.Fprintf(w, "gateway: version %s, runs for %v\n", r.Version, (time.Duration(up-r.StartedMs) * time.Millisecond).Truncate(time.Second))
	for _, m := range r.Machines {
		last := "no value yet"
		if m.SampleAgeMs != nil {
			last = fmt.Sprintf("last value %.1f s ago", float64(*m.SampleAgeMs)/1000)
		}
		fmt.Fprintf(w, "%s: %s\n", m.ID, last)
	}
	fmt.Fprintf(w, "queue: %d packs, oldest %v\n", r.Spool.Packs, time.Duration(r.Spool.OldestAgeS)*time.Second)
}

func printSystem(w io.Writer, s health.System) {
	if t := s.Throttled; t != nil {
		fmt.Fprintf(w, "supply and heat: throttled=0x%x\n", uint32(*t))
	} else {
		fmt.Fprintln(w, "supply and heat: this computer does not say")
	}
	d := s.Disk
	if d == nil {
		return
	}
	fmt.Fprintf(w, "disk: %.1f of %.1f GB free", float64(d.FreeBytes)/1e9, float64(d.TotalBytes)/1e9)
	if d.WrittenBytes != nil {
		fmt.Fprintf(w, ", %.3f GB written since boot", float64(*d.WrittenBytes)/1e9)
	}
	if d.ReadOnly {
		fmt.Fprint(w, ", read-only")
	}
	fmt.Fprintln(w)
}
