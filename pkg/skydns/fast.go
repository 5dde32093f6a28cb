package skydns

import (
	"math/rand/v2"
	"net/netip"
	"time"
	"unsafe"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
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
	random  *rand.PCG
	now     time.Time // when the batch was received

	// queries are looked up together, and asked is what the backend is asked about
	// them.
	queries []wire.Query
	asked   []PlainQuestion
	query   *wire.Query // the one that is being answered
	reply   wire.Reply
}

// sideBySide is how many queries of a batch are looked up together.
const sideBySide = 8

// newFastPath returns nil when the backend can not do its part. It looks up as
// many queries together as it is told.
func (s *Server) newFastPath(c *counters, tcp bool, together int) *fastPath {
	backend, ok := s.backend.(PlainBackend)
	if !ok || !s.fast {
		return nil
	}
	soa := s.soa(negativeTTL)
	return &fastPath{
		server: s, backend: backend, tally: tally{counters: c}, tcp: tcp,
		soa:     wire.NewSOA(s.domain, negativeTTL, soa.Refresh, soa.Retry, soa.Expire, soa.Minttl),
		random:  rand.NewPCG(rand.Uint64(), rand.Uint64()),
		queries: make([]wire.Query, together), asked: make([]PlainQuestion, together),
	}
}

// answer returns the reply to a packet, in room if it fits there, or nil when
// the handler has to answer.
func (f *fastPath) answer(packet, room []byte) []byte {
	if !f.read(0, packet) {
		return nil
	}
	f.backend.Plain(f.asked[:1])
	return f.complete(0, packet, room)
}

// answerAll sets the replies to packets of a batch, but where the handler has to
// answer.
func (f *fastPath) answerAll(batch []udpbatch.Packet) {
	var at [sideBySide]*udpbatch.Packet
	for len(batch) > 0 {
		n := 0
		for len(batch) > 0 && n < len(at) {
			if f.read(n, batch[0].Data) {
				at[n] = &batch[0]
				n++
			}
			batch = batch[1:]
		}
		f.backend.Plain(f.asked[:n])
		for i := range f.asked[:n] {
			if plain := &f.asked[i].Plain; plain.Kind == PlainPacked {
				plain.Slot.touch()
			}
		}
		for i, p := range at[:n] {
			p.Reply = f.complete(i, p.Data, p.Room)
		}
	}
}

// read makes a packet the i-th question. It reports false when the handler has
// to answer.
func (f *fastPath) read(i int, packet []byte) bool {
	q := &f.queries[i]
	if !q.Parse(packet) || q.Type == dns.TypeANY || q.Type == dns.TypeSOA || q.Type == dns.TypeNS || q.Type == dns.TypeTXT {
		return false
	}
	name := unsafe.String(&q.Name[0], len(q.Name)) // as long as q is not parsed again
	asked := &f.asked[i]
	asked.Name, asked.Type, asked.Addr = name, q.Type, netip.Addr{}
	if isBelow(name, f.server.domain) {
		return true
	}
	ok := false
	if q.Type == dns.TypePTR {
		asked.Addr, ok = plainReverseAddr(name)
	}
	return ok
}

