// Package shares bounds what clients hold: all of them together, and each of them.
package shares

import (
	"net"
	"net/netip"
	"sync"
)

// Shares are the parts of a resource that clients hold.
type Shares struct {
	max, each int

	mu   sync.Mutex
	all  int
	held map[netip.Addr]int
}

// New returns shares of all. One client may hold part.
func New(all, part int) *Shares {
	return &Shares{max: all, each: part, held: make(map[netip.Addr]int)}
}

// Take takes n for a client, and reports whether that many were free.
func (s *Shares) Take(client netip.Addr, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all+n > s.max || client.IsValid() && s.held[client]+n > s.each {
		return false
	}
	s.add(client, n)
	return true
}

// Give returns n that a client took.
func (s *Shares) Give(client netip.Addr, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(client, -n)
}

func (s *Shares) add(client netip.Addr, n int) {
	s.all += n
	if !client.IsValid() {
		return
	}
	if s.held[client] += n; s.held[client] == 0 {
		delete(s.held, client)
	}
}

// Client returns the address of the client of a connection or query. A process of the node asks
// from loopback, or from the address that it asks: it has no bound of its own, and the zero address
// here. All pods of a node may be in one IPv6 network of 64 bits, so each address is a client.
func Client(of interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}) netip.Addr {
	from := addr(of.RemoteAddr())
	if from.IsLoopback() || from == addr(of.LocalAddr()) {
		return netip.Addr{}
	}
	return from
}

// addr returns the address of a TCP or UDP address, and the zero address for any other.
func addr(of net.Addr) netip.Addr {
	if a, ok := of.(interface{ AddrPort() netip.AddrPort }); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
