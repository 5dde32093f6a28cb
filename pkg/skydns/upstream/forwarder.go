package upstream

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// A Forwarder asks other servers for what is not the zone's. It is safe for
// concurrent use; a change of servers is seen by the next query. Its maker closes it,
// after the server that uses it has ended.
type Forwarder struct {
	routes atomic.Pointer[routes]
	all    netip.AddrPort
	hosts  hostCache
	health healthTable
	udp    *mux
	pool   pool // of TCP connections
	// overTCP are the pending queries over TCP, so that equal ones are sent once.
	overTCP singleflight.Group
}

type routes struct {
	upstreams []netip.AddrPort
	stubs     map[string][]StubServer // by domain with trailing dot
}

// New returns a forwarder without servers. With a valid all,
// everything goes to that one server, also names of one label; routes are then
// not used.
func New(all netip.AddrPort) *Forwarder {
	f := &Forwarder{all: all}
	f.udp = newMux(&f.health)
	f.SetRoutes(nil, nil)
	return f
}

// SetRoutes replaces the servers: upstreams for all names, asked in this order,
// and for the forwarder's own look-ups the servers of stub domains (in lower
// case, with or without trailing dot); the longest match counts.
func (f *Forwarder) SetRoutes(upstreams []netip.AddrPort, stubs map[string][]StubServer) {
	r := &routes{upstreams: slices.Clone(upstreams), stubs: map[string][]StubServer{}}
	for domain, servers := range stubs {
		r.stubs[dns.Fqdn(domain)] = slices.Clone(servers)
	}
	f.routes.Store(r)
	f.udp.retireAll()
	f.pool.closeIdle()
}

// Close closes the sockets, and waits for their goroutines. Pending queries over UDP
// end with net.ErrClosed; connections in use stay open for their query.
func (f *Forwarder) Close() {
	f.udp.close()
	f.pool.closeIdle()
}

// TakesAll reports whether everything that is not the zone's goes to one server.
func (f *Forwarder) TakesAll() bool { return f.all.IsValid() }

// Takes reports whether a query for name can be forwarded.
func (f *Forwarder) Takes(name string) bool {
	return f.TakesAll() || strings.Count(name, ".") >= 2 && len(f.routes.Load().upstreams) > 0
}

// CanLookup reports whether there is a server to look name up at.
func (f *Forwarder) CanLookup(name string) bool {
	r := f.routes.Load()
	return f.TakesAll() || len(r.upstreams) > 0 || len(r.stubFor(name)) > 0
}

// TakesFrom reports whether a name of a zone goes to the one server that gets
// everything else: it is in a stub domain inside the zone.
func (f *Forwarder) TakesFrom(apex, name string) bool {
	return f.TakesAll() && f.HasStubBetween(name, apex)
}

// HasStubBetween reports whether name is in a stub domain below the apex of a zone
// that it is below.
func (f *Forwarder) HasStubBetween(name, apex string) bool {
	r := f.routes.Load()
	for at := name; len(r.stubs) > 0 && at != "" && at != apex; _, at, _ = strings.Cut(at, ".") {
		if len(r.stubs[at]) > 0 {
			return true
		}
	}
	return false
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

// Route returns the servers that are asked for a name outside the zone, as text, and the
// stub domain that they belong to, "" for the upstreams. It is for people.
func (f *Forwarder) Route(name string) (domain string, servers []string) {
	r := f.routes.Load()
	domain = r.stubDomain(name)
	switch {
	case f.TakesAll():
		return "", []string{f.all.String()}
	case domain != "":
		for _, server := range r.stubs[domain] {
			if server.Host != "" {
				servers = append(servers, server.Host)
			} else {
				servers = append(servers, server.Addr.String())
			}
		}
	case f.Takes(name):
		for _, server := range r.upstreams {
			servers = append(servers, server.String())
		}
	}
	return domain, servers
}

// serversFor returns the servers for our own look-up of a name.
func (f *Forwarder) serversFor(ctx context.Context, name string, inZone Resolver) []netip.AddrPort {
	if f.TakesAll() {
		return []netip.AddrPort{f.all}
	}
	r := f.routes.Load()
	stub := r.stubFor(name)
	if len(stub) == 0 {
		return r.upstreams
	}
	return f.hosts.resolve(stub, func(host string) []netip.Addr {
		if inZone != nil {
			if addrs, ok := inZone(ctx, host); ok {
				return addrs
			}
		}
		return f.lookupHost(ctx, r.upstreams, host)
	})
}

// lookupHost asks the upstreams, never a stub domain: its server may be the one that
// is looked for.
func (f *Forwarder) lookupHost(ctx context.Context, upstreams []netip.AddrPort, host string) []netip.Addr {
	var addrs []netip.Addr
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if m, err := f.lookupAt(ctx, upstreams, host, qtype); err == nil {
			addrs = append(addrs, Addresses(m.Answer)...)
		}
	}
	return addrs
}

// ForwardUDP sends a client's query to the upstreams as it is. done is called once,
// immediately or later by another goroutine, with the reply as it came but for the ID,
// which is the query's. It must not panic, and the reply is valid until it returns.
func (f *Forwarder) ForwardUDP(query []byte, done func(reply []byte, err error)) {
	f.udp.ask(f.upstreams(), query, time.Now().Add(exchangeTimeout), done)
}

