package skydns

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// A StubServer is a server of a stub domain: an address, or a host name that
// is looked up when the server is needed.
type StubServer struct {
	Addr netip.AddrPort
	Host string
}

const (
	dnsPort = 53
	// hostTTL is how long the address of a stub server is remembered.
	hostTTL = 30 * time.Second
)

// A hostCache remembers the addresses of stub servers given by name.
type hostCache struct {
	// local returns the addresses of a name in the zone; false for other names.
	local func(ctx context.Context, name string) ([]netip.Addr, bool)

	mu    sync.Mutex
	known map[string]hostAddrs
}

type hostAddrs struct {
	addrs []netip.Addr
	until time.Time
}

// addresses resolves stub servers. What can not be resolved is left out, or
// used with its last known addresses.
func (f *Forwarder) addresses(ctx context.Context, servers []StubServer) []netip.AddrPort {
	var out []netip.AddrPort
	for _, server := range servers {
		if server.Host == "" {
			out = append(out, server.Addr)
			continue
		}
		for _, addr := range f.hostAddrs(ctx, dns.Fqdn(server.Host)) {
			out = append(out, netip.AddrPortFrom(addr, dnsPort))
		}
	}
	return out
}

func (f *Forwarder) hostAddrs(ctx context.Context, host string) []netip.Addr {
	f.hosts.mu.Lock()
	known := f.hosts.known[host]
	f.hosts.mu.Unlock()
	if time.Now().Before(known.until) {
		return known.addrs
	}
	var addrs []netip.Addr
	local := false
	if f.hosts.local != nil {
		addrs, local = f.hosts.local(ctx, host)
	}
	if !local {
		addrs = f.lookupHost(ctx, host)
	}
	if len(addrs) == 0 {
		return known.addrs
	}
	f.hosts.mu.Lock()
	defer f.hosts.mu.Unlock()
	if f.hosts.known == nil || len(f.hosts.known) > 1000 { // names come from the configuration: few
		f.hosts.known = map[string]hostAddrs{}
	}
	f.hosts.known[host] = hostAddrs{addrs: addrs, until: time.Now().Add(hostTTL)}
	return addrs
}

// lookupHost asks the upstreams, never a stub domain: its server may be the
// one that is looked for.
func (f *Forwarder) lookupHost(ctx context.Context, host string) []netip.Addr {
	var addrs []netip.Addr
	for _, qtype := range []uint16{backend.TypeA, backend.TypeAAAA} {
		m, err := f.lookupAt(ctx, f.routes.Load().upstreams, host, qtype)
		if err != nil {
			continue
		}
		addrs = append(addrs, addrsOf(m.Answer)...)
	}
	return addrs
}

func addrsOf(rrs []dns.RR) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range rrs {
		var addr netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			addr, _ = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			addr, _ = netip.AddrFromSlice(rr.AAAA)
		}
		if addr.IsValid() {
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs
}
