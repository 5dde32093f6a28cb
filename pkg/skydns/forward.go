package skydns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

const (
	// exchangeTimeout is for a whole exchange with all servers, so that slow
	// ones can not pile up queries; tryTimeout is for one server.
	exchangeTimeout = 5 * time.Second
	tryTimeout      = 2 * time.Second
)

var (
	errNoServer = errors.New("no nameserver is configured")
	errNoAnswer = errors.New("no nameserver answered")
)

// A Forwarder asks other servers for what is not the zone's. It is safe for
// concurrent use; a change of servers is seen by the next query.
type Forwarder struct {
	routes atomic.Pointer[routes]
	all    netip.AddrPort
	hosts  hostCache
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

// stubs reports whether name is in a stub domain.
func (f *Forwarder) stubs(name string) bool {
	return !f.takesAll() && len(f.routes.Load().stubFor(name)) > 0
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
	// The same question, to the last bit but its ID, gets the same answer. The
	// time for it runs from the first who asked.
	shared, err, _ := f.flights.Do(string(query[2:]), func() (any, error) { return f.exchangeTCP(ctx, f.upstreams(), query) })
	if err != nil {
		return nil, err
	}
	reply := bytes.Clone(shared.([]byte))
	copy(reply, query[:2])
	return reply, nil
}

// start is Forward over UDP for callers that do not wait: done is told the
// reply, which is valid until it returns, by whoever got it.
func (f *Forwarder) start(query []byte, done func(reply []byte, err error)) {
	f.udp.ask(f.upstreams(), query, time.Now().Add(exchangeTimeout), true, done)
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
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	q.SetEdns0(ednsSize, false)
	query, err := q.Pack()
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	for _, tcp := range []bool{false, true} {
		reply, err := f.exchange(ctx, servers, query, tcp)
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", name, err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil {
			return nil, fmt.Errorf("look up %s: %w", name, err)
		}
		if !m.Truncated || tcp {
			return m, nil
		}
	}
	return nil, errNoAnswer
}

// exchange asks the servers for something of ours.
func (f *Forwarder) exchange(ctx context.Context, servers []netip.AddrPort, query []byte, tcp bool) ([]byte, error) {
	if tcp {
		return f.exchangeTCP(ctx, servers, query)
	}
	until := time.Now().Add(exchangeTimeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(until) {
		until = sooner
	}
	return wait(ctx, func(done func([]byte, error)) { f.udp.ask(servers, query, until, false, done) })
}

func (f *Forwarder) exchangeTCP(ctx context.Context, servers []netip.AddrPort, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	t := tries{servers: servers}
	for ctx.Err() == nil {
		server, ok := t.next()
		if !ok {
			break
		}
		reply, err := f.pool.exchangeOnce(ctx, server, query)
		if err != nil {
			t.failed(err)
		} else if t.accept(reply) {
			return reply, nil
		}
	}
	return t.result()
}

// tries are the way of a query along the servers: in order, until one says
// NOERROR or NXDOMAIN. A server that can not be reached is asked once more in
// the end, if it was the first; one that answers otherwise is not. The last such
// answer counts when no server has a better one.
type tries struct {
	servers []netip.AddrPort
	n       int  // so far
	spoke   bool // the first one answered
	last    []byte
	err     error
}

// next returns the server to ask; false: all were asked.
func (t *tries) next() (netip.AddrPort, bool) {
	again := t.n == len(t.servers)
	if t.n > len(t.servers) || again && (t.n == 0 || t.spoke) {
		return netip.AddrPort{}, false
	}
	t.n++
	return t.servers[(t.n-1)%len(t.servers)], true
}

// accept says whether a server's reply is the one to pass on. It keeps no part
// of it.
func (t *tries) accept(reply []byte) bool {
	if rcode := int(reply[3] & 0xf); rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError {
		return true
	}
	t.last = bytes.Clone(reply)
	t.spoke = t.spoke || t.n == 1
	return false
}

// failed takes why the server asked last has no reply.
func (t *tries) failed(err error) {
	t.err = fmt.Errorf("%w: %s: %w", errNoAnswer, t.servers[(t.n-1)%len(t.servers)], err)
}

// result is what there is in the end.
func (t *tries) result() ([]byte, error) {
	switch {
	case t.last != nil:
		return t.last, nil
	case t.err != nil:
		return nil, t.err
	case len(t.servers) == 0:
		return nil, errNoServer
	}
	return nil, errNoAnswer
}

// newID returns an unpredictable message ID (RFC 5452 section 9.2).
func newID() uint16 { return uint16(rand.Uint32()) }
