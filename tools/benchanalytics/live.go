package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"karkhana/analytics"
	"karkhana/analytics/timeline"
	"karkhana/internal/influxd"
	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// build is the child: analytics alone in a process with one core, until it is stopped.
func build(ctx context.Context, url, path string) error {
	runtime.GOMAXPROCS(1)
	token, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return err
	}
	store, err := tsdb.NewInflux(tsdb.InfluxOptions{URL: url, Token: strings.TrimSpace(token), Bucket: influxd.Bucket})
	if err != nil {
		return err
	}
	db, err := registry.Open(ctx, "sqlite://"+path)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := analytics.New(analytics.Options{Store: store, Registry: db})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// live feeds machines at 1 Hz while a child builds their states, and returns the child's share of a core and its memory over
// the second half of the span, and the age of the oldest state at the end.
func live(ctx context.Context, server *influxd.Server, store tsdb.Store, path string, machines int, span time.Duration) (pct, rss, age float64, err error) {
	site := fmt.Sprint("n", machines, "-")
	db, err := open(ctx, path, site, machines, perSite)
	if err != nil {
		return 0, 0, 0, err
	}
	defer db.Close()
	self, err := os.Executable()
	if err != nil {
		return 0, 0, 0, err
	}
	child := exec.CommandContext(ctx, self, "-child", server.URL(), "-db", path)
	child.Stdin, child.Stderr = strings.NewReader(server.Token()+"\n"), os.Stderr
	if err := child.Start(); err != nil {
		return 0, 0, 0, err
	}
	defer func() {
		_ = child.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, child.Wait())
	}()
	begun, half := time.Now(), time.Time{}
	var before float64
	for i := int64(0); time.Since(begun) < span; i++ {
		if err := feed(ctx, store, db, site, machines, i); err != nil {
			return 0, 0, 0, err
		}
		if half.IsZero() && time.Since(begun) > span/2 {
			half = time.Now()
			before, _ = usage(child.Process.Pid)
		}
		time.Sleep(time.Until(begun.Add(time.Duration(i+1) * time.Second)))
	}
	after, rss := usage(child.Process.Pid)
	pct = 100 * (after - before) / time.Since(half).Seconds()
	oldest := time.Now().UnixMilli()
	for s := 0; s < machines/perSite; s += max(1, machines/perSite/10) {
		newest, found, err := timeline.Newest(ctx, store, fmt.Sprint(site, s), "m0")
		if err != nil {
			return 0, 0, 0, err
		}
		if !found {
			newest.EndMs = begun.UnixMilli() // not even begun
		}
		oldest = min(oldest, newest.EndMs)
	}
	if behind := time.Now().UnixMilli() - oldest; behind > 5000 {
		fmt.Printf("NOT KEPT UP with %d machines: a state is %.1f s old after %s; its core share says nothing\n", machines, float64(behind)/1000, span)
	}
	return pct, rss, float64(time.Now().UnixMilli()-oldest) / 1000, nil
}

// feed stores one sample of each machine and notes it, as ingest does.
func feed(ctx context.Context, store tsdb.Store, db *registry.DB, site string, machines int, i int64) error {
	now := time.Now().UnixMilli()
	points := make([]tsdb.Point, 0, machines)
	touches := make([]registry.Touched, 0, machines)
	for m := range machines {
		s, id := fmt.Sprint(site, m/perSite), fmt.Sprint("m", m%perSite)
		points = append(points, point(s, id, now, i+int64(m)))
		touches = append(touches, registry.Touched{Site: s, Machine: id, FromMs: now, ToMs: now})
	}
	if err := store.Write(ctx, points); err != nil {
		return err
	}
	return db.Touch(ctx, touches)
}

// usage returns a process's CPU seconds and resident memory in MB.
func usage(pid int) (cpu, rss float64) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) > 21 {
		var user, system, pages float64
		_, _ = fmt.Sscan(fields[11], &user)
		_, _ = fmt.Sscan(fields[12], &system)
		_, _ = fmt.Sscan(fields[21], &pages)
		cpu, rss = (user+system)/100, pages*float64(os.Getpagesize())/1e6
	}
	return cpu, rss
}
