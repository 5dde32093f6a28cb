package upstream

import (
	"crypto/x509"
	"net/netip"
	"sync"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/cache"
)

// A Forwarder sends queries for names outside the zone to other servers. It is safe for concurrent
// use; a change of servers applies to the next query. The caller closes it after the server that
// uses it has stopped.
type Forwarder struct {
	exchanger
	router
	inZone  Resolver
	hosts   hostCache
	replies *cache.Cache // nil: no cache
	// background are the queries with a goroutine.
	background sync.WaitGroup
}

// Options of a Forwarder. The zero value has only the servers of SetRoutes.
type Options struct {
	// All, if valid, gets all queries, even for names of one label. Routes are then not used.
	All netip.AddrPort
	// Direct sends clients' queries to the servers of stub domains too, and names of one label to
	// the upstreams, as a dnsmasq with these servers does.
	Direct bool
	// CacheSize limits the cache of replies, in bytes. 0: there is no cache.
	CacheSize int
	// RootCAs verify the certificates of servers over TLS. nil: the system's.
	RootCAs *x509.CertPool
}

// New returns a forwarder without servers. If all is valid, it gets all queries.
func New(all netip.AddrPort) *Forwarder { return NewForwarder(Options{All: all}) }

// NewForwarder returns a forwarder without servers, except the one in its options.
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

// ResolveWith sets the resolver of stub servers with names in the server's zone. Call it before the
// first query.
func (f *Forwarder) ResolveWith(inZone Resolver) { f.inZone = inZone }

// SetRoutes replaces the servers. upstreams are for all names, in this order. stubs are the servers
// of stub domains (in lower case, with or without trailing dot); the longest match counts. Stub
// domains are for the forwarder's own look-ups, and for clients with the option Direct. Cached
// replies of other servers are not used any more.
func (f *Forwarder) SetRoutes(upstreams []netip.AddrPort, stubs map[string][]StubServer) {
	f.SetServers(upstreams, stubs, nil)
}

// SetServers is SetRoutes with servers that use TLS. tlsNames has the names in their certificates,
// or "" if the certificate is for the address.
func (f *Forwarder) SetServers(
	upstreams []netip.AddrPort, stubs map[string][]StubServer, tlsNames map[netip.AddrPort]string,
) {
	r := f.next(upstreams, stubs, tlsNames)
	f.secure.set(tlsNames, f.addrs(r, &f.hosts))
	f.routes.Store(r)
	f.udp.retireAll()
	f.pool.closeIdle()
}

// Close closes the sockets, and waits for their goroutines. Pending queries over UDP fail with
// net.ErrClosed; connections in use remain open for their query.
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

// Servers returns the servers that queries can go to, each once and in no order. The configuration
// limits their number. Stub servers given by name appear after the first look-up of the name.
func (f *Forwarder) Servers() []Server {
	addrs := f.addrs(f.routes.Load(), &f.hosts)
	servers := make([]Server, 0, len(addrs))
	for addr := range addrs {
		servers = append(servers, f.health.state(addr))
	}
	return servers
}
