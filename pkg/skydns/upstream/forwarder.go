package upstream

import (
	"crypto/x509"
	"net/netip"
	"sync"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/cache"
)

// A Forwarder asks other servers for what is not the zone's. It is safe for
// concurrent use; a change of servers is seen by the next query. Its maker closes it,
// after the server that uses it has ended.
type Forwarder struct {
	exchanger
	router
	inZone  Resolver
	hosts   hostCache
	replies *cache.Cache // nil: no cache
	// background are the queries that have a goroutine.
	background sync.WaitGroup
}

// Options of a Forwarder. The zero value has no servers but those of SetRoutes.
type Options struct {
	// All, if valid, gets everything, also names of one label. Routes are then not used.
	All netip.AddrPort
	// Direct sends clients' queries to the servers of stub domains too, and names of one
	// label to the upstreams, as a dnsmasq does that has these servers.
	Direct bool
	// CacheSize is how many bytes the cache of replies may take. 0: there is no cache.
	CacheSize int
	// RootCAs are for the certificates of servers over TLS. nil: those of the system.
	RootCAs *x509.CertPool
}

// New returns a forwarder without servers. With a valid all, everything goes to that one
// server.
func New(all netip.AddrPort) *Forwarder { return NewForwarder(Options{All: all}) }

// NewForwarder returns a forwarder without servers, or with the one of its options.
func NewForwarder(o Options) *Forwarder {
	f := &Forwarder{router: router{all: o.All, direct: o.Direct}}
	f.udp = newMux(&f.health)
	f.secure.roots, f.pool.secure = o.RootCAs, &f.secure
	if o.CacheSize > 0 {
		f.replies = cache.New(o.CacheSize)
	}
	f.routes.Store(&routes{stubs: map[string][]StubServer{}})
	return f
}

// ResolveWith sets how stub servers are found whose names are in the server's zone. It is
// called before the first query.
func (f *Forwarder) ResolveWith(inZone Resolver) { f.inZone = inZone }

// SetRoutes replaces the servers: upstreams for all names, asked in this order, and the
// servers of stub domains (in lower case, with or without trailing dot); the longest match
// counts. Stub domains are for the forwarder's own look-ups, and for clients with the
// option Direct. Cached replies of other servers are not used any more.
func (f *Forwarder) SetRoutes(upstreams []netip.AddrPort, stubs map[string][]StubServer) {
	f.SetServers(upstreams, stubs, nil)
}

// SetServers is SetRoutes with servers that are queried over TLS: tlsNames has the names in
// their certificates, or "" where the certificate is for the address.
func (f *Forwarder) SetServers(
	upstreams []netip.AddrPort, stubs map[string][]StubServer, tlsNames map[netip.AddrPort]string,
) {
	r := f.next(upstreams, stubs, tlsNames)
	f.secure.set(tlsNames, f.addrs(r, &f.hosts))
	f.routes.Store(r)
	f.udp.retireAll()
	f.pool.closeIdle()
}

// Close closes the sockets, and waits for their goroutines. Pending queries over UDP
// end with net.ErrClosed; connections in use stay open for their query.
func (f *Forwarder) Close() {
	f.udp.close()
	f.background.Wait()
	f.probes.Wait()
	f.pool.closeIdle()
}

// Cache returns the state of the cache, and false if there is none.
func (f *Forwarder) Cache() (cache.Stats, bool) {
	if f.replies == nil {
		return cache.Stats{}, false
	}
	return f.replies.Stats(), true
}

// Servers returns the servers that queries may go to, each once and in no order:
// those of the configuration, which bounds their number. Those of stub domains that it
// names by host are there from the first look-up of the name.
func (f *Forwarder) Servers() []Server {
	addrs := f.addrs(f.routes.Load(), &f.hosts)
	servers := make([]Server, 0, len(addrs))
	for addr := range addrs {
		servers = append(servers, f.health.state(addr))
	}
	return servers
}
