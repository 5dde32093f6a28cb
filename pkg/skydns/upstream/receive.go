package upstream

import (
	"encoding/binary"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// received handles a packet from a server.
func (m *mux) received(l *link, packet []byte) {
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
		// Keep the try: this may be a forgery, and the reply may still arrive.
		if p.over || t.rejected || t.server < 0 {
			return nil
		}
		t.rejected = true
		if again := m.boardBare(t, packet, now); again != nil {
			return again
		}
		m.health.fault(l.server, failureOf(packet))
		p.plan.failed(t.server, rejected(packet))
		return m.advance(p, now)
	}
	if t.rejected && refusesOPT(packet) {
		return nil // its query was sent again
	}
	m.health.replied(l.server, now.Sub(t.sent))
	if again := m.boardBare(t, packet, now); again != nil {
		t.rejected = true // keep it: this may be a forgery, too
		return again
	}
	m.drop(t)
	if p.over || t.server < 0 {
		return nil
	}
	return m.take(t, packet, now)
}

// take handles the reply to a try of a pending query.
func (m *mux) take(t *try, packet []byte, now time.Time) []hop {
	p := t.of
	if _, defect := wire.Check(packet); defect != wire.Sound {
		if truncated := packet[2]&2 != 0; !truncated {
			m.malformed.count(defect)
			m.health.fault(t.link.server, Malformed)
			p.plan.malformed(t.server, defect)
			return m.advance(p, now)
		}
		packet = wire.QuestionOnly(packet) // cut within a record
	}
	if t.bare {
		packet = withOPT(packet, p.query)
	}
	if !p.plan.accept(t.server, packet) {
		m.health.fault(t.link.server, failureOf(packet))
		return m.advance(p, now)
	}
	return m.finish(p, packet, nil)
}

// broken handles an error of a socket, such as an ICMP message: the server is unreachable. Its
// pending queries move to the next server.
func (m *mux) broken(l *link, err error) {
	m.mu.Lock()
	now := time.Now()
	if len(l.tries) > 0 {
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
	m.links.retire(l)
	m.mu.Unlock()
	m.do(hops)
}
