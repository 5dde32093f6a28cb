package upstream

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A StubServer is a server of a stub domain: an address, or a host name that is looked up when the
// server is needed.
type StubServer struct {
	Addr netip.AddrPort
	Host string
}

const (
	dnsPort = 53
	// hostTTL is the time that the address of a stub server is cached.
	hostTTL = 30 * time.Second
)

// A Resolver returns the addresses of a name in the zone of the server; false for
// other names.
type Resolver func(ctx context.Context, name string) (addrs []netip.Addr, inZone bool)

// A hostCache caches the addresses of stub servers given by name.
type hostCache struct {
	mu    sync.Mutex
	known map[string]hostAddrs
}

type hostAddrs struct {
	addrs []netip.Addr
	until time.Time
}

// resolve returns the addresses of stub servers, and whether it needed no look-up. lookup looks up
// a name; nil: there are no look-ups. A server that cannot be resolved is omitted, or used with its
// last known addresses.
func (c *hostCache) resolve(
	servers []StubServer, lookup func(host string) []netip.Addr,
) (out []netip.AddrPort, known bool) {
	known = true
	for _, server := range servers {
		if server.Host == "" {
			out = append(out, server.Addr)
			continue
		}
		host := dns.Fqdn(server.Host)
		addrs, fresh := c.get(host)
		known = known && fresh
		if !fresh && lookup != nil {
			if found := lookup(host); len(found) > 0 {
				addrs = found
				c.put(host, found)
			}
		}
		for _, addr := range addrs {
			out = append(out, netip.AddrPortFrom(addr, dnsPort))
		}
	}
	return out, known
}

func (c *hostCache) put(host string, addrs []netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) > 1000 { // names come from the configuration: few
		c.known = map[string]hostAddrs{}
	}
	c.known[host] = hostAddrs{addrs: addrs, until: time.Now().Add(hostTTL)}
}

// get returns the known addresses of a name, and whether they can be used without another look-up.
func (c *hostCache) get(host string) (addrs []netip.Addr, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.known[host]
	return known.addrs, time.Now().Before(known.until)
}

// Addresses returns the addresses in A and AAAA records.
func Addresses(rrs []dns.RR) []netip.Addr {
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
