package cache

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// An entry is a stored reply. Only its atomic fields change.
type entry struct {
	msg    []byte   // without OPT
	end    int      // of the question section
	ttls   []uint16 // offsets of all TTLs
	run    run
	denial bool // NXDOMAIN with an empty answer section
	stored time.Time
	ttl    time.Duration

	uses atomic.Uint32
	// refreshing is set while a query for a newer reply is pending.
	refreshing atomic.Bool
	// failed: the last attempt to get a newer reply failed.
	failed  atomic.Bool
	triedAt atomic.Int64 // in nanoseconds since the epoch
}

// A run is the part of a message with the addresses of one name: records of one size.
type run struct{ start, size, count int }

const (
	// staleTTL is the TTL of records in an expired reply (RFC 8767 section 4).
	staleTTL = 30
	// maxStale is the time that an expired reply is kept (RFC 8767 section 5).
	maxStale = 24 * time.Hour
	ednsSize = 1232
	// staleAnswer is the Extended DNS Error of stale replies (RFC 8914 section 4.4).
	staleAnswer = 3
)

// newEntry returns nil for replies that must not be stored, such as a reply to another question.
func newEntry(q Question, reply []byte, now time.Time) *entry {
	m := new(dns.Msg)
	if m.Unpack(reply) != nil {
		return nil
	}
	if opt := m.IsEdns0(); opt != nil && opt.ExtendedRcode() > 0xf {
		return nil
	}
	ttl := filter(m)
	if ttl <= 0 {
		return nil
	}
	m.Compress, m.Authoritative, m.Zero = true, false, false
	packed, err := m.Pack()
	if err != nil || !q.asks(packed) {
		return nil
	}
	records := len(m.Answer) + len(m.Ns)
	e := &entry{
		msg: append([]byte(nil), packed...), // Pack allocates room for uncompressed names
		end: q.end, ttls: make([]uint16, 0, records), stored: now, ttl: ttl,
		denial: m.Rcode == dns.RcodeNameError && len(m.Answer) == 0,
	}
	return e.index(len(m.Answer), records)
}

// index finds the TTLs, and the addresses to rotate.
func (e *entry) index(answers, records int) *entry {
	off, runType := e.end, uint16(0)
	for i := range records {
		start := off
		if off = wire.SkipName(e.msg, off); off < 0 || off+10 > len(e.msg) {
			return nil
		}
		rrtype := binary.BigEndian.Uint16(e.msg[off:])
		e.ttls = append(e.ttls, uint16(off+4))
		pointed := off-start == 2
		off += 10 + int(binary.BigEndian.Uint16(e.msg[off+8:]))
		size := off - start
		switch {
		case i >= answers || !pointed || rrtype != dns.TypeA && rrtype != dns.TypeAAAA:
		case e.run.count == 0:
			e.run, runType = run{start, size, 1}, rrtype
		case runType == rrtype && size == e.run.size && start == e.run.start+e.run.count*size:
			e.run.count++
		}
	}
	return e
}

// age returns the time since the entry was stored.
func (e *entry) age(now time.Time) time.Duration { return max(0, now.Sub(e.stored)) }

// reply returns a copy for a client's query.
func (e *entry) reply(q Question, now time.Time, stale bool) []byte {
	out := make([]byte, len(e.msg), len(e.msg)+wire.OPTSize+6)
	copy(out, e.msg)
	copy(out[:2], q.packet[:2])
	out[3] = out[3]&^flagCD | q.packet[3]&flagCD
	copy(out[wire.HeaderSize:e.end], q.packet[wire.HeaderSize:q.end]) // in the client's letter case
	passed := uint32(e.age(now) / time.Second)
	for _, at := range e.ttls {
		ttl := binary.BigEndian.Uint32(out[at:])
		if stale {
			ttl = staleTTL
		} else {
			ttl -= min(ttl, passed)
		}
		binary.BigEndian.PutUint32(out[at:], ttl)
	}
	if e.run.count > 1 {
		rotate(out[e.run.start:e.run.start+e.run.size*e.run.count], e.run.size*rand.IntN(e.run.count))
	}
	if !q.opt {
		return out
	}
	out = wire.AppendOPT(out, len(out), ednsSize, q.packet[q.end+7]&doBit != 0)
	if stale {
		out[len(out)-1] = 6 // the size of the option
		out = append(out, 0, dns.EDNS0EDE, 0, 2, 0, staleAnswer)
	}
	return out
}

// rotate moves the first n bytes to the end.
func rotate(b []byte, n int) {
	first := append([]byte(nil), b[:n]...)
	copy(b[copy(b, b[n:]):], first)
}
