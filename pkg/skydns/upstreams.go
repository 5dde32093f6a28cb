package skydns

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// servers returns the servers that queries may go to, each once: those of the
// configuration, which bounds their number. Those of stub domains that it names by
// host are there from the first look-up of the name.
func (f *Forwarder) servers() map[netip.AddrPort]bool {
	servers := map[netip.AddrPort]bool{}
	if f.takesAll() {
		servers[f.all] = true
	}
	r := f.routes.Load()
	for _, server := range r.upstreams {
		servers[server] = true
	}
	f.hosts.mu.Lock()
	defer f.hosts.mu.Unlock()
	for _, stubs := range r.stubs {
		for _, stub := range stubs {
			if stub.Host == "" {
				servers[stub.Addr] = true
			}
			for _, addr := range f.hosts.known[dns.Fqdn(stub.Host)].addrs {
				servers[netip.AddrPortFrom(addr, dnsPort)] = true
			}
		}
	}
	return servers
}

// state returns how a server behaved: one that was not asked lately is up, and rtt
// is 0 while it is not known.
func (t *healthTable) state(server netip.AddrPort) (up bool, rtt time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.servers[server]
	if h == nil {
		return true, 0
	}
	return !h.down(), h.rtt
}
