package skydns

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// searchTimeout is how long the server searches. After that the client goes on.
const searchTimeout = 2 * time.Second

// A searcher goes through the search list of a pod in the pod's place.
type searcher struct{ *zone }

// search replies to a question for a name that does not exist with the first name of the
// rest of the search list that does. It returns nil where the client has to go on: there is
// none, or a candidate is not clear. With wait false the error is backend.ErrWouldWait where
// other servers must be asked.
func (z searcher) search(ctx context.Context, r *request, wait bool) (*dns.Msg, error) {
	asked, namespace, ok := z.autopath.first(r.name, r.question.Qtype)
	if !ok || z.isService(ctx, asked, namespace) {
		return nil, nil
	}
	if wait {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, searchTimeout)
		defer cancel()
	}
	ttl := uint32(negativeTTL)
	for _, name := range z.autopath.candidates(asked) {
		if denial, denied := z.denied(ctx, name); denied {
			ttl = min(ttl, denial)
			continue
		}
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
func (z searcher) isService(ctx context.Context, asked, namespace string) bool {
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
func (z searcher) try(ctx context.Context, wait bool, name string, qtype uint16) (finding, chain, error) {
	c, err := z.follow(ctx, false, name, qtype)
	if err == nil && hasAddress(c, qtype) {
		return exists, c, nil
	}
	otherType := dns.TypeA + dns.TypeAAAA - qtype
	other, otherErr := z.follow(ctx, false, name, otherType)
	if err = cmp.Or(err, otherErr); wait && errors.Is(err, backend.ErrWouldWait) {
		c, other, err = z.tryBoth(ctx, name, qtype)
	}
	switch {
	case hasAddress(c, qtype): // also while the other family fails
		return exists, c, nil
	case err != nil, c.rcode == dns.RcodeServerFailure, other.rcode == dns.RcodeServerFailure:
		return unclear, c, err
	case hasAddress(other, otherType):
		c.rcode = dns.RcodeSuccess
		return exists, c, nil
	case isAbsent(c) && isAbsent(other):
		c.soa = append(c.soa, other.soa...)
		return absent, c, nil
	}
	return unclear, c, nil
}

// denied reports whether a candidate certainly does not exist, and for how many seconds: the
// zone has no such name, or the cache has denials for both families.
func (z searcher) denied(ctx context.Context, name string) (ttl uint32, ok bool) {
	if z.outside(name) {
		return z.forwarder.Denied(name)
	}
	_, err := z.backend.Records(ctx, backend.Query{Name: name, Type: dns.TypeA, Limit: 1, NoWait: true})
	return negativeTTL, errors.Is(err, backend.ErrNotFound)
}

// tryBoth looks both families of a candidate up, that of qtype first. Clients ask for both
// families at the same time, and their searches share the look-ups.
func (z searcher) tryBoth(ctx context.Context, name string, qtype uint16) (own, other chain, err error) {
	both, err, _ := z.autopath.tries.Do(name, func() (any, error) {
		return z.families(ctx, true, name)
	})
	chains := both.([2]chain)
	own, other = chains[0].clone(), chains[1].clone()
	if qtype == dns.TypeAAAA {
		own, other = other, own
	}
	return own, other, err
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
