package ingest

import "sync"

// unacknowledged is the set of messages of one connection that are in our hands, by what the broker calls them: what
// comes again while it is in the set is the same message again.
type unacknowledged[ID comparable] struct {
	mu  sync.Mutex
	ids map[ID]struct{}
}

func newUnacknowledged[ID comparable]() *unacknowledged[ID] {
	return &unacknowledged[ID]{ids: map[ID]struct{}{}}
}

// note puts a message into the set. False: it is there already.
func (u *unacknowledged[ID]) note(id ID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, held := u.ids[id]; held {
		return false
	}
	u.ids[id] = struct{}{}
	return true
}

func (u *unacknowledged[ID]) forget(id ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.ids, id)
}
