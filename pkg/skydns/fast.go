package skydns

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// A fastPath answers plain questions from bytes to bytes, without a message in
// between. What it says is what the handler says, but for the order of records;
// a test holds the two together. It belongs to one goroutine.
type fastPath struct {
	server  *Server
	backend PlainBackend
	tally   tally
	tcp     bool
	soa     *wire.SOA
	query   wire.Query
	reply   wire.Reply
	random  *rand.PCG
	now     time.Time // when the batch was received; zero: not known yet
}

// newFastPath returns nil when the backend can not do its part.
func (s *Server) newFastPath(c *counters, tcp bool) *fastPath {
	backend, ok := s.backend.(PlainBackend)
	if !ok || !s.fast {
		return nil
	}
	soa := s.soa(negativeTTL)
	return &fastPath{
		server: s, backend: backend, tally: tally{counters: c}, tcp: tcp,
		soa:    wire.NewSOA(s.domain, negativeTTL, soa.Refresh, soa.Retry, soa.Expire, soa.Minttl),
		random: rand.NewPCG(rand.Uint64(), rand.Uint64()),
	}
}

// answer returns the reply to a packet, in room if it fits there, or nil when
// the handler has to answer.
func (f *fastPath) answer(packet, room []byte) []byte {
	q := &f.query
	if !q.Parse(packet) || q.Type == dns.TypeANY || q.Type == dns.TypeSOA || q.Type == dns.TypeNS || q.Type == dns.TypeTXT {
		return nil
	}
	name := unsafe.String(&q.Name[0], len(q.Name)) // as long as q is not parsed again
	if q.Type == dns.TypePTR && !isBelow(name, f.server.domain) {
		return f.answerPTR(packet, room, name)
	}
	if !isBelow(name, f.server.domain) {
		return nil
	}
	switch plain := f.backend.Plain(name, q.Type); plain.Kind {
	case PlainAddresses:
		return f.answerAddresses(packet, room, plain)
	case PlainPacked:
		return f.answerPacked(packet, room, plain.Slot)
	case PlainNoData:
		return f.answerNegative(packet, room, wire.Success)
	case PlainNotFound:
		return f.answerNegative(packet, room, wire.NameError)
	default:
		return nil
	}
}

// limit is the size of the largest reply, less an OPT record.
func (f *fastPath) limit() int {
	limit := min(f.query.Size, maxUDPSize)
	if f.tcp {
		limit = maxTCPSize
	}
	if f.query.OPT {
		limit -= wire.OPTSize
	}
	return limit
}

// done completes a reply of rcode to a question about the zone.
func (f *fastPath) done(sys system, rcode int, truncated bool) []byte {
	if f.query.OPT {
		f.reply.OPT(ednsSize)
	}
	size := len(f.reply.Buf)
	f.tally.note(outcomeOf(sys, f.tcp, f.query.Type, rcode, size, truncated), size, f.now)
	return f.reply.Buf
}

// begin is called with the first packet of a batch.
func (f *fastPath) begin() { f.now = time.Now() }

// end is called when the replies of a batch are about to be sent.
func (f *fastPath) end() {
	if !f.now.IsZero() {
		f.tally.end(time.Since(f.now))
		f.now = time.Time{}
	}
}

func (f *fastPath) answerAddresses(packet, room []byte, plain Plain) []byte {
	size := 4
	if f.query.Type == dns.TypeAAAA {
		size = 16
	}
	f.reply.Begin(room, packet, &f.query, wire.Success)
	count := len(plain.Addrs) / size
	n := min(count, (f.limit()-len(f.reply.Buf))/(wire.AddressOverhead+size))
	first := 0
	if count > 1 {
		first = int(f.random.Uint64() % uint64(count))
	}
	f.reply.Answers(n)
	f.reply.Addresses(f.query.Type, plain.TTL, plain.Addrs, size, first, n)
	if n < count {
		f.reply.Truncate()
	}
	return f.done(systemAuth, wire.Success, n < count)
}

// answerNegative points to the question's end for the name of the zone, so its
// letters must be in lower case there. Names whose end the SOA record has in
// common with the question beyond that are left to the handler, which
// compresses them further.
func (f *fastPath) answerNegative(packet, room []byte, rcode byte) []byte {
	q := &f.query
	name := unsafe.String(&q.Name[0], len(q.Name))
	left := name[:len(name)-len(f.server.domain)]
	if q.LastUpper >= headerSize+len(left) || isBelow(left, "dns.") || isBelow(left, "hostmaster.") {
		return nil
	}
	f.reply.Begin(room, packet, q, rcode)
	f.reply.SOA(f.soa, q, uint32(f.now.Unix()/3600*3600))
	return f.done(systemAuth, int(rcode), false)
}

