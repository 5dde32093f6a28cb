package skydns

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// answer answers a question about the zone. If wait is false it does not block: it returns
// backend.ErrWouldWait if the answer is not in memory. Otherwise the error is ctx's.
func (z *zone) answer(ctx context.Context, r *request, wait bool) (*dns.Msg, error) {
	status := z.backend.Status()
	if status == backend.NotReady {
		return r.notReady(), nil
	}
	r.stale = status == backend.Stale
	if r.question.Qtype == dns.TypeSOA && r.name == z.domain {
		m := r.authoritative(dns.RcodeSuccess)
		soa := z.soa(soaTTL)
		soa.Hdr.Name = r.question.Name // in the letter case of the question
		m.Answer = []dns.RR{soa}
		return m, nil
	}
	if isWildcard(r.name) && !wait {
		// Wildcard queries are limited in number, and never run in the goroutine that reads
		// packets.
		return nil, backend.ErrWouldWait
	}
	q := backend.Query{Name: r.name, Type: r.question.Qtype, Limit: z.recordLimit(r), NoWait: !wait}
	found, err := z.backend.Records(ctx, q)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		if search := newSearch(ctx, z, r); search != nil {
			r.lookUp = search.lookUp
			if m, err := search.run(ctx); m != nil || err != nil {
				return m, err
			}
		}
		return z.negative(r, dns.RcodeNameError), nil
	case errors.Is(err, backend.ErrNotReady):
		return r.notReady(), nil
	case errors.Is(err, backend.ErrWouldWait) || err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		z.log.Debug("cannot read records", "name", r.question.Name, "err", err)
		return r.failure(), nil
	}
	return z.assemble(ctx, r, wait, found)
}

// isWildcard reports whether a query for name can visit every Service.
func isWildcard(name string) bool { return strings.Contains(name, "*") }

// recordLimit returns a number of answer records that is sure to fill the reply.
func (z *zone) recordLimit(r *request) int {
	size := minRecordSize
	if r.question.Qtype == backend.TypeSRV {
		size = minSRVSize + len(z.domain)
	}
	return r.limit()/size + 1
}

// assemble builds a reply from the records found.
func (z *zone) assemble(ctx context.Context, r *request, wait bool, found backend.Answer) (*dns.Msg, error) {
	isAlias := len(found.Records) > 0 && found.Records[0].Type == backend.TypeCNAME
	switch qtype := r.question.Qtype; {
	case len(found.Records) == 0:
		return z.negative(r, dns.RcodeSuccess), nil
	case qtype == backend.TypeSRV:
		return z.answerSRV(ctx, r, wait, found)
	case isAlias && (qtype == backend.TypeA || qtype == backend.TypeAAAA || found.Alias && qtype != backend.TypeCNAME):
		return z.answerAlias(ctx, r, wait, found.Records[0])
	}
	m := r.authoritative(dns.RcodeSuccess)
	for _, rec := range found.Records {
		if rec.Type == r.question.Qtype {
			m.Answer = append(m.Answer, record(rec, r.question.Name))
		}
	}
	if len(m.Answer) == 0 {
		return z.negative(r, dns.RcodeSuccess), nil
	}
	return m, nil
}

// negative returns NXDOMAIN, or NODATA if rcode is NOERROR (RFC 2308 section 2).
func (z *zone) negative(r *request, rcode int) *dns.Msg {
	m := r.authoritative(rcode)
	m.Ns = []dns.RR{z.soa(negativeTTL)}
	return m
}

// answerAlias replies with the CNAME and the part of its chain that was found.
func (z *zone) answerAlias(ctx context.Context, r *request, wait bool, alias backend.Record) (*dns.Msg, error) {
	c, err := z.follow(ctx, wait, alias.Host, r.question.Qtype, r.name)
	if err != nil {
		return nil, err
	}
	m := r.authoritative(c.rcode)
	m.Answer = append([]dns.RR{record(alias, r.question.Name)}, c.rrs...)
	m.Ns = c.soa
	return m, nil
}

