package upstream

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A mux queries servers over UDP: many queries at a time on few sockets. A pending query has no
// goroutine and no timer of its own. One lock guards the tables; it is not held during sends and
// callbacks.
type mux struct {
	health    *healthTable
	malformed defects

	mu      sync.Mutex
	shared  map[string]*pending // by servers and query without ID
	live    map[*pending]bool
	links   links
	sweeper sweeper
}

// ask sends a query to the servers until one replies or the time is over. done is called once,
// immediately or later by another goroutine, and must not panic. The reply has the query's ID and
// is valid until done returns. A query that equals a pending one except for its ID joins it, with
// its own deadline. keep, if set, is called before done, once for all joined queries, with the
// reply or nil.
func (m *mux) ask(
	servers []netip.AddrPort, query []byte, until time.Time, keep func(reply []byte), done func(reply []byte, err error),
) {
	w := waiter{id: [2]byte(query), until: until, done: done}
	key := shareKey(servers, query)
	now := time.Now()
	m.mu.Lock()
	var hops []hop
	p := m.shared[key]
	if p != nil {
		hops = m.join(p, w, now)
	} else {
		p = &pending{query: query, key: key, waiters: []waiter{w}}
		hops = m.begin(p, servers, now)
	}
	if p.keep == nil {
		p.keep = keep
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

func (m *mux) begin(p *pending, servers []netip.AddrPort, now time.Time) []hop {
	var probe netip.AddrPort
	p.plan.servers, probe = m.health.order(servers, now)
	m.shared[p.key], m.live[p] = p, true
	hops := m.next(p, now)
	m.sweeper.wake(now.Add(linkStep), now)
	m.sweeper.watch(p, now)
	if probe.IsValid() && !p.over {
		if l, err := m.links.to(probe, now); err == nil {
			hops = append(hops, m.board(p, -1, l, bytes.Clone(p.query), now))
		}
	}
	return hops
}

// probe sends a copy of a TCP query to a server over UDP. The reply only updates its health.
func (m *mux) probe(server netip.AddrPort, query []byte) {
	now := time.Now()
	m.mu.Lock()
	var hops []hop
	if l, err := m.links.to(server, now); err == nil {
		query = bytes.Clone(query)
		hops = []hop{m.board(&pending{query: query, over: true}, -1, l, bytes.Clone(query), now)}
	}
	m.sweeper.wake(now.Add(linkStep), now)
	m.mu.Unlock()
	m.do(hops)
}

// join adds a waiter. If all servers were queried long ago, they are queried again for it.
func (m *mux) join(p *pending, w waiter, now time.Time) []hop {
	p.waiters = append(p.waiters, w)
	var hops []hop
	if p.nextAt.IsZero() && now.Sub(p.sent) >= maxStep {
		p.plan.n = 0
		hops = m.next(p, now)
	}
	m.sweeper.watch(p, now)
	return hops
}

// next queries the next server. It finishes a query that has no server left and waits for none.
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
		l, err := m.links.to(p.plan.servers[i], now)
		if err != nil {
			p.plan.failed(i, err)
			continue
		}
		p.nextAt = now.Add(p.plan.step())
		return []hop{m.board(p, i, l, bytes.Clone(p.query), now)}
	}
}

// advance queries the next server early, since one has failed. The second round starts after a
// pause.
func (m *mux) advance(p *pending, now time.Time) []hop {
	if p.plan.n >= len(p.plan.servers) && p.plan.more() {
		if soon := now.Add(roundPause); p.nextAt.IsZero() || p.nextAt.After(soon) {
			p.nextAt = soon
		}
		m.sweeper.watch(p, now)
		return nil
	}
	hops := m.next(p, now)
	m.sweeper.watch(p, now)
	return hops
}

// board adds a try to a link, with a new ID, which it writes into packet. IDs cannot run out: the
// server limits pending queries.
func (m *mux) board(p *pending, server int, l *link, packet []byte, now time.Time) hop {
	t := &try{of: p, server: server, link: l, id: newID(), sent: now}
	for l.tries[t.id] != nil {
		t.id = newID()
	}
	l.tries[t.id] = t
	if server >= 0 {
		p.tries = append(p.tries, t)
		p.sent = now
	}
	m.health.sent(l.server, now)
	binary.BigEndian.PutUint16(packet, t.id)
	return hop{link: l, packet: packet}
}

// boardBare sends the query of a try without OPT to the same server, once. It returns nil if the
// query has no OPT.
func (m *mux) boardBare(t *try, packet []byte, now time.Time) []hop {
	p := t.of
	if t.bare || p.over || t.server < 0 || !refusesOPT(packet) {
		return nil
	}
	bare := withoutOPT(p.query)
	if bare == nil {
		return nil
	}
	h := m.board(p, t.server, t.link, bare, now)
	p.tries[len(p.tries)-1].bare = true
	return []hop{h}
}

// drop removes a try from its link and its query.
func (m *mux) drop(t *try) {
	delete(t.link.tries, t.id)
	t.of.tries = slices.DeleteFunc(t.of.tries, func(other *try) bool { return other == t })
	m.links.closeUnused(t.link)
}

// finish completes a query. Its tries remain with their links.
func (m *mux) finish(p *pending, reply []byte, err error) []hop {
	h := hop{keep: p.keep, waiters: p.waiters, reply: reply, err: err}
	p.over, p.waiters, p.tries, p.plan.last = true, nil, nil, nil
	delete(m.live, p)
	delete(m.shared, p.key)
	return []hop{h}
}

// do sends packets and calls waiters, without the lock.
func (m *mux) do(hops []hop) {
	for _, h := range hops {
		if h.link != nil {
			if err := h.link.conn.Write(h.packet); err != nil {
				m.links.broken(h.link, err)
			}
			continue
		}
		if h.keep != nil {
			h.keep(h.reply)
		}
		for _, w := range h.waiters {
			if h.err == nil {
				copy(h.reply, w.id[:])
			}
			w.done(h.reply, h.err)
		}
	}
}

// newID returns an unpredictable message ID (RFC 5452 section 9.2).
func newID() uint16 { return uint16(rand.Uint32()) }
