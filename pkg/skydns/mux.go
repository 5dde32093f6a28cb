package skydns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// maxLinkAge is how long a socket takes new queries: with it changes the
	// source port, which who forges replies has to guess (RFC 5452 section 9.2).
	maxLinkAge = 10 * time.Second
	// A server gets another socket when one has linkLoad queries in flight, up
	// to maxLinks. So 2000 queries are at most 125 on each, and the kernel has
	// room for their replies (208 KB by default) while nobody reads.
	linkLoad, maxLinks = 64, 16
	// sweepStep is how often flights are looked at whose time may be over.
	sweepStep = 50 * time.Millisecond
)

// A mux asks servers over UDP: many queries at a time on few sockets. A query
// that waits has no goroutine and no timer of its own. What the mux knows is
// behind one lock, under which nothing is sent and nobody is told.
type mux struct {
	// panicked is told about a panic while a packet was handled; nil: it goes on.
	panicked func(packet []byte, trouble any)

	mu      sync.Mutex
	shared  map[string]*flight // by query without ID
	links   map[netip.AddrPort][]*link
	open    map[*link]bool // also those that take no more queries
	flying  int
	sweeper *time.Timer // nil: nothing flies
	readers sync.WaitGroup
}

// A link is a socket to one server.
type link struct {
	server  netip.AddrPort
	conn    *net.UDPConn
	made    time.Time
	retired bool               // takes no more queries, and closes after the last reply
	pending map[uint16]*flight // by our ID
}

// A flight is a query under way, and all who wait for its reply.
type flight struct {
	query   []byte // with the ID of the try under way; never changed, but replaced
	key     string // in mux.shared; "" when it is not there
	tries   tries
	waiters []waiter
	link    *link
	// until is the end of the flight, tryUntil that of the try under way.
	until, tryUntil time.Time
}

type waiter struct {
	id   [2]byte
	done func(reply []byte, err error)
}

// A hop is what has to be done for a flight once the lock is free: a query is to
// be sent to a link, or, without a link, the flight is over with a reply or an
// error.
type hop struct {
	flight *flight
	link   *link
	query  []byte
	reply  []byte
	err    error
}

// ask sends a query to the servers, one after the other, until one has a reply
// or time is over. done is told once, at once or later by another goroutine;
// the reply, with the query's ID, is valid until it returns. A shared query
// joins one that is under way and is the same to the last bit, but its ID: the
// time for both runs from the first.
func (m *mux) ask(servers []netip.AddrPort, query []byte, until time.Time, share bool, done func(reply []byte, err error)) {
	w := waiter{[2]byte(query), done}
	m.mu.Lock()
	if share {
		if f := m.shared[string(query[2:])]; f != nil {
			f.waiters = append(f.waiters, w)
			m.mu.Unlock()
			return
		}
	}
	f := &flight{query: query, tries: tries{servers: servers}, waiters: []waiter{w}, until: until}
	if share {
		f.key = string(query[2:])
		if m.shared == nil {
			m.shared = map[string]*flight{}
		}
		m.shared[f.key] = f
	}
	h := m.next(f, time.Now())
	m.mu.Unlock()
	m.do(h)
}

// next hands a flight, which is on no link, to the next server.
func (m *mux) next(f *flight, now time.Time) hop {
	for now.Before(f.until) {
		server, ok := f.tries.next()
		if !ok {
			break
		}
		l, err := m.linkTo(server, now)
		if err != nil {
			f.tries.failed(err)
			continue
		}
		m.board(f, l, now)
		return hop{flight: f, link: l, query: f.query}
	}
	m.unshare(f)
	reply, err := f.tries.result()
	return hop{flight: f, reply: reply, err: err}
}

// board puts a flight on a link, with an ID of its own. There are far fewer
// flights than IDs: who asks bounds them.
func (m *mux) board(f *flight, l *link, now time.Time) {
	id := newID()
	for l.pending[id] != nil {
		id = newID()
	}
	f.query = bytes.Clone(f.query)
	binary.BigEndian.PutUint16(f.query, id)
	f.link = l
	f.tryUntil = now.Add(tryTimeout)
	if f.tryUntil.After(f.until) {
		f.tryUntil = f.until
	}
	l.pending[id] = f
	if m.flying++; m.sweeper == nil {
		m.sweeper = time.AfterFunc(sweepStep, m.sweep)
	}
}

// leave takes a flight from its link.
func (m *mux) leave(f *flight) {
	delete(f.link.pending, binary.BigEndian.Uint16(f.query))
	m.flying--
	m.closeUnused(f.link)
	f.link = nil
}

func (m *mux) unshare(f *flight) {
	if f.key != "" {
		delete(m.shared, f.key)
	}
}

