package sockets

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
)

// grace is the time for pending queries of a replaced server. CoreDNS has the same.
const grace = 5 * time.Second

// A Set is the open sockets of a process.
type Set struct {
	limits  *limits
	mu      sync.Mutex
	open    map[string]*socket // by server address
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

// Prepare opens the missing sockets of servers. Call Use or Discard next.
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

// Discard closes the sockets of an unused generation.
func (g *Generation) Discard() {
	for _, opened := range g.opened {
		opened.discard()
	}
	clear(g.opened)
}

// Use sends all queries from now on to the servers of this generation. It returns when the previous
// generation has replied to its pending queries, or after a timeout. A second call has no effect.
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

// swap sets the current generation to g. It returns the previous generation, and the sockets
// without a server in g.
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

// wait returns when the generation has no pending query, or when ctx is done. It must get no new
// queries.
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

// Close closes all sockets. Pending queries are answered until ctx is done.
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

// stopAll stops sockets concurrently.
func stopAll(ctx context.Context, all []*socket) {
	var stopping sync.WaitGroup
	for _, each := range all {
		stopping.Go(func() { each.stop(ctx) })
	}
	stopping.Wait()
}
