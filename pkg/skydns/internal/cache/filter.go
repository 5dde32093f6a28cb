package cache

import (
	"math"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxTTL and maxNegativeTTL limit the time that a reply is fresh (RFC 2308 section 5).
	maxTTL         = 24 * time.Hour
	maxNegativeTTL = time.Hour
	maxChain       = 16
)

// filter removes records that do not answer the reply's question, and returns the validity of the
// rest; 0: the reply must not be stored.
func filter(m *dns.Msg) time.Duration {
	if len(m.Question) != 1 || !m.Response || m.Truncated ||
		m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return 0
	}
	q, positive := m.Question[0], false
	names, last := chain(m.Answer, q)
	m.Answer = slices.DeleteFunc(m.Answer, func(rr dns.RR) bool { return !answers(rr, q.Qtype, names) })
	ttl := uint32(math.MaxInt32)
	for _, rr := range m.Answer {
		positive = positive || rr.Header().Rrtype == q.Qtype
		ttl = min(ttl, validTTL(rr))
	}
	m.Extra = nil
	m.Ns = slices.DeleteFunc(m.Ns, func(rr dns.RR) bool { return !proves(rr, positive) })
	if !positive {
		soa := startOfAuthority(m.Ns, last)
		if soa == nil {
			return 0 // RFC 2308 section 5
		}
		// The TTL of the SOA is the time that the client may keep the reply.
		soa.Hdr.Ttl = min(validTTL(soa), soa.Minttl, uint32(maxNegativeTTL/time.Second))
	}
	for _, rr := range m.Ns {
		ttl = min(ttl, validTTL(rr)) // RFC 4035 section 4.5
	}
	return min(time.Duration(ttl)*time.Second, maxTTL)
}

// validTTL returns a record's TTL, or 0 if its highest bit is set (RFC 2181 section 8).
func validTTL(rr dns.RR) uint32 {
	if ttl := rr.Header().Ttl; ttl <= math.MaxInt32 {
		return ttl
	}
	return 0
}

// chain returns the question's name and the targets of its aliases, and the last of these names.
func chain(rrs []dns.RR, q dns.Question) (names []string, last string) {
	last = dns.CanonicalName(q.Name)
	names = []string{last}
	for q.Qtype != dns.TypeCNAME && len(names) < maxChain {
		at := slices.IndexFunc(rrs, func(rr dns.RR) bool {
			return rr.Header().Rrtype == dns.TypeCNAME && dns.CanonicalName(rr.Header().Name) == last
		})
		if at < 0 {
			break
		}
		if last = dns.CanonicalName(rrs[at].(*dns.CNAME).Target); slices.Contains(names, last) {
			break
		}
		names = append(names, last)
	}
	return names, last
}

// answers reports whether a record of the answer section belongs to the question.
func answers(rr dns.RR, qtype uint16, names []string) bool {
	owner, rrtype := dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype
	if sig, ok := rr.(*dns.RRSIG); ok {
		rrtype = sig.TypeCovered
	}
	if rrtype == dns.TypeDNAME {
		return slices.ContainsFunc(names, func(name string) bool { return dns.IsSubDomain(owner, name) })
	}
	return (rrtype == qtype || rrtype == dns.TypeCNAME) && rr.Header().Class == dns.ClassINET &&
		slices.Contains(names, owner)
}

// proves reports whether a record of the authority section belongs to the answer: the SOA of a
// negative one, and its DNSSEC proof.
func proves(rr dns.RR, positive bool) bool {
	switch rr := rr.(type) {
	case *dns.SOA:
		return !positive
	case *dns.NSEC, *dns.NSEC3:
		return true
	case *dns.RRSIG:
		return rr.TypeCovered == dns.TypeNSEC || rr.TypeCovered == dns.TypeNSEC3 ||
			!positive && rr.TypeCovered == dns.TypeSOA
	}
	return false
}

// startOfAuthority returns the SOA record of a zone that contains name.
func startOfAuthority(rrs []dns.RR, name string) *dns.SOA {
	for _, rr := range rrs {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(dns.CanonicalName(soa.Hdr.Name), name) {
			return soa
		}
	}
	return nil
}
