package sockets

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
)

// grace is how long pending queries of a server that was replaced get. CoreDNS has the same.
const grace = 5 * time.Second

// A Set is the open sockets of a process.
type Set struct {
	limits  *limits
	mu      sync.Mutex
	open    map[string]*socket // by the address of the server
	current *Generation
}

// A Generation is the servers of one Corefile, one for each address.
type Generation struct {
	set     *Set
	servers map[string]*dnsserver.Server
	opened  map[string]*socket // not in the set yet
	pending sync.WaitGroup     // queries
}

// New returns a Set without sockets.
func New(m *Metrics) *Set { return &Set{limits: newLimits(m), open: make(map[string]*socket)} }

// Prepare opens the sockets that servers need and that are not open. Use or Discard must follow.
func (s *Set) Prepare(servers []*dnsserver.Server) (*Generation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &Generation{
		set: s, servers: make(map[string]*dnsserver.Server), opened: make(map[string]*socket),
	}
	for _, server := range servers {
		g.servers[server.Addr] = server
		if s.open[server.Addr] != nil {
			continue
		}
		opened, err := open(server.Addr, s.limits)
		if err != nil {
			g.Discard()
			return nil, err
		}
		g.opened[server.Addr] = opened
	}
	return g, nil
}

// Discard closes the sockets of a generation that is not used.
func (g *Generation) Discard() {
	for _, opened := range g.opened {
		opened.discard()
	}
	clear(g.opened)
}

// Use sends all queries from now on to the servers of this generation. It returns when those of the
// generation before have their replies, or had enough time. A second call does nothing.
func (g *Generation) Use() {
	old, gone := g.set.swap(g)
	if old == g {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace) //nolint:forbidigo // a callback without context
	defer cancel()
	stopAll(ctx, gone)
	if old != nil {
		old.wait(ctx)
	}
}

// swap makes g the current generation. It returns the one before, and the sockets that g has no
// server for.
func (s *Set) swap(g *Generation) (old *Generation, gone []*socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.current
	if old == g {
		return old, nil
	}
	s.current = g
	for addr, existing := range s.open {
		if g.servers[addr] == nil {
			gone = append(gone, existing)
			delete(s.open, addr)
			continue
		}
		existing.use(g, g.servers[addr])
	}
	for addr, opened := range g.opened {
		opened.use(g, g.servers[addr])
		opened.start()
	}
	maps.Copy(s.open, g.opened)
	clear(g.opened)
	return old, gone
}

// wait returns when the generation has no pending query, or when ctx is done. No new one may come.
func (g *Generation) wait(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.pending.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Close closes all sockets. Pending queries get their replies until ctx is done.
func (s *Set) Close(ctx context.Context) {
	s.mu.Lock()
	var all []*socket
	for _, open := range s.open {
		all = append(all, open)
	}
	clear(s.open)
	s.mu.Unlock()
	stopAll(ctx, all)
}

// stopAll stops sockets at the same time.
func stopAll(ctx context.Context, all []*socket) {
	var stopping sync.WaitGroup
	for _, each := range all {
		stopping.Go(func() { each.stop(ctx) })
	}
	stopping.Wait()
}