// do does what is due for flights, without the lock.
func (m *mux) do(hops ...hop) {
	for _, h := range hops {
		if h.link == nil {
			h.flight.land(h.reply, h.err)
		} else if _, err := h.link.conn.Write(h.query); err != nil {
			m.broken(h.link, err)
		}
	}
}

// land tells everybody who waits; nobody joins a flight that is over.
func (f *flight) land(reply []byte, err error) {
	for _, w := range f.waiters {
		if err == nil {
			copy(reply, w.id[:])
		}
		w.done(reply, err)
	}
}

// linkTo returns a link to a server: one of those there are, by chance, or a
// new one.
func (m *mux) linkTo(server netip.AddrPort, now time.Time) (*link, error) {
	links := m.links[server]
	for len(links) > 0 {
		i := rand.IntN(len(links))
		l := links[i]
		if now.Sub(l.made) < maxLinkAge {
			if len(l.pending) < linkLoad || len(links) == maxLinks {
				return l, nil
			}
			break
		}
		links[i] = links[len(links)-1]
		links = links[:len(links)-1]
		m.links[server] = links
		m.retire(l)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(receiveBuffer)
	l := &link{server: server, conn: conn, made: now, pending: map[uint16]*flight{}}
	if m.links == nil {
		m.links, m.open = map[netip.AddrPort][]*link{}, map[*link]bool{}
	}
	m.links[server] = append(links, l)
	m.open[l] = true
	m.readers.Go(func() { m.read(l) })
	return l, nil
}

// retire ends a link that is no more in m.links.
func (m *mux) retire(l *link) {
	l.retired = true
	m.closeUnused(l)
}

func (m *mux) closeUnused(l *link) {
	if l.retired && len(l.pending) == 0 && m.open[l] {
		delete(m.open, l)
		_ = l.conn.Close()
	}
}

// retireAll lets the flights under way end on the links they are on; queries to
// come get new ones.
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

// close ends all flights, closes all links and waits for their goroutines.
func (m *mux) close() {
	m.retireAll()
	m.mu.Lock()
	flights := m.flights(func(*flight) bool { return true })
	for _, f := range flights {
		f.until = time.Time{}
	}
	hops := m.fail(flights, time.Now(), net.ErrClosed)
	if m.sweeper != nil {
		m.sweeper.Stop()
		m.sweeper = nil
	}
	m.mu.Unlock()
	m.do(hops...)
	m.readers.Wait()
}

func (m *mux) read(l *link) {
	buf := make([]byte, maxTCPSize) // replies may be of any size
	for {
		n, err := l.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			m.broken(l, err) // which closes it
			return
		}
		m.received(l, buf[:n])
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
	if h, ok := m.match(l, packet); ok {
		m.do(h)
	}
}

// match finds the flight that a packet is the reply to: with its ID and its
// question, on the socket that it was sent from. What is no reply to anything
// is nothing to us.
func (m *mux) match(l *link, packet []byte) (hop, bool) {
	if len(packet) < headerSize {
		return hop{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := l.pending[binary.BigEndian.Uint16(packet)]
	if f == nil || !answers(packet, f.query) {
		return hop{}, false
	}
	m.leave(f)
	if f.tries.accept(packet) {
		m.unshare(f)
		return hop{flight: f, reply: packet}, true
	}
	return m.next(f, time.Now()), true
}

// broken takes an error of a socket, such as an ICMP message: the server is not
// there. What is pending goes on to the next one, from which a server that has
// only just come back gets it again.
func (m *mux) broken(l *link, err error) {
	m.mu.Lock()
	m.links[l.server] = slices.DeleteFunc(m.links[l.server], func(other *link) bool { return other == l })
	hops := m.fail(slices.Collect(maps.Values(l.pending)), time.Now(), err)
	m.retire(l)
	m.mu.Unlock()
	m.do(hops...)
}

// sweep ends the tries that have waited too long.
func (m *mux) sweep() {
	m.mu.Lock()
	now := time.Now()
	late := m.flights(func(f *flight) bool { return !now.Before(f.tryUntil) })
	hops := m.fail(late, now, os.ErrDeadlineExceeded)
	m.sweeper = nil
	if m.flying > 0 {
		m.sweeper = time.AfterFunc(sweepStep, m.sweep)
	}
	m.mu.Unlock()
	m.do(hops...)
}

// flights are those under way that are wanted.
func (m *mux) flights(want func(*flight) bool) []*flight {
	var out []*flight
	for l := range m.open {
		for _, f := range l.pending {
			if want(f) {
				out = append(out, f)
			}
		}
	}
	return out
}

// fail ends the tries under way of some flights.
func (m *mux) fail(flights []*flight, now time.Time, err error) []hop {
	var hops []hop
	for _, f := range flights {
		m.leave(f)
		f.tries.failed(err)
		hops = append(hops, m.next(f, now))
	}
	return hops
}
