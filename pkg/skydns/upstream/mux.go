package upstream

import (
	"net"
	"net/netip"
)

func newMux(health *healthTable) *mux {
	m := &mux{health: health, shared: map[string]*pending{}, live: map[*pending]bool{}}
	m.links = links{
		received: m.received, broken: m.broken,
		byServer: map[netip.AddrPort][]*link{}, open: map[*link]bool{},
	}
	m.sweeper.sweep = m.sweep
	return m
}

// retireAll retires all links. Pending queries remain on their links; new queries get new links.
func (m *mux) retireAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.links.retireAll()
}

// close fails all pending queries, closes all links and waits for their goroutines.
func (m *mux) close() {
	m.mu.Lock()
	m.links.retireAll()
	var hops []hop
	for p := range m.live {
		hops = append(hops, m.finish(p, nil, net.ErrClosed)...)
	}
	for l := range m.links.open {
		clear(l.tries)
		m.links.closeUnused(l)
	}
	m.sweeper.stop()
	m.mu.Unlock()
	m.do(hops)
	m.links.readers.Wait()
}
