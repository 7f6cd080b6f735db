package api

import (
	"sync"
	"time"
)

// limiter counts failures per address in fixed windows. It remembers at most maxAddresses of them.
type limiter struct {
	most   int
	window time.Duration

	mu   sync.Mutex
	seen map[string]failures
}

type failures struct {
	began time.Time
	count int
}

// maxAddresses bounds the memory of a limiter; when full, windows that are over are forgotten, and while all are
// still running, further addresses share one count.
const maxAddresses = 4096

func newLimiter(most int, window time.Duration) *limiter {
	return &limiter{most: most, window: window, seen: map[string]failures{}}
}

// wait is how long the address has to wait before it may try again; 0 means now.
func (l *limiter) wait(address string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.seen[address]
	if !ok {
		f = l.seen[""]
	}
	if f.count < l.most {
		return 0
	}
	return max(0, f.began.Add(l.window).Sub(now))
}

// failed counts a failure of the address.
func (l *limiter) failed(address string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.seen[address]; !ok && len(l.seen) >= maxAddresses {
		for k, f := range l.seen {
			if now.Sub(f.began) >= l.window {
				delete(l.seen, k)
			}
		}
		if len(l.seen) >= maxAddresses {
			address = ""
		}
	}
	f := l.seen[address]
	if f.count == 0 || now.Sub(f.began) >= l.window {
		f = failures{began: now}
	}
	f.count++
	l.seen[address] = f
}
