package upstream

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"sync"
)

// A tlsTable holds the servers that use TLS (RFC 7858). The zero value and nil are empty.
type tlsTable struct {
	roots *x509.CertPool // nil: the system's

	mu      sync.RWMutex
	servers map[netip.AddrPort]*tls.Config
}

// maxSessions is the number of TLS sessions cached for new connections to a server.
const maxSessions = 4

// set sets the names in the servers' certificates; "": their address. A query might still be on its
// way to a server that left the configuration. So set removes only servers that are in use without
// TLS, and, if there are many, all servers that left the configuration.
func (t *tlsTable) set(names map[netip.AddrPort]string, inUse map[netip.AddrPort]bool) {
	const many = 100
	t.mu.Lock()
	defer t.mu.Unlock()
	servers := map[netip.AddrPort]*tls.Config{}
	for server, config := range t.servers {
		if !inUse[server] && len(t.servers) <= many {
			servers[server] = config
		}
	}
	for server, name := range names {
		name = cmp.Or(name, server.Addr().String())
		if have := t.servers[server]; have != nil && have.ServerName == name {
			servers[server] = have
			continue
		}
		servers[server] = &tls.Config{
			ServerName: name, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
			RootCAs: t.roots,
		}
	}
	t.servers = servers
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

// any reports whether one of the servers uses TLS.
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
