package skydns

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A mux asks servers over UDP: many queries at a time on few sockets. A pending
// query has no goroutine and no timer of its own. One lock guards the tables;
// nothing is sent and no callback runs under it.
type mux struct {
	// panicked gets a panic of a callback; nil: it goes on.
	panicked func(packet []byte, trouble any)
	health   *healthTable // nil: none is kept

	mu      sync.Mutex
	shared  map[string]*pending // by servers and query without ID
	live    map[*pending]bool
	links   map[netip.AddrPort][]*link
	open    map[*link]bool // also those that take no more queries
	sweeper *time.Timer    // nil: no socket is open and no query is pending
	idle    bool           // the sweeper runs seldom
	readers sync.WaitGroup
}

// A pending query, and all who wait for its reply.
type pending struct {
	query   []byte
	key     string
	plan    plan
	waiters []waiter
	tries   []*try // sent and not replied to
	// nextAt is when the next server is asked; zero: all were asked.
	nextAt time.Time
	sent   time.Time // the last try
	over   bool
}

type waiter struct {
	id    [2]byte
	until time.Time
	done  func(reply []byte, err error)
}

// A try is a query sent to one server. It stays with its link after the query is
// over, so that a late reply counts for the server's health.
type try struct {
	of       *pending
	server   int // in of.plan.servers; -1: a probe
	link     *link
	id       uint16
	sent     time.Time
	late     bool // the next server was asked meanwhile
	rejected bool // it got an error without a question
}

// A hop is work for after the lock is free: send a packet on a link, or give
// waiters a reply or an error.
type hop struct {
	link    *link
	packet  []byte
	waiters []waiter
	reply   []byte
	err     error
}

// ask sends a query to the servers until one has a reply or time is over. done
// is called once, at once or later by another goroutine; the reply, with the
// query's ID, is valid until it returns. A query that equals a pending one but
// for its ID joins that, with its own time.
func (m *mux) ask(servers []netip.AddrPort, query []byte, until time.Time, done func(reply []byte, err error)) {
	w := waiter{id: [2]byte(query), until: until, done: done}
	key := shareKey(servers, query)
	now := time.Now()
	m.mu.Lock()
	var hops []hop
	if p := m.shared[key]; p != nil {
		hops = m.join(p, w, now)
	} else {
		hops = m.begin(servers, query, key, w, now)
	}
	m.mu.Unlock()
	m.do(hops)
}

func shareKey(servers []netip.AddrPort, query []byte) string {
	key := make([]byte, 0, 20*len(servers)+len(query))
	for _, server := range servers {
		key, _ = server.AppendBinary(key)
	}
	return string(append(key, query[2:]...))
}

func (m *mux) begin(servers []netip.AddrPort, query []byte, key string, w waiter, now time.Time) []hop {
	p := &pending{query: query, key: key, waiters: []waiter{w}}
	var probe netip.AddrPort
	if p.plan.servers = servers; m.health != nil {
		p.plan.servers, probe = m.health.order(servers, now)
	}
	if m.shared == nil {
		m.shared, m.live = map[string]*pending{}, map[*pending]bool{}
	}
	m.shared[key], m.live[p] = p, true
	m.wake()
	hops := m.next(p, now)
	if probe.IsValid() && !p.over {
		if l, err := m.linkTo(probe, now); err == nil {
			hops = append(hops, m.board(p, -1, l, now))
		}
	}
	return hops
}

// join adds a waiter. Where all servers were asked long ago, they are asked
// again for it.
func (m *mux) join(p *pending, w waiter, now time.Time) []hop {
	p.waiters = append(p.waiters, w)
	if p.nextAt.IsZero() && now.Sub(p.sent) >= maxStep {
		p.plan.n = 0
		return m.next(p, now)
	}
	return nil
}

// next asks the next server, or ends a query that has none left and waits for
// none.
func (m *mux) next(p *pending, now time.Time) []hop {
	for {
		i, ok := p.plan.next()
		if !ok {
			p.nextAt = time.Time{}
			if slices.ContainsFunc(p.tries, func(t *try) bool { return !t.rejected }) {
				return nil
			}
			reply, err := p.plan.result()
			return m.finish(p, reply, err)
		}
		l, err := m.linkTo(p.plan.servers[i], now)
		if err != nil {
			p.plan.failed(i, err)
			continue
		}
		p.nextAt = now.Add(p.plan.step())
		return []hop{m.board(p, i, l, now)}
	}
}

// advance asks the next server before its time, since one has failed. The second
// round begins after a pause.
func (m *mux) advance(p *pending, now time.Time) []hop {
	if p.plan.n >= len(p.plan.servers) && p.plan.more() {
		if soon := now.Add(roundPause); p.nextAt.IsZero() || p.nextAt.After(soon) {
			p.nextAt = soon
		}
		return nil
	}
	return m.next(p, now)
}

