package skydns

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// reply returns an empty reply to a request.
func (r *request) reply(rcode int) *dns.Msg {
	m := new(dns.Msg)
	m.Id = binary.BigEndian.Uint16(r.raw)
	m.Response = true
	m.Opcode = r.opcode()
	m.Rcode = rcode
	if m.Opcode == dns.OpcodeQuery { // these bits have other meanings elsewhere
		m.RecursionDesired, m.CheckingDisabled = r.raw[2]&1 != 0, r.raw[3]&0x10 != 0
	}
	if r.question.Name != "" {
		m.Question = []dns.Question{r.question}
	}
	if r.opt != nil {
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		opt.SetUDPSize(ednsSize)
		if r.opt.do {
			opt.SetDo()
		}
		m.Extra = []dns.RR{opt}
	}
	return m
}

// authoritative returns an empty reply for data of the zone.
func (r *request) authoritative(rcode int) *dns.Msg {
	m := r.reply(rcode)
	m.Authoritative, m.RecursionAvailable = true, true
	return m
}

// failure returns SERVFAIL about a name of the zone.
func (r *request) failure() *dns.Msg { return r.reply(dns.RcodeServerFailure) }

// forwardFailure returns SERVFAIL for a name that no upstream replied to.
func (r *request) forwardFailure() *dns.Msg {
	m := r.failure()
	m.RecursionAvailable = true
	return m
}

// notReady returns SERVFAIL because there is no data yet (RFC 8914 section 4.15).
func (r *request) notReady() *dns.Msg {
	m := r.failure()
	explain(m, dns.ExtendedErrorCodeNotReady, "waiting for the first list of services")
	return m
}

// explain adds an Extended DNS Error where the client supports EDNS (RFC 8914).
func explain(m *dns.Msg, code uint16, text string) {
	if opt := m.IsEdns0(); opt != nil {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: text})
	}
}

// record converts a record to a record of the library. srvRecord makes SRV records.
func record(rec backend.Record, owner string) dns.RR {
	h := header(owner, rec.Type, rec.TTL)
	switch rec.Type {
	case backend.TypeCNAME:
		return &dns.CNAME{Hdr: h, Target: rec.Host}
	case backend.TypeNS:
		return &dns.NS{Hdr: h, Ns: rec.Host}
	case backend.TypePTR:
		return &dns.PTR{Hdr: h, Ptr: rec.Host}
	case backend.TypeTXT:
		return &dns.TXT{Hdr: h, Txt: []string{rec.Text}}
	}
	return addressRecord(rec.Addr, owner, rec.TTL)
}

func addressRecord(addr netip.Addr, owner string, ttl uint32) dns.RR {
	if addr.Is4() {
		return &dns.A{Hdr: header(owner, dns.TypeA, ttl), A: net.IP(addr.AsSlice())}
	}
	return &dns.AAAA{Hdr: header(owner, dns.TypeAAAA, ttl), AAAA: net.IP(addr.AsSlice())}
}

func header(owner string, rrtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// complete finishes a reply. It removes duplicates from the answer section, sets one TTL, shuffles
// it, and adds OPT as the last record.
func complete(m *dns.Msg) {
	if len(m.Answer) > 1 {
		lowestTTL(m.Answer)
		m.Answer = withoutCopies(m.Answer)
		shuffle(m.Answer)
	}
	if len(m.Extra) > 1 && m.Extra[0].Header().Rrtype == dns.TypeOPT {
		m.Extra = append(m.Extra[1:], m.Extra[0])
	}
}

// fewRecords is the maximum length of a list to compare record by record, which allocates nothing.
const fewRecords = 8

// withoutCopies keeps the first of equal records.
func withoutCopies(rrs []dns.RR) []dns.RR {
	if len(rrs) > fewRecords {
		return dns.Dedup(rrs, nil)
	}
	return appendNew(rrs[:0], rrs)
}

// appendNew appends the records that are missing in rrs.
func appendNew(rrs, more []dns.RR) []dns.RR {
	for _, rr := range more {
		if !slices.ContainsFunc(rrs, func(old dns.RR) bool { return dns.IsDuplicate(old, rr) }) {
			rrs = append(rrs, rr)
		}
	}
	return rrs
}

// unpackable returns the first record of a message that cannot be packed, as text, or "".
func unpackable(m *dns.Msg) string {
	buf := make([]byte, maxTCPSize)
	for _, rr := range slices.Concat(m.Answer, m.Ns, m.Extra) {
		if _, err := dns.PackRR(rr, buf, 0, nil, false); err != nil {
			return strings.ReplaceAll(rr.String(), "\t", " ")
		}
	}
	return ""
}

// lowestTTL sets the TTL of all records to the smallest one: a cache keeps the answer section as
// long as its shortest part.
func lowestTTL(rrs []dns.RR) {
	ttl := rrs[0].Header().Ttl
	for _, rr := range rrs {
		ttl = min(ttl, rr.Header().Ttl)
	}
	for _, rr := range rrs {
		rr.Header().Ttl = ttl
	}
}

// shuffle spreads clients over the records. CNAMEs remain first, in the order in which they are
// followed.
func shuffle(rrs []dns.RR) {
	for len(rrs) > 0 && rrs[0].Header().Rrtype == dns.TypeCNAME {
		rrs = rrs[1:]
	}
	rand.Shuffle(len(rrs), func(i, j int) { rrs[i], rrs[j] = rrs[j], rrs[i] })
}

// staleTTL is the maximum TTL of records from old data, in seconds.
const staleTTL = 5

// markStale limits the TTLs of a reply from old data and explains it (RFC 8914 section 4.4).
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
	if m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError {
		explain(m, dns.ExtendedErrorCodeStaleAnswer, "waiting for the API server")
	}
}

// fit packs a message into limit bytes. If it is too large, fit drops the additional section, which
// is optional, so TC remains clear. If it is still too large, fit truncates it, with as many
// answers as fit.
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
	m.Truncate(limit)
	return m.Pack()
}

// fitForwarded returns an upstream's reply unchanged if it fits into limit bytes. Otherwise it sets
// TC, and keeps OPT and as many complete records as fit.
func fitForwarded(reply []byte, limit int) []byte {
	if len(reply) <= limit {
		return reply
	}
	m := new(dns.Msg)
	if m.Unpack(reply) == nil {
		m.Truncate(limit)
		if packed, err := m.Pack(); err == nil && len(packed) <= limit {
			return packed
		}
	}
	// The library cannot read it: send only the header and the question.
	end, questions := wire.SkipName(reply, headerSize)+4, uint16(1)
	if end < headerSize+4 || end > len(reply) {
		end, questions = headerSize, 0
	}
	short := bytes.Clone(reply[:end])
	short[2] |= 2
	clear(short[4:headerSize])
	binary.BigEndian.PutUint16(short[4:], questions)
	return short
}
