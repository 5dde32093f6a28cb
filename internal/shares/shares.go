// Package shares limits the parts of a resource that clients hold, in total and per client.
package shares

import (
	"net/netip"
	"sync"
)

// Shares are the parts of a resource that clients hold. Clients on loopback, and the zero address,
// can hold all of it: a program of the same host or pod may send queries for many clients. Any
// other client is an address, since the pods of a node may share an IPv6 network of 64 bits.
type Shares struct {
	max, each int

	mu   sync.Mutex
	all  int
	held map[netip.Addr]int
}

// New returns shares of all. One client can hold part.
func New(all, part int) *Shares {
	return &Shares{max: all, each: min(all, part), held: map[netip.Addr]int{}}
}

// Take takes n for a client, and reports whether they were free.
func (s *Shares) Take(from netip.Addr, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all+n > s.max {
		return false
	}
	if client, bounded := clientOf(from); bounded {
		if s.held[client]+n > s.each {
			return false
		}
		s.held[client] += n
	}
	s.all += n
	return true
}

// Give returns n that a client took.
func (s *Shares) Give(from netip.Addr, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all -= n
	if client, bounded := clientOf(from); bounded {
		if s.held[client] -= n; s.held[client] == 0 {
			delete(s.held, client)
		}
	}
}

// Taken returns the number that all clients hold.
func (s *Shares) Taken() int {
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