// complete returns the reply to the i-th question, or nil when the handler has
// to answer.
func (f *fastPath) complete(i int, packet, room []byte) []byte {
	f.query = &f.queries[i]
	switch plain := &f.asked[i].Plain; plain.Kind {
	case PlainAddresses:
		return f.answerAddresses(packet, room, plain)
	case PlainPacked:
		return f.answerPacked(packet, room, plain.Slot)
	case PlainName:
		return f.answerName(packet, room, plain)
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

// begin is called before the first packet of a batch.
func (f *fastPath) begin() { f.now = time.Now() }

// end is called when the replies of a batch are about to be sent.
func (f *fastPath) end() { f.tally.end(time.Since(f.now)) }

func (f *fastPath) answerAddresses(packet, room []byte, plain *Plain) []byte {
	size := 4
	if f.query.Type == dns.TypeAAAA {
		size = 16
	}
	f.reply.Begin(room, packet, f.query, wire.Success)
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
	q := f.query
	name := unsafe.String(&q.Name[0], len(q.Name))
	left := name[:len(name)-len(f.server.domain)]
	if q.LastUpper >= headerSize+len(left) || isBelow(left, "dns.") || isBelow(left, "hostmaster.") {
		return nil
	}
	f.reply.Begin(room, packet, q, rcode)
	f.reply.SOA(f.soa, q, uint32(f.now.Unix()/3600*3600))
	return f.done(systemAuth, int(rcode), false)
}

func (f *fastPath) answerName(packet, room []byte, plain *Plain) []byte {
	f.reply.Begin(room, packet, f.query, wire.Success)
	f.reply.NotAuthoritative()
	f.reply.Answers(1)
	f.reply.Name(dns.TypePTR, plain.TTL, plain.Label, plain.Host)
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

// A packedAnswer is the answer to one question, as the handler packs it, in some
// orders of its records. It is one piece of memory, of which this is the
// beginning: what each reply has behind the question follows, one after the
// other. Whoever answers most often has to wait for that memory.
type packedAnswer struct {
	ends   [packedOrders]uint16 // of each order, from the end of this
	count  uint16               // of orders; 0: the answer is too large to be kept
	counts [6]byte              // the sizes of the sections in the header of a reply
}

// touch asks memory for the answer in the slot, if there is one, and does not wait
// for it. It returns nothing of use.
//
//go:noinline
func (s *Slot) touch() int {
	if p := s.packed.Load(); p != nil {
		return int(p.count)
	}
	return 0
}

// packedOrders is how many orders are kept of an answer with many records.
const packedOrders = 3

// pack makes one piece of replies to the same question, which ends at a place.
func pack(replies [][]byte, questionEnd int) *packedAnswer {
	var p packedAnswer
	var end int
	for i, reply := range replies {
		end += len(reply) - questionEnd
		p.ends[i] = uint16(end)
		copy(p.counts[:], reply[6:headerSize])
	}
	p.count = uint16(len(replies))
	piece := make([]byte, 0, int(unsafe.Sizeof(p))+end)
	piece = append(piece, unsafe.Slice((*byte)(unsafe.Pointer(&p)), unsafe.Sizeof(p))...)
	for _, reply := range replies {
		piece = append(piece, reply[questionEnd:]...)
	}
	return (*packedAnswer)(unsafe.Pointer(&piece[0]))
}

// sections is what the reply of one order has behind the question.
func (p *packedAnswer) sections(order int) []byte {
	start := 0
	if order > 0 {
		start = int(p.ends[order-1])
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(p), unsafe.Sizeof(*p))), p.ends[p.count-1])[start:p.ends[order]]
}

func (f *fastPath) answerPacked(packet, room []byte, slot *Slot) []byte {
	q := f.query
	packed := slot.packed.Load()
	if packed == nil {
		packed = f.server.packed(q)
		slot.packed.Store(packed)
	}
	if packed.count == 0 || q.LastUpper > 0 { // targets are compared, and compressed, with the letter case
		return nil
	}
	order := 0
	if packed.count > 1 {
		order = int(f.random.Uint64() % uint64(packed.count))
	}
	sections := packed.sections(order)
	if q.End+len(sections) > f.limit() {
		return nil
	}
	f.reply.Begin(room, packet, q, wire.Success)
	f.reply.Sections(packed.counts, sections)
	return f.done(systemAuth, wire.Success, false)
}

// packed has the handler answer the question of q, in full.
func (s *Server) packed(q *wire.Query) *packedAnswer {
	msg := new(dns.Msg).SetQuestion(string(q.Name), q.Type)
	r := &request{msg: msg, q: msg.Question[0], name: msg.Question[0].Name, tcp: true}
	m, err := s.answer(s.impatient, r)
	if err != nil || m.Rcode != dns.RcodeSuccess || r.stale {
		return &packedAnswer{}
	}
	s.metrics.shared.misses.Add(^uint64(0)) // this was no query
	complete(m)
	var replies [][]byte
	for range min(len(m.Answer), packedOrders) {
		shuffle(m.Answer)
		reply, err := fit(m, maxTCPSize)
		if err != nil || m.Truncated || len(reply) > maxUDPSize {
			return &packedAnswer{}
		}
		replies = append(replies, reply)
	}
	return pack(replies, q.End)
}
