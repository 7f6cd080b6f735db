package page

import (
	"context"
	"errors"
	"sync"
	"time"
)

// job is something that takes long and is looked at meanwhile: one at a time, its last result stays.
type job[T any] struct {
	mu       sync.Mutex
	running  bool
	progress string
	done     bool
	result   T
	err      error
}

// jobState is how a job stands.
type jobState[T any] struct {
	Running  bool
	Progress string
	Done     bool // there is a result or an error
	Result   T
	Err      error
}

// longestJob ends what hangs.
const longestJob = 15 * time.Minute

// start runs a job unless it runs already.
func (j *job[T]) start(ctx context.Context, all *sync.WaitGroup, run func(ctx context.Context, say func(string)) (T, error)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running {
		return
	}
	j.running, j.progress = true, ""
	all.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, longestJob)
		defer cancel()
		result, err := run(ctx, func(p string) {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.progress = p
		})
		j.mu.Lock()
		defer j.mu.Unlock()
		j.running, j.done, j.err = false, true, err
		if err == nil || !errors.Is(err, context.Canceled) {
			j.result = result
		}
	})
}

func (j *job[T]) state() jobState[T] {
	j.mu.Lock()
	defer j.mu.Unlock()
	return jobState[T]{j.running, j.progress, j.done, j.result, j.err}
}
