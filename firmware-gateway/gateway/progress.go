package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"karkhana/firmware-gateway/durable"
)

// progress remembers how far recordings and simulated pasts have come: a small file beside the spool, replaced as a
// whole. A position is written only after the samples before it are durable in the spool, so that a crash repeats a
// few samples and never leaves any out.
type progress struct {
	path string

	mu    sync.Mutex
	spool string
	saved map[string]json.RawMessage
	marks map[string]any // not yet saved
	last  map[string]any // every position marked since the start
}

type progressFile struct {
	Spool     string                     `json:"spool"` // positions belong to this queue: a new one begins anew
	Positions map[string]json.RawMessage `json:"positions"`
}

// loadProgress reads the file. One that can't be read is moved aside, which means beginning anew; moved says so.
func loadProgress(path, spool string) (p *progress, moved bool, err error) {
	p = &progress{path: path, spool: spool, saved: map[string]json.RawMessage{}, marks: map[string]any{}, last: map[string]any{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return p, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read progress: %w", err)
	}
	var f progressFile
	if json.Unmarshal(b, &f) != nil {
		if err := os.Rename(path, path+".bad"); err != nil {
			return nil, false, fmt.Errorf("move unreadable progress aside: %w", err)
		}
		return p, true, nil
	}
	if f.Spool == spool && f.Positions != nil {
		p.saved = f.Positions
	}
	return p, false, nil
}

// get returns the position of a backlog, saved or not yet, nil when it has none.
func (p *progress) get(key string) (json.RawMessage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	position, marked := p.last[key]
	if !marked {
		return p.saved[key], nil
	}
	b, err := json.Marshal(position)
	if err != nil {
		return nil, fmt.Errorf("progress of %s: %w", key, err)
	}
	return b, nil
}

// mark notes a position; everything before it has been appended to the spool.
func (p *progress) mark(key string, position any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks[key], p.last[key] = position, position
}

// take returns the marks so far, for save after the spool is synced.
func (p *progress) take() map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.marks
	p.marks = map[string]any{}
	return m
}

// giveBack returns marks whose sync failed, behind newer ones.
func (p *progress) giveBack(marks map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, v := range marks {
		if _, newer := p.marks[k]; !newer {
			p.marks[k] = v
		}
	}
}

// save writes marks to the file: temp, fsync, rename, fsync of the directory.
func (p *progress) save(marks map[string]any) error {
	if len(marks) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, v := range marks {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("save progress of %s: %w", k, err)
		}
		p.saved[k] = b
	}
	b, err := json.MarshalIndent(progressFile{Spool: p.spool, Positions: p.saved}, "", "\t")
	if err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	return durable.Replace(p.path, b)
}