// board puts a try on a link, with an ID of its own. IDs cannot run out: the
// server limits pending queries.
func (m *mux) board(p *pending, server int, l *link, now time.Time) hop {
	t := &try{of: p, server: server, link: l, id: newID(), sent: now}
	for l.tries[t.id] != nil {
		t.id = newID()
	}
	l.tries[t.id] = t
	if server >= 0 {
		p.tries = append(p.tries, t)
		p.sent = now
	}
	if m.health != nil {
		m.health.sent(l.server, now)
	}
	packet := bytes.Clone(p.query)
	binary.BigEndian.PutUint16(packet, t.id)
	return hop{link: l, packet: packet}
}

// drop takes a try from its link and its query.
func (m *mux) drop(t *try) {
	delete(t.link.tries, t.id)
	t.of.tries = slices.DeleteFunc(t.of.tries, func(other *try) bool { return other == t })
	m.closeUnused(t.link)
}

// finish ends a query. Its tries stay with their links.
func (m *mux) finish(p *pending, reply []byte, err error) []hop {
	h := hop{waiters: p.waiters, reply: reply, err: err}
	p.over, p.waiters, p.tries, p.plan.last = true, nil, nil, nil
	delete(m.live, p)
	delete(m.shared, p.key)
	return []hop{h}
}

// do sends packets and calls waiters, without the lock.
func (m *mux) do(hops []hop) {
	for _, h := range hops {
		if h.link != nil {
			if _, err := h.link.conn.Write(h.packet); err != nil {
				m.broken(h.link, err)
			}
			continue
		}
		for _, w := range h.waiters {
			if h.err == nil {
				copy(h.reply, w.id[:])
			}
			w.done(h.reply, h.err)
		}
	}
}

// received takes a packet from a server.
func (m *mux) received(l *link, packet []byte) {
	defer func() {
		trouble := recover()
		switch {
		case trouble == nil:
		case m.panicked == nil:
			panic(trouble)
		default:
			m.panicked(packet, trouble)
		}
	}()
	m.do(m.match(l, packet))
}

// match finds the try that a packet is the reply to: on the socket that it was
// sent from, with its ID and its question. Unrelated packets are ignored.
func (m *mux) match(l *link, packet []byte) []hop {
	if len(packet) < headerSize {
		return nil
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	t := l.tries[binary.BigEndian.Uint16(packet)]
	if t == nil {
		return nil
	}
	p := t.of
	switch matchReply(packet, p.query, t.id) {
	case unrelated:
		return nil
	case rejection:
		// The try stays: this may be a forgery, and the reply still to come.
		if p.over || t.rejected || t.server < 0 {
			return nil
		}
		t.rejected = true
		p.plan.failed(t.server, rejected(packet))
		return m.advance(p, now)
	}
	m.drop(t)
	if m.health != nil {
		m.health.replied(l.server, now.Sub(t.sent))
	}
	switch {
	case p.over || t.server < 0:
		return nil
	case !p.plan.accept(t.server, packet):
		return m.advance(p, now)
	}
	return m.finish(p, packet, nil)
}

// broken takes an error of a socket, such as an ICMP message: the server is not
// there. Its pending queries go to the next server.
func (m *mux) broken(l *link, err error) {
	m.mu.Lock()
	now := time.Now()
	m.links[l.server] = slices.DeleteFunc(m.links[l.server], func(other *link) bool { return other == l })
	if m.health != nil && len(l.tries) > 0 {
		m.health.failed(l.server)
	}
	var hops []hop
	for _, t := range l.tries {
		m.drop(t)
		if p := t.of; !p.over && t.server >= 0 {
			p.plan.failed(t.server, err)
			hops = append(hops, m.advance(p, now)...)
		}
	}
	m.retire(l)
	m.mu.Unlock()
	m.do(hops)
}

// retireAll lets pending queries end on the links they are on; queries to come
// get new ones.
func (m *mux) retireAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, links := range m.links {
		for _, l := range links {
			m.retire(l)
		}
	}
	clear(m.links)
}

// close ends all pending queries, closes all links and waits for their
// goroutines.
func (m *mux) close() {
	m.retireAll()
	m.mu.Lock()
	var hops []hop
	for p := range m.live {
		hops = append(hops, m.finish(p, nil, net.ErrClosed)...)
	}
	for l := range m.open {
		clear(l.tries)
		m.closeUnused(l)
	}
	if m.sweeper != nil {
		m.sweeper.Stop()
		m.sweeper = nil
	}
	m.mu.Unlock()
	m.do(hops)
	m.readers.Wait()
}

// newID returns an unpredictable message ID (RFC 5452 section 9.2).
func newID() uint16 { return uint16(rand.Uint32()) }
