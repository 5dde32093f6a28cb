package upstream

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"sync"
)

// A tlsTable has the servers that are queried over TLS (RFC 7858). The zero value and nil
// have none.
type tlsTable struct {
	roots *x509.CertPool // nil: those of the system

	mu      sync.RWMutex
	servers map[netip.AddrPort]*tls.Config
}

// maxSessions is how many sessions are kept for new connections to a server.
const maxSessions = 4

// add adds servers by the names in their certificates; "": their address.
func (t *tlsTable) add(names map[netip.AddrPort]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for server, name := range names {
		name = cmp.Or(name, server.Addr().String())
		if have := t.servers[server]; have != nil && have.ServerName == name {
			continue
		}
		if t.servers == nil {
			t.servers = map[netip.AddrPort]*tls.Config{}
		}
		t.servers[server] = &tls.Config{
			ServerName: name, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
			RootCAs: t.roots,
		}
	}
}

// set removes servers that are used without TLS now, and all but the newest when there are
// many.
func (t *tlsTable) set(names map[netip.AddrPort]string, inUse map[netip.AddrPort]bool) {
	const many = 100
	t.mu.Lock()
	defer t.mu.Unlock()
	for server := range inUse {
		if _, secure := names[server]; !secure {
			delete(t.servers, server)
		}
	}
	for server := range t.servers {
		if _, secure := names[server]; !secure && len(t.servers) > many {
			delete(t.servers, server)
		}
	}
}

// get returns nil for servers without TLS.
func (t *tlsTable) get(server netip.AddrPort) *tls.Config {
	if t == nil {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.servers[server]
}

// any reports whether one of the servers is queried over TLS.
func (t *tlsTable) any(servers []netip.AddrPort) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, server := range servers {
		if t.servers[server] != nil {
			return true
		}
	}
	return false
}