// answerSRV returns SRV records of equal weight, and adds the addresses of their targets. An alias
// is a target without a port.
func (z *zone) answerSRV(ctx context.Context, r *request, wait bool, found backend.Answer) (*dns.Msg, error) {
	m := r.authoritative(dns.RcodeSuccess)
	weight := weightOf(max(found.Total, len(found.Records)))
	seen := map[string]bool{}
	for _, rec := range found.Records {
		m.Answer = append(m.Answer, &dns.SRV{
			Hdr:      header(r.question.Name, dns.TypeSRV, rec.TTL),
			Priority: srvPriority, Weight: weight, Port: rec.Port, Target: rec.Host,
		})
		if seen[rec.Host] {
			continue
		}
		seen[rec.Host] = true
		if rec.Type != backend.TypeCNAME {
			for _, addr := range rec.Addrs {
				m.Extra = append(m.Extra, addressRecord(addr, rec.Host, rec.TTL))
			}
			continue
		}
		addrs, err := z.followBoth(ctx, wait, rec.Host)
		if err != nil {
			return nil, err
		}
		m.Extra = appendNew(m.Extra, addrs)
	}
	return m, nil
}

// srvPriority is the priority of all SRV records.
const srvPriority = 10

// weightOf returns the weight of each of n SRV records, which share 100.
func weightOf(n int) uint16 {
	if n >= backend.ManyTargets {
		return 0
	}
	return uint16(100 / n)
}

// answerReverse answers a question for a reverse name, or returns nil if the name must be
// forwarded. A name in the data exists for every type (RFC 8020), because a resolver that minimises
// names (RFC 9156) queries other types first.
func (z *zone) answerReverse(r *request) *dns.Msg {
	status := z.backend.Status()
	if status == backend.NotReady {
		return r.notReady()
	}
	r.stale = status == backend.Stale
	rs, err := z.reverseRecords(r.name, r.question.Qtype)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return nil
	case errors.Is(err, backend.ErrNotReady):
		return r.notReady()
	case err != nil:
		return r.failure()
	}
	m := r.reply(dns.RcodeSuccess)
	// Compat: the data is only a part of the reverse zone, so AA remains clear.
	m.RecursionAvailable = true
	for _, rec := range rs {
		m.Answer = append(m.Answer, record(rec, r.question.Name))
	}
	return m
}

// reverseRecords returns the PTR records at a reverse name. For the queries of a resolver that
// minimises names (RFC 9156) it returns no records and no error (NODATA). For all other queries it
// returns backend.ErrNotFound: as in upstream kube-dns, they are forwarded.
func (z *zone) reverseRecords(name string, qtype uint16) ([]backend.Record, error) {
	prefix, isPrefix := reversePrefix(name)
	addr, isAddr := reverseAddr(name)
	switch {
	case isPrefix && qtype != dns.TypePTR:
		return nil, z.backend.ReverseBelow(prefix)
	case isAddr && qtype == dns.TypePTR:
		return z.backend.ReverseRecords(addr)
	case isAddr && minimises(qtype, addr):
		_, err := z.backend.ReverseRecords(addr)
		return nil, err
	}
	return nil, backend.ErrNotFound
}

// minimises reports whether resolvers query a type to test whether an address has a name. Compat: A
// below ip6.arpa is forwarded.
func minimises(qtype uint16, addr netip.Addr) bool {
	return qtype == dns.TypeNS || qtype == dns.TypeAAAA || qtype == dns.TypeA && addr.Is4()
}

// answerChaos answers questions about this server (RFC 4892). dnsmasq in the same pod
// answers *.bind itself.
func (z *zone) answerChaos(r *request) *dns.Msg {
	text := map[string]string{
		"version.bind.": z.version, "version.server.": z.version, "hostname.bind.": "localhost", "id.server.": "localhost",
	}[r.name]
	if text == "" || r.question.Qtype != dns.TypeTXT {
		return r.failure()
	}
	m := r.authoritative(dns.RcodeSuccess)
	txt := &dns.TXT{Hdr: header(r.question.Name, dns.TypeTXT, 0), Txt: []string{text}}
	txt.Hdr.Class = dns.ClassCHAOS
	m.Answer = []dns.RR{txt}
	return m
}
