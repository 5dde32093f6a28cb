package skydns

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// searchTimeout is how long the server searches. After that the client goes on.
const searchTimeout = 2 * time.Second

// A search goes through the search list of a pod in the pod's place.
type search struct {
	*zone
	r     *request
	names []string // the candidates that are left
	ttl   uint32   // of the reply
	// types are those of the two families, that of the question first. chains are those of
	// the first candidate, as far as their names are the zone's.
	types  [2]uint16
	chains [2]chain
}

// newSearch begins a search for a question for a name that does not exist. It returns nil for
// names that are not searched.
func newSearch(ctx context.Context, z *zone, r *request) *search {
	asked, namespace, ok := z.autopath.first(r.name, r.question.Qtype)
	if !ok {
		return nil
	}
	qtype := r.question.Qtype
	s := &search{zone: z, r: r, ttl: negativeTTL, types: [2]uint16{qtype, dns.TypeA + dns.TypeAAAA - qtype}}
	if !s.hasServices(ctx, namespace) || s.isService(ctx, asked, namespace) {
		return nil
	}
	s.names = z.autopath.candidates(asked)
	return s
}

// run goes on with what is in memory. It replies with the first candidate that exists, and
// returns nil where the client has to go on: there is none, or one is not clear. The error is
// backend.ErrWouldWait where other servers must be asked for the first candidate that is left.
func (s *search) run(ctx context.Context) (*dns.Msg, error) {
	for len(s.names) > 0 {
		if denial, denied := s.denied(ctx, s.names[0]); denied {
			s.names, s.ttl = s.names[1:], min(s.ttl, denial)
			continue
		}
		for i, qtype := range s.types {
			var err error
			if s.chains[i], err = s.followInside(ctx, false, s.names[0], qtype); err != nil {
				return nil, nil // the backend waits when the client asks for the candidate
			}
		}
		own, ok := s.endCached(s.chains[0], s.types[0])
		other := s.chains[1]
		if ok && !hasAddress(own, s.types[0]) {
			other, ok = s.endCached(other, s.types[1])
		}
		if !ok {
			return nil, backend.ErrWouldWait
		}
		if m, over := s.decide(own, other); over {
			return m, nil
		}
	}
	return nil, nil
}

// decide decides by the two families of the first candidate. It exists if it has addresses of
// one family: the reply for the other one is NODATA then, also where an upstream sends
// NXDOMAIN. over reports that the search is over; without a reply the client has to go on.
func (s *search) decide(own, other chain) (m *dns.Msg, over bool) {
	switch {
	case hasAddress(own, s.types[0]): // also while the other family fails
	case own.rcode == dns.RcodeServerFailure && hasAddress(other, s.types[1]):
		return s.r.failure(), true // it exists, so NXDOMAIN would hide the addresses from caches
	case own.rcode == dns.RcodeServerFailure || other.rcode == dns.RcodeServerFailure:
		return nil, true
	case hasAddress(other, s.types[1]):
	case isAbsent(own) && isAbsent(other):
		s.names, s.ttl = s.names[1:], negativeTTLOf(other.soa, negativeTTLOf(own.soa, s.ttl))
		return nil, false
	default: // a name without addresses: clients differ there
		return nil, true
	}
	ttl := negativeTTLOf(own.soa, s.ttl)
	m = s.r.authoritative(dns.RcodeSuccess)
	cname := &dns.CNAME{Hdr: header(s.r.question.Name, dns.TypeCNAME, ttl), Target: s.names[0]}
	m.Answer = append([]dns.RR{cname}, own.rrs...)
	for _, rr := range own.soa {
		rr.Header().Ttl = ttl
		m.Ns = append(m.Ns, rr)
	}
	return m, true
}

// lookUp looks both families of the first candidate up at other servers. Then it calls goOn
// once, in any goroutine, with the step that follows, which is like run. Equal queries are sent
// once, so clients that ask for both families at the same time share them.
func (s *search) lookUp(until time.Time, goOn func(step func() (*dns.Msg, error))) {
	var replies [2]*dns.Msg
	var errs [2]error
	var missing atomic.Int32
	missing.Store(int32(len(s.chains)))
	step := func() (*dns.Msg, error) {
		for i, c := range s.chains {
			if c.outside != "" {
				s.chains[i] = s.end(c, replies[i], errs[i])
			}
		}
		if m, over := s.decide(s.chains[0], s.chains[1]); over {
			return m, nil
		}
		return s.run(context.Background()) //nolint:forbidigo // it does not wait
	}
	for i, qtype := range s.types {
		done := func(m *dns.Msg, err error) {
			replies[i], errs[i] = m, err
			if missing.Add(-1) == 0 {
				goOn(step)
			}
		}
		if outside := s.chains[i].outside; outside != "" {
			s.forwarder.LookupLater(outside, qtype, until, done)
		} else {
			done(nil, nil)
		}
	}
}

// hasServices reports whether a namespace has Services. Else the question may be the second
// one of a pod's list, for a name that ends with what looks like a namespace.
func (s *search) hasServices(ctx context.Context, namespace string) bool {
	q := backend.Query{Name: namespace + s.autopath.below, Type: dns.TypeTXT, Limit: 1, NoWait: true}
	_, err := s.backend.Records(ctx, q)
	return err == nil
}

// isService reports whether a name may be one of a Service in the pod's namespace, such as
// that of a member that is not ready: its first or last label is the name of a Service.
func (s *search) isService(ctx context.Context, asked, namespace string) bool {
	first, _, _ := strings.Cut(asked, ".")
	last := asked[strings.LastIndexByte(asked, '.')+1:]
	for _, label := range []string{first, last} {
		q := backend.Query{Name: label + "." + namespace + s.autopath.below, Type: dns.TypeTXT, Limit: 1, NoWait: true}
		if _, err := s.backend.Records(ctx, q); !errors.Is(err, backend.ErrNotFound) {
			return true // or that is not clear
		}
	}
	return false
}

// denied reports whether a candidate certainly does not exist, and for how many seconds: the
// zone has no such name, or the cache has denials for both families.
func (s *search) denied(ctx context.Context, name string) (ttl uint32, ok bool) {
	if s.outside(name) {
		return s.forwarder.Denied(name)
	}
	_, err := s.backend.Records(ctx, backend.Query{Name: name, Type: dns.TypeA, Limit: 1, NoWait: true})
	return negativeTTL, errors.Is(err, backend.ErrNotFound)
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
