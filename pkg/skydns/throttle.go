package skydns

import (
	"sync"
	"time"
)

// A throttle allows one event in each period.
type throttle struct {
	every time.Duration
	mu    sync.Mutex
	next  time.Time
}

// allow reports whether the event may pass.
func (t *throttle) allow() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Before(t.next) {
		return false
	}
	t.next = now.Add(t.every)
	return true
}
