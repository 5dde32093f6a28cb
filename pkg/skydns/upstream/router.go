package upstream

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"
)

// A router finds the servers for a name.
type router struct {
	routes atomic.Pointer[routes]
	all    netip.AddrPort
	direct bool
}

type routes struct {
	version   uint64 // of the servers
	upstreams []netip.AddrPort
	stubs     map[string][]StubServer // by domain with trailing dot
	tlsNames  map[netip.AddrPort]string
}

// next returns the routes to new servers.
func (t *router) next(
	upstreams []netip.AddrPort, stubs map[string][]StubServer, tlsNames map[netip.AddrPort]string,
) *routes {
	r := &routes{upstreams: slices.Clone(upstreams), stubs: map[string][]StubServer{}, tlsNames: maps.Clone(tlsNames)}
	for domain, servers := range stubs {
		r.stubs[dns.Fqdn(domain)] = slices.Clone(servers)
	}
	before := t.routes.Load()
	r.version = before.version
	if !slices.Equal(r.upstreams, before.upstreams) || !maps.EqualFunc(r.stubs, before.stubs, slices.Equal) ||
		!maps.Equal(r.tlsNames, before.tlsNames) {
		r.version++
	}
	return r
}

// TakesAll reports whether one server gets all queries for names outside the zone.
func (t *router) TakesAll() bool { return t.all.IsValid() }

// Takes reports whether a query for name can be forwarded.
func (t *router) Takes(name string) bool {
	if t.direct {
		return t.CanLookup(name)
	}
	return t.TakesAll() || strings.Count(name, ".") >= 2 && len(t.routes.Load().upstreams) > 0
}

// CanLookup reports whether there is a server for look-ups of name.
func (t *router) CanLookup(name string) bool {
	r := t.routes.Load()
	return t.TakesAll() || len(r.upstreams) > 0 || len(r.stubFor(name)) > 0
}

// TakesFrom reports whether a client's query for a name of a zone is forwarded. The name must be in
// a stub domain inside the zone, and no dnsmasq has sent its queries there.
func (t *router) TakesFrom(apex, name string) bool {
	return (t.TakesAll() || t.direct) && t.HasStubBetween(name, apex)
}

// HasStubBetween reports whether name is in a stub domain below the apex of its zone.
func (t *router) HasStubBetween(name, apex string) bool {
	return len(t.routes.Load().stubDomain(name)) > len(apex)
}

// stubFor returns the servers of the longest stub domain that name is in.
func (r *routes) stubFor(name string) []StubServer { return r.stubs[r.stubDomain(name)] }

// stubDomain returns the longest stub domain that name is in, or "".
func (r *routes) stubDomain(name string) string {
	for at := name; len(r.stubs) > 0 && at != ""; _, at, _ = strings.Cut(at, ".") {
		if len(r.stubs[at]) > 0 {
			return at
		}
	}
	return ""
}

// Route returns the servers for a name outside the zone, as text, and their stub domain, "" for the
// upstreams. It is for people.
func (t *router) Route(name string) (domain string, servers []string) {
	r := t.routes.Load()
	domain = r.stubDomain(name)
	switch {
	case t.TakesAll():
		return "", []string{t.all.String()}
	case domain != "":
		for _, server := range r.stubs[domain] {
			if server.Host != "" {
				servers = append(servers, server.Host)
			} else {
				servers = append(servers, server.Addr.String())
			}
		}
	case t.Takes(name):
		for _, server := range r.upstreams {
			servers = append(servers, server.String())
		}
	}
	return domain, servers
}

// A way is the destination of a query: the servers of a stub domain, else the upstreams.
type way struct {
	routes *routes
	stub   []StubServer
}

// key returns a number that differs for other servers.
func (w way) key() uint64 {
	key := w.routes.version << 1
	if len(w.stub) > 0 {
		key |= 1
	}
	return key
}

// wayOf returns the way of a client's query.
func (t *router) wayOf(query []byte) way {
	w := way{routes: t.routes.Load()}
	if t.direct && len(w.routes.stubs) > 0 {
		w.stub = w.routes.stubFor(questionName(query))
	}
	return w
}

// questionName returns the name of a query's question in lower case with trailing dot. A label with
// a dot in it becomes "*", since no stub domain has one.
func questionName(query []byte) string {
	q := question(query)
	var name strings.Builder
	for len(q) > 0 && q[0] != 0 && int(q[0]) < len(q) {
		label := q[1 : 1+q[0]]
		if slices.Contains(label, '.') {
			label = []byte("*")
		}
		for _, c := range label {
			name.WriteByte(lowerByte(c))
		}
		name.WriteByte('.')
		q = q[1+q[0]:]
	}
	return name.String()
}

// wayOfLookup returns the way of the server's own query for a name.
func (t *router) wayOfLookup(name string) way {
	r := t.routes.Load()
	if t.TakesAll() {
		return way{routes: r}
	}
	return way{routes: r, stub: r.stubFor(name)}
}

// upstreams returns the servers for names that are in no stub domain.
func (t *router) upstreams(r *routes) []netip.AddrPort {
	if t.TakesAll() {
		return []netip.AddrPort{t.all}
	}
	return r.upstreams
}

// addrs returns the addresses of all servers. For host names it returns the known addresses.
func (t *router) addrs(r *routes, hosts *hostCache) map[netip.AddrPort]bool {
	addrs := map[netip.AddrPort]bool{}
	if t.TakesAll() {
		addrs[t.all] = true
	}
	for _, server := range r.upstreams {
		addrs[server] = true
	}
	for _, stubs := range r.stubs {
		known, _ := hosts.resolve(stubs, nil)
		for _, server := range known {
			addrs[server] = true
		}
	}
	return addrs
}