// ForwardTCP sends a client's query to the upstreams as it is, and returns the reply
// as it came but for the ID, which is the query's.
func (f *Forwarder) ForwardTCP(ctx context.Context, query []byte) ([]byte, error) {
	return f.exchangeTCP(ctx, f.upstreams(), query)
}

func (f *Forwarder) upstreams() []netip.AddrPort {
	if f.TakesAll() {
		return []netip.AddrPort{f.all}
	}
	return f.routes.Load().upstreams
}

// Lookup asks for a name on our own behalf: at the servers of its stub domain,
// else at the upstreams; over UDP with EDNS, and over TCP when truncated. inZone
// resolves stub servers whose names are in the server's zone; nil: there are none.
func (f *Forwarder) Lookup(ctx context.Context, name string, qtype uint16, inZone Resolver) (*dns.Msg, error) {
	return f.lookupAt(ctx, f.serversFor(ctx, name, inZone), name, qtype)
}

// lookupAt asks the servers over UDP, and over TCP when the reply is truncated.
func (f *Forwarder) lookupAt(
	ctx context.Context, servers []netip.AddrPort, name string, qtype uint16,
) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.Id = 0 // each try has an ID of its own; equal queries are joined
	q.SetEdns0(ednsSize, false)
	query, err := q.Pack()
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	until := time.Now().Add(exchangeTimeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(until) {
		until = sooner
	}
	reply, err := f.askUDP(ctx, servers, query, until)
	if err == nil && reply[2]&2 != 0 { // truncated
		reply, err = f.exchangeTCP(ctx, servers, query)
	}
	m := new(dns.Msg)
	if err == nil {
		err = m.Unpack(reply)
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return m, nil
}

// askUDP is ask for callers that wait.
func (f *Forwarder) askUDP(
	ctx context.Context, servers []netip.AddrPort, query []byte, until time.Time,
) ([]byte, error) {
	type result struct {
		reply []byte
		err   error
	}
	results := make(chan result, 1) // from done, which is called once
	f.udp.ask(servers, query, until, func(reply []byte, err error) { results <- result{bytes.Clone(reply), err} })
	select {
	case r := <-results:
		return r.reply, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// exchangeTCP asks the servers one after the other. Equal queries are asked once;
// one that joined late, and got only what was left of the time, asks again.
func (f *Forwarder) exchangeTCP(ctx context.Context, servers []netip.AddrPort, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	key := shareKey(servers, query)
	for {
		asked := false
		shared, err, _ := f.overTCP.Do(key, func() (any, error) {
			asked = true
			return f.roundsTCP(ctx, servers, query)
		})
		switch {
		case err == nil:
			reply := bytes.Clone(shared.([]byte))
			copy(reply, query[:2])
			return reply, nil
		case asked || ctx.Err() != nil:
			return nil, err
		}
	}
}

func (f *Forwarder) roundsTCP(ctx context.Context, servers []netip.AddrPort, query []byte) ([]byte, error) {
	ordered, probe := f.health.order(servers, time.Now())
	if probe.IsValid() {
		f.udp.probe(probe, query)
	}
	p := plan{servers: ordered}
	for ctx.Err() == nil {
		i, ok := p.next()
		if !ok || p.n > len(ordered)+1 {
			break
		}
		until, _ := ctx.Deadline()
		share := time.Until(until) / time.Duration(max(1, len(ordered)-i))
		reply, err := f.pool.exchange(ctx, &f.health, ordered[i], query, min(tryTimeout, share))
		if err != nil {
			f.health.failed(ordered[i])
			p.failed(i, err)
			continue
		}
		f.health.replied(ordered[i], 0)
		if _, defect := wire.Check(reply); defect != wire.Sound {
			f.udp.malformed.count(defect)
			p.malformed(i, defect)
			continue
		}
		if p.accept(i, reply) {
			return reply, nil
		}
	}
	return p.result()
}

// Malformed returns how many replies could not be read, by reason: short, name or data.
func (f *Forwarder) Malformed() map[string]uint64 { return f.udp.malformed.byReason() }

// A Server is the state of one server.
type Server struct {
	Addr netip.AddrPort
	// Up: it is not down, or it was not asked lately.
	Up bool
	// RTT is how long it takes to reply over UDP, smoothed; 0: not known.
	RTT time.Duration
}

// Servers returns the servers that queries may go to, each once and in no order:
// those of the configuration, which bounds their number. Those of stub domains that it
// names by host are there from the first look-up of the name.
func (f *Forwarder) Servers() []Server {
	r := f.routes.Load()
	addrs := map[netip.AddrPort]bool{}
	if f.TakesAll() {
		addrs[f.all] = true
	}
	for _, server := range r.upstreams {
		addrs[server] = true
	}
	for _, stubs := range r.stubs {
		for _, stub := range stubs {
			if stub.Host == "" {
				addrs[stub.Addr] = true
				continue
			}
			known, _ := f.hosts.get(dns.Fqdn(stub.Host))
			for _, addr := range known {
				addrs[netip.AddrPortFrom(addr, dnsPort)] = true
			}
		}
	}
	servers := make([]Server, 0, len(addrs))
	for addr := range addrs {
		up, rtt := f.health.state(addr)
		servers = append(servers, Server{Addr: addr, Up: up, RTT: rtt})
	}
	return servers
}
