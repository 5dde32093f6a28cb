package skydns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// Numbers of the zone's SOA and SRV records; all TTLs are in seconds.
const (
	soaTTL      = 3600
	negativeTTL = 60
	srvPriority = 10
)

// answer answers a question about the zone. The error is the context's, when
// it would have to wait longer than that.
func (s *Server) answer(ctx context.Context, r *request) (*dns.Msg, error) {
	m, err := s.answerZone(ctx, r)
	if err == nil { // otherwise the query is answered again, with more time
		s.metrics.shared.misses.Add(1)
	}
	return m, err
}

func (s *Server) answerZone(ctx context.Context, r *request) (*dns.Msg, error) {
	status := s.backend.Status()
	if status == backend.NotReady {
		return s.notReady(r), nil
	}
	r.stale = status == backend.Stale
	if r.q.Qtype == dns.TypeSOA && r.name == s.domain {
		m := r.authoritative()
		soa := s.soa(soaTTL)
		soa.Hdr.Name = r.q.Name // in the letter case of the question
		m.Answer = []dns.RR{soa}
		return m, nil
	}
	if strings.Contains(r.name, "*") {
		// A wildcard may visit every Service there is: later bounds how many run,
		// and none runs in the goroutine that reads packets.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	found, err := s.backend.Records(ctx, backend.Query{Name: r.name, Type: r.q.Qtype, Limit: s.recordLimit(r)})
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return s.negative(r, dns.RcodeNameError), nil
	case errors.Is(err, backend.ErrNotReady):
		return s.notReady(r), nil
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		s.log.Debug("backend", "name", r.q.Name, "err", err)
		return s.failure(r), nil
	}
	return s.assemble(ctx, r, found)
}

// minRecordSize is the size of the smallest answer record: a compressed owner,
// type, class, TTL, length and an IPv4 address.
const minRecordSize = 16

// recordLimit is a number of answer records that certainly fills the reply.
func (s *Server) recordLimit(r *request) int {
	size := minRecordSize
	if r.q.Qtype == backend.TypeSRV {
		size = minSRVSize + len(s.domain)
	}
	return r.limit()/size + 1
}

// minSRVSize is the size of an SRV record without its target, which is not
// compressed.
const minSRVSize = 18

// assemble makes the reply of the records found.
func (s *Server) assemble(ctx context.Context, r *request, found backend.Answer) (*dns.Msg, error) {
	isAlias := len(found.Records) > 0 && found.Records[0].Type == backend.TypeCNAME
	switch qtype := r.q.Qtype; {
	case qtype == backend.TypeSRV:
		return s.answerSRV(ctx, r, found)
	case isAlias && (qtype == backend.TypeA || qtype == backend.TypeAAAA || found.Alias && qtype != backend.TypeCNAME):
		return s.answerAlias(ctx, r, found.Records[0])
	}
	m := r.authoritative()
	for _, rec := range found.Records {
		if rec.Type == r.q.Qtype {
			m.Answer = append(m.Answer, rr(rec, r.q.Name))
		}
	}
	if len(m.Answer) == 0 {
		return s.negative(r, dns.RcodeSuccess), nil
	}
	return m, nil
}

// negative is NXDOMAIN, or NODATA where rcode is success (RFC 2308 section 2).
func (s *Server) negative(r *request, rcode int) *dns.Msg {
	m := r.authoritative()
	m.Rcode = rcode
	m.Ns = []dns.RR{s.soa(negativeTTL)}
	return m
}

func (s *Server) soa(ttl uint32) *dns.SOA {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: s.domain, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns:  "ns.dns." + s.domain, Mbox: "hostmaster." + s.domain,
		// Compat: the hour, so that it never runs backwards over a restart.
		Serial:  uint32(time.Now().Truncate(time.Hour).Unix()),
		Refresh: 28800, Retry: 7200, Expire: 604800, Minttl: negativeTTL,
	}
}

// answerSRV gives each target with the same weight, and their addresses. An
// alias is a target too, without a port.
func (s *Server) answerSRV(ctx context.Context, r *request, found backend.Answer) (*dns.Msg, error) {
	if len(found.Records) == 0 {
		return s.negative(r, dns.RcodeSuccess), nil
	}
	m := r.authoritative()
	weight := weightOf(max(found.Total, len(found.Records)))
	seen := map[string]bool{}
	for _, rec := range found.Records {
		srv := &dns.SRV{Hdr: header(r.q.Name, dns.TypeSRV, rec.TTL), Priority: srvPriority, Weight: weight, Port: rec.Port, Target: rec.Host}
		m.Answer = append(m.Answer, srv)
		if seen[rec.Host] {
			continue
		}
		seen[rec.Host] = true
		if rec.Type != backend.TypeCNAME {
			for _, addr := range rec.Addrs {
				m.Extra = append(m.Extra, addressRR(rec.Host, addr, rec.TTL))
			}
			continue
		}
		// Without its addresses a target is still an answer.
		for _, qtype := range []uint16{backend.TypeA, backend.TypeAAAA} {
			c, err := s.follow(ctx, rec.Host, qtype)
			if err != nil {
				return nil, err
			}
			m.Extra = appendNew(m.Extra, c.rrs)
		}
	}
	return m, nil
}

// weightOf is the weight of each of n SRV records, which share 100.
func weightOf(n int) uint16 {
	if n >= backend.ManyTargets {
		return 0
	}
	return uint16(100 / n)
}

func header(name string, rrtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

func addressRR(owner string, addr netip.Addr, ttl uint32) dns.RR {
	if addr.Is4() {
		return &dns.A{Hdr: header(owner, dns.TypeA, ttl), A: net.IP(addr.AsSlice())}
	}
	return &dns.AAAA{Hdr: header(owner, dns.TypeAAAA, ttl), AAAA: net.IP(addr.AsSlice())}
}

// rr converts a record to one of the library. SRV records are made by
// answerSRV, since their weight depends on the others.
func rr(rec backend.Record, owner string) dns.RR {
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
	return addressRR(owner, rec.Addr, rec.TTL)
}

// answerChaos answers questions about this server (RFC 4892). dnsmasq in front
// of us answers *.bind itself.
func (s *Server) answerChaos(r *request) *dns.Msg {
	var text string
	switch r.name {
	case "version.bind.", "version.server.":
		text = s.version
	case "hostname.bind.", "id.server.":
		text = "localhost"
	}
	if text == "" || r.q.Qtype != dns.TypeTXT {
		return s.failure(r)
	}
	m := r.authoritative()
	m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: r.q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS}, Txt: []string{text}}}
	return m
}
