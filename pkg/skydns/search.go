package skydns

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// searchTimeout is how long the server searches. After that the client goes on.
const searchTimeout = 2 * time.Second

// search replies to a question for a name that does not exist with the first name of the
// rest of the search list that does. It returns nil where the client has to go on: there is
// none, or a candidate is not clear. With wait false the error is backend.ErrWouldWait where
// other servers must be asked.
func (z *zone) search(ctx context.Context, r *request, wait bool) (*dns.Msg, error) {
	asked, namespace, ok := z.autopath.first(r.name, r.question.Qtype)
	if !ok || z.isService(ctx, asked, namespace) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	ttl := uint32(negativeTTL)
	for _, name := range z.autopath.candidates(asked) {
		found, c, err := z.try(ctx, wait, name, r.question.Qtype)
		switch {
		case errors.Is(err, backend.ErrWouldWait):
			return nil, err
		case err != nil || found == unclear:
			return nil, nil
		}
		ttl = min(ttl, negativeTTLOf(c.soa, ttl))
		if found == absent {
			continue
		}
		m := r.authoritative(dns.RcodeSuccess)
		cname := &dns.CNAME{Hdr: header(r.question.Name, dns.TypeCNAME, ttl), Target: name}
		m.Answer = append([]dns.RR{cname}, c.rrs...)
		for _, rr := range c.soa {
			rr.Header().Ttl = ttl
			m.Ns = append(m.Ns, rr)
		}
		return m, nil
	}
	return nil, nil
}

// isService reports whether a name may be one of a Service in the pod's namespace, such as
// that of a member that is not ready: its first or last label is the name of a Service.
func (z *zone) isService(ctx context.Context, asked, namespace string) bool {
	first, _, _ := strings.Cut(asked, ".")
	last := asked[strings.LastIndexByte(asked, '.')+1:]
	for _, label := range []string{first, last} {
		q := backend.Query{Name: label + "." + namespace + z.autopath.below, Type: dns.TypeTXT, Limit: 1, NoWait: true}
		if _, err := z.backend.Records(ctx, q); !errors.Is(err, backend.ErrNotFound) {
			return true // or that is not clear
		}
	}
	return false
}

// A finding is what is known of a candidate.
type finding int

const (
	unclear finding = iota // a failure, or a name without addresses: clients differ there
	absent
	exists
)

// try looks a candidate up. It exists if it has addresses of one family: the reply for the
// other one is NODATA then, also where an upstream sends NXDOMAIN.
func (z *zone) try(ctx context.Context, wait bool, name string, qtype uint16) (finding, chain, error) {
	c, err := z.follow(ctx, false, name, qtype)
	if err == nil && hasAddress(c, qtype) {
		return exists, c, nil
	}
	family, other := 0, 1
	if qtype == dns.TypeAAAA {
		family, other = 1, 0
	}
	chains, err := z.families(ctx, wait, name)
	if err != nil {
		return unclear, c, err
	}
	c = chains[family]
	otherType := dns.TypeA + dns.TypeAAAA - qtype
	switch {
	case c.rcode == dns.RcodeServerFailure || chains[other].rcode == dns.RcodeServerFailure:
		return unclear, c, nil
	case hasAddress(c, qtype):
		return exists, c, nil
	case hasAddress(chains[other], otherType) && len(c.soa) > 0:
		c.rcode = dns.RcodeSuccess
		return exists, c, nil
	case isAbsent(c) && isAbsent(chains[other]):
		c.soa = append(c.soa, chains[other].soa...)
		return absent, c, nil
	}
	return unclear, c, nil
}

func isAbsent(c chain) bool { return c.rcode == dns.RcodeNameError && len(c.rrs) == 0 }

func hasAddress(c chain, qtype uint16) bool {
	n := len(c.rrs)
	return c.rcode == dns.RcodeSuccess && n > 0 && c.rrs[n-1].Header().Rrtype == qtype
}

// negativeTTLOf is how long a denial with these SOA records is valid, at most limit.
func negativeTTLOf(rrs []dns.RR, limit uint32) uint32 {
	for _, rr := range rrs {
		if soa, ok := rr.(*dns.SOA); ok {
			limit = min(limit, soa.Hdr.Ttl, soa.Minttl)
		}
	}
	return limit
}
