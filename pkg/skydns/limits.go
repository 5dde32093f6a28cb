package skydns

import (
	"net/netip"
	"sync"
	"time"
)

// shares bounds a resource that clients hold: all of them together by max, one of
// them by each. Clients on loopback may hold all of it, since dnsmasq in the same pod
// asks for all pods. A client is an address: the pods of a node may share an IPv6 network
// of 64 bits.
type shares struct {
	max, each int

	mu   sync.Mutex
	all  int
	held map[netip.Addr]int
}

// newShares returns shares of all. One client may hold part.
func newShares(all, part int) *shares {
	return &shares{max: all, each: min(all, part), held: map[netip.Addr]int{}}
}

// take takes n for a client, and reports whether that many were free.
func (s *shares) take(from netip.Addr, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all+n > s.max {
		return false
	}
	if key, bounded := clientOf(from); bounded {
		if s.held[key]+n > s.each {
			return false
		}
		s.held[key] += n
	}
	s.all += n
	return true
}

// give returns n that a client took.
func (s *shares) give(from netip.Addr, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all -= n
	if key, bounded := clientOf(from); bounded {
		if s.held[key] -= n; s.held[key] == 0 {
			delete(s.held, key)
		}
	}
}

// taken returns how many all clients hold.
func (s *shares) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// clientOf returns the address that identifies a client, and whether a bound
// applies to it.
func clientOf(from netip.Addr) (netip.Addr, bool) {
	from = from.Unmap().WithZone("")
	if !from.IsValid() || from.IsLoopback() {
		return netip.Addr{}, false
	}
	return from, true
}

// A throttle lets one event through in each period.
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