func (f *fastPath) answerPTR(packet, room []byte, name string) []byte {
	addr, ok := plainReverseAddr(name)
	if !ok {
		return nil
	}
	label, host, ttl, ok := f.backend.PlainReverse(addr)
	if !ok {
		return nil
	}
	f.reply.Begin(room, packet, &f.query, wire.Success)
	f.reply.NotAuthoritative()
	f.reply.Answers(1)
	f.reply.Name(dns.TypePTR, ttl, label, host)
	if len(f.reply.Buf) > f.limit() {
		return nil
	}
	return f.done(systemReverse, wire.Success, false)
}

// plainReverseAddr is reverseAddr for a name in lower case, without
// allocation.
func plainReverseAddr(name string) (netip.Addr, bool) {
	const suffix = ".in-addr.arpa."
	if !isBelow(name, suffix[1:]) {
		if isBelow(name, "ip6.arpa.") {
			return reverseAddr(name)
		}
		return netip.Addr{}, false
	}
	var ip [4]byte
	rest := name[:len(name)-len(suffix)+1] // every part ends with a dot
	for i := 3; i >= 0; i-- {
		n, digits := 0, 0
		for len(rest) > digits && rest[digits] != '.' {
			c := rest[digits]
			if c < '0' || c > '9' || digits == 3 {
				return netip.Addr{}, false
			}
			n = 10*n + int(c-'0')
			digits++
		}
		if digits == 0 || digits == len(rest) || n > 255 || digits > 1 && rest[0] == '0' {
			return netip.Addr{}, false
		}
		ip[i] = byte(n)
		rest = rest[digits+1:]
	}
	return netip.AddrFrom4(ip), rest == ""
}

// A packedAnswer holds whole replies to one question, as the handler packs
// them, in some orders of their records. None: it is too large to be kept.
type packedAnswer struct {
	replies []byte // one after the other
	ends    [packedOrders]uint16
	count   uint16
}

// packedOrders is how many orders are kept of an answer with many records.
const packedOrders = 3

func (p *packedAnswer) add(reply []byte) {
	p.replies = append(p.replies, reply...)
	p.ends[p.count] = uint16(len(p.replies))
	p.count++
}

func (p *packedAnswer) reply(i int) []byte {
	start := uint16(0)
	if i > 0 {
		start = p.ends[i-1]
	}
	return p.replies[start:p.ends[i]]
}

func (f *fastPath) answerPacked(packet, room []byte, slot *Slot) []byte {
	q := &f.query
	packed := slot.packed.Load()
	if packed == nil {
		packed = f.server.pack(q)
		slot.packed.Store(packed)
	}
	if packed.count == 0 || q.LastUpper > 0 { // targets are compared, and compressed, with the letter case
		return nil
	}
	at := 0
	if packed.count > 1 {
		at = int(f.random.Uint64() % uint64(packed.count))
	}
	message := packed.reply(at)
	if len(message) > f.limit() {
		return nil
	}
	f.reply.Begin(room, packet, q, wire.Success)
	f.reply.Packed(message, q)
	return f.done(systemAuth, wire.Success, false)
}

// pack has the handler answer the question of q, in full.
func (s *Server) pack(q *wire.Query) *packedAnswer {
	msg := new(dns.Msg).SetQuestion(string(q.Name), q.Type)
	r := &request{msg: msg, q: msg.Question[0], name: msg.Question[0].Name, tcp: true}
	p := &packedAnswer{}
	m, err := s.answer(s.impatient, r)
	if err != nil || m.Rcode != dns.RcodeSuccess || r.stale {
		return p
	}
	s.metrics.shared.misses.Add(^uint64(0)) // this was no query
	complete(m)
	for range min(len(m.Answer), packedOrders) {
		shuffle(m.Answer)
		message, err := fit(m, maxTCPSize)
		if err != nil || m.Truncated || len(message) > maxUDPSize {
			return &packedAnswer{}
		}
		p.add(message)
	}
	p.replies = slices.Clip(p.replies)
	return p
}
