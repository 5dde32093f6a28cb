package skydns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

// A Forwarder asks other servers for what is not the zone's. It is safe for
// concurrent use; a change of servers is seen by the next query.
type Forwarder struct {
	routes atomic.Pointer[routes]
	all    netip.AddrPort
	hosts  hostCache
	health healthTable
	udp    mux
	pool   pool // of TCP connections
	// flights are the queries under way over TCP, so that the same question is
	// asked once.
	flights singleflight.Group
}

type routes struct {
	upstreams []netip.AddrPort
	stubs     map[string][]StubServer // by domain with trailing dot
}

// NewForwarder returns a forwarder without servers. With a valid all,
// everything goes to that one server, also names of one label; routes are then
// not used.
func NewForwarder(all netip.AddrPort) *Forwarder {
	f := &Forwarder{all: all}
	f.udp.health = &f.health
	f.SetRoutes(nil, nil)
	return f
}

// SetRoutes replaces the servers: upstreams for all names, asked in this order,
// and for the forwarder's own look-ups the servers of stub domains (in lower
// case, with or without trailing dot), of which the longest match counts.
func (f *Forwarder) SetRoutes(upstreams []netip.AddrPort, stubs map[string][]StubServer) {
	r := &routes{upstreams: slices.Clone(upstreams), stubs: map[string][]StubServer{}}
	for domain, servers := range stubs {
		r.stubs[dns.Fqdn(domain)] = slices.Clone(servers)
	}
	f.routes.Store(r)
	f.udp.retireAll()
	f.pool.closeIdle()
}

// Close closes the sockets, and waits for their goroutines. Queries that are
// under way over UDP end with an error; connections in use stay open for what
// is under way.
func (f *Forwarder) Close() {
	f.udp.close()
	f.pool.closeIdle()
}

// takesAll says whether everything that is not the zone's is for one server.
func (f *Forwarder) takesAll() bool { return f.all.IsValid() }

// takes says whether a query for name can be forwarded.
func (f *Forwarder) takes(name string) bool {
	return f.takesAll() || strings.Count(name, ".") >= 2 && len(f.routes.Load().upstreams) > 0
}

// knows says whether there is a server to look name up at.
func (f *Forwarder) knows(name string) bool {
	r := f.routes.Load()
	return f.takesAll() || len(r.upstreams) > 0 || len(r.stubFor(name)) > 0
}

// takesFrom reports whether a name of a zone is for the one server that gets
// everything else: it is in a stub domain inside the zone.
func (f *Forwarder) takesFrom(apex, name string) bool {
	return f.takesAll() && f.hasStubBetween(name, apex)
}

// hasStubBetween reports whether name is in a stub domain below the apex of a zone
// that it is below.
func (f *Forwarder) hasStubBetween(name, apex string) bool {
	r := f.routes.Load()
	for at := name; len(r.stubs) > 0 && at != "" && at != apex; _, at, _ = strings.Cut(at, ".") {
		if len(r.stubs[at]) > 0 {
			return true
		}
	}
	return false
}

// stubFor returns the servers of the longest stub domain that name is in.
func (r *routes) stubFor(name string) []StubServer {
	for at := name; len(r.stubs) > 0 && at != ""; _, at, _ = strings.Cut(at, ".") {
		if servers := r.stubs[at]; len(servers) > 0 {
			return servers
		}
	}
	return nil
}

func (f *Forwarder) serversFor(ctx context.Context, name string) []netip.AddrPort {
	if f.takesAll() {
		return []netip.AddrPort{f.all}
	}
	r := f.routes.Load()
	if stub := r.stubFor(name); len(stub) > 0 {
		return f.addresses(ctx, stub)
	}
	return r.upstreams
}

// Forward sends a client's query to the upstreams as it is, over the same
// transport, and returns the reply as it came; only the ID is ours in between.
func (f *Forwarder) Forward(ctx context.Context, query []byte, tcp bool) ([]byte, error) {
	if !tcp {
		return wait(ctx, func(done func([]byte, error)) { f.start(query, done) })
	}
	return f.exchangeTCP(ctx, f.upstreams(), query)
}

// start is Forward over UDP for callers that do not wait: done is told the
// reply, which is valid until it returns, by whoever got it.
func (f *Forwarder) start(query []byte, done func(reply []byte, err error)) {
	f.udp.ask(f.upstreams(), query, time.Now().Add(exchangeTimeout), done)
}

func (f *Forwarder) upstreams() []netip.AddrPort {
	if f.takesAll() {
		return []netip.AddrPort{f.all}
	}
	return f.routes.Load().upstreams
}

// wait starts what ends in another goroutine, and waits for it.
func wait(ctx context.Context, start func(done func([]byte, error))) ([]byte, error) {
	type result struct {
		reply []byte
		err   error
	}
	results := make(chan result, 1) // from done, which is called once
	start(func(reply []byte, err error) { results <- result{bytes.Clone(reply), err} })
	select {
	case r := <-results:
		return r.reply, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Lookup asks for a name on our own behalf: at the servers of its stub domain,
// else at the upstreams; over UDP with EDNS, and over TCP when truncated.
func (f *Forwarder) Lookup(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	return f.lookupAt(ctx, f.serversFor(ctx, name), name, qtype)
}

func (f *Forwarder) lookupAt(ctx context.Context, servers []netip.AddrPort, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.Id = 0 // each try has an ID of its own; equal queries are joined
	q.SetEdns0(ednsSize, false)
	m, err := f.exchangeMsg(ctx, servers, q)
	if errors.Is(err, errFormat) || err == nil && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) {
		q.Extra = nil // RFC 6891 section 7
		m, err = f.exchangeMsg(ctx, servers, q)
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return m, nil
}

// exchangeMsg asks the servers over UDP, and over TCP when the reply is truncated.
func (f *Forwarder) exchangeMsg(ctx context.Context, servers []netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	query, err := q.Pack()
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(exchangeTimeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(until) {
		until = sooner
	}
	reply, err := wait(ctx, func(done func([]byte, error)) { f.udp.ask(servers, query, until, done) })
	if err != nil {
		return nil, err
	}
	if truncated := reply[2]&2 != 0; truncated {
		if reply, err = f.exchangeTCP(ctx, servers, query); err != nil {
			return nil, err
		}
	}
	m := new(dns.Msg)
	return m, m.Unpack(reply)
}

// exchangeTCP asks the servers one after the other. Equal queries are asked once;
// one that joined late, and got only what was left of the time, asks again.
func (f *Forwarder) exchangeTCP(ctx context.Context, servers []netip.AddrPort, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	key := shareKey(servers, query)
	for {
		asked := false
		shared, err, _ := f.flights.Do(key, func() (any, error) {
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
	ordered, _ := f.health.order(servers, time.Now())
	p := plan{servers: ordered}
	for ctx.Err() == nil {
		i, ok := p.next()
		if !ok || p.n > len(ordered)+1 {
			break
		}
		until, _ := ctx.Deadline()
		share := time.Until(until) / time.Duration(max(1, len(ordered)-i))
		reply, err := f.pool.exchangeOnce(ctx, ordered[i], query, min(tryTimeout, share))
		if err != nil {
			f.health.failed(ordered[i])
			p.failed(i, err)
			continue
		}
		f.health.replied(ordered[i], 0)
		if p.accept(i, reply) {
			return reply, nil
		}
	}
	return p.result()
}
