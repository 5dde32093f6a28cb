package skydns

import (
	"encoding/binary"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/miekg/dns"
)

// finish completes a reply, packs it for the client's size, and counts it.
func (s *Server) finish(r *request, m *dns.Msg, sys system, start time.Time) []byte {
	complete(m)
	shuffle(m.Answer)
	s.keepFromCaches(r, m)
	// The OPT was put in first; RFC 6891 lets it stand anywhere, and people
	// expect it last.
	if len(m.Extra) > 1 && m.Extra[0].Header().Rrtype == dns.TypeOPT {
		m.Extra = append(m.Extra[1:], m.Extra[0])
	}
	if r.stale {
		markStale(m)
		s.metrics.stale.Inc()
	}
	packed, err := fit(m, r.limit())
	if err != nil {
		if s.packLog.allow(time.Now()) { // clients choose how often
			s.log.Warn("cannot pack a reply", "name", r.q.Name, "err", err)
		}
		m = s.failure(r)
		packed, _ = fit(m, minUDPSize)
	}
	s.metrics.answered(m, r, sys, len(packed), time.Since(start))
	return packed
}

// complete makes an answer section what it has to be: no record twice, one TTL
// for all.
func complete(m *dns.Msg) {
	if len(m.Answer) > 1 {
		m.Answer = dns.Dedup(m.Answer, nil)
		lowestTTL(m.Answer)
	}
}

// staleTTL is the longest that answers from old data are kept by others.
const staleTTL = 5

// markStale makes a reply from old data short-lived, and says what it is (RFC
// 8914 section 4.4).
func markStale(m *dns.Msg) {
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if h := rr.Header(); h.Rrtype != dns.TypeOPT {
				h.Ttl = min(h.Ttl, staleTTL)
			}
			if soa, ok := rr.(*dns.SOA); ok {
				soa.Minttl = min(soa.Minttl, staleTTL)
			}
		}
	}
	if opt := m.IsEdns0(); opt != nil && (m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError) {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeStaleAnswer, ExtraText: "waiting for the API server"})
	}
}

// lowestTTL gives all records the smallest TTL among them: a cache keeps the
// answer as long as its shortest part.
func lowestTTL(rrs []dns.RR) {
	ttl := rrs[0].Header().Ttl
	for _, rr := range rrs {
		ttl = min(ttl, rr.Header().Ttl)
	}
	for _, rr := range rrs {
		rr.Header().Ttl = ttl
	}
}

// shuffle spreads clients over the records. The CNAMEs in front stay there,
// in the order in which they lead on.
func shuffle(rrs []dns.RR) {
	for len(rrs) > 0 && rrs[0].Header().Rrtype == dns.TypeCNAME {
		rrs = rrs[1:]
	}
	rand.Shuffle(len(rrs), func(i, j int) { rrs[i], rrs[j] = rrs[j], rrs[i] })
}

// fit packs a message into limit bytes: whole, else without the additional
// section (which is only a courtesy, so TC stays clear), else truncated, with
// as many answers as there is room for.
func fit(m *dns.Msg, limit int) ([]byte, error) {
	m.Compress = true
	packed, err := m.Pack()
	if err != nil || len(packed) <= limit {
		return packed, err
	}
	opt := m.IsEdns0()
	m.Extra = nil
	if opt != nil {
		m.Extra = []dns.RR{opt}
	}
	if packed, err = m.Pack(); err != nil || len(packed) <= limit {
		return packed, err
	}
	m.Truncated = true
	answers, ends := m.Answer, answerEnds(packed, len(m.Answer))
	rest := len(packed) - ends[len(ends)-1]
	n := sort.SearchInts(ends, limit-rest+1) - 1
	for {
		m.Answer = answers[:max(0, n)]
		if packed, err = m.Pack(); err != nil || len(packed) <= limit || n <= 0 {
			return packed, err
		}
		n-- // the rest had pointers into what was cut off
	}
}

// answerEnds returns the offsets at which the question section and each of n
// records of the answer section end.
func answerEnds(packed []byte, n int) []int {
	off := skipName(packed, headerSize) + 4
	ends := make([]int, 0, n+1)
	for ends = append(ends, off); n > 0; n-- {
		off = skipName(packed, off) + 10
		off += int(binary.BigEndian.Uint16(packed[off-2:]))
		ends = append(ends, off)
	}
	return ends
}

// skipName returns the offset at which a name ends.
func skipName(packed []byte, off int) int {
	for packed[off] != 0 {
		if packed[off] >= 0xc0 {
			return off + 2
		}
		off += 1 + int(packed[off])
	}
	return off + 1
}
