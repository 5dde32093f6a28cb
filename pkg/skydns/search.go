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

// searchTimeout limits a search by the server. After it the client continues.
const searchTimeout = 2 * time.Second

// A search walks the search list of a pod on behalf of the pod.
type search struct {
	*zone
	r     *request
	names []string // the remaining candidates
	ttl   uint32   // of the reply
	// chains belong to the first candidate, by family. A chain that leads outside has no reply yet.
	chains [len(families)]chain
}

// families are the types of addresses. A is the first one, since its reply alone shows that a
// candidate does not exist: NXDOMAIN holds for all types (RFC 8020 section 2).
var families = [...]uint16{dns.TypeA, dns.TypeAAAA}

// newSearch starts a search for a name that does not exist. It returns nil for names that are not
// searched.
func newSearch(ctx context.Context, z *zone, r *request) *search {
	asked, namespace, ok := z.autopath.first(r.name, r.question.Qtype)
	if !ok {
		return nil
	}
	s := &search{zone: z, r: r, ttl: negativeTTL}
	if !s.hasServices(ctx, namespace) || s.isService(ctx, asked, namespace) {
		return nil
	}
	s.names = z.autopath.candidates(asked)
	return s
}

// run continues with the data in memory. It replies with the first candidate that exists. It
// returns nil if the client must continue: no candidate exists, or one is not clear. The error is
// backend.ErrWouldWait if the first remaining candidate needs other servers.
func (s *search) run(ctx context.Context) (*dns.Msg, error) {
	for len(s.names) > 0 {
		if denial, denied := s.denied(ctx, s.names[0]); denied {
			s.drop(denial)
			continue
		}
		for i, qtype := range families {
			var err error
			if s.chains[i], err = s.followInside(ctx, false, s.names[0], qtype); err != nil {
				return nil, nil // the backend waits when the client queries the candidate
			}
		}
		if m, over, err := s.decide(); over {
			return m, err
		}
	}
	return nil, nil
}

// drop moves to the next candidate: the first one does not exist, for ttl seconds.
func (s *search) drop(ttl uint32) { s.names, s.ttl = s.names[1:], min(s.ttl, ttl) }

// decide decides by the families of the first candidate, as far as necessary. The candidate exists
// if one family has addresses. The reply for the other family is then NODATA, even if an upstream
// sends NXDOMAIN. over reports that the search is over or waits; without a reply the client must
// continue.
func (s *search) decide() (m *dns.Msg, over bool, err error) {
	if !s.endCached(&s.chains[0], families[0]) {
		return nil, true, backend.ErrWouldWait
	}
	if a := s.chains[0]; isAbsent(a) {
		s.drop(negativeTTLOf(a.soa, s.ttl))
		return nil, false, nil
	}
	own, other := 0, 1
	if s.r.question.Qtype == families[1] {
		own, other = 1, 0
	}
	if own == 0 && s.hasAddress(own) {
		return s.reply(s.chains[own]), true, nil
	}
	if !s.endCached(&s.chains[1], families[1]) {
		return nil, true, backend.ErrWouldWait
	}
	switch failing := s.chains[own].rcode == dns.RcodeServerFailure; {
	case s.hasAddress(own), s.hasAddress(other) && !failing: // even if the other family fails
		return s.reply(s.chains[own]), true, nil
	case s.hasAddress(other):
		return s.r.failure(), true, nil // it exists, so NXDOMAIN would hide the addresses from caches
	}
	return nil, true, nil // a name without addresses: clients differ there
}

// reply returns a reply with an alias to the first candidate.
func (s *search) reply(own chain) *dns.Msg {
	ttl := negativeTTLOf(own.soa, s.ttl)
	m := s.r.authoritative(dns.RcodeSuccess)
	cname := &dns.CNAME{Hdr: header(s.r.question.Name, dns.TypeCNAME, ttl), Target: s.names[0]}
	m.Answer = append([]dns.RR{cname}, own.rrs...)
	for _, rr := range own.soa {
		rr.Header().Ttl = ttl
		m.Ns = append(m.Ns, rr)
	}
	return m
}

// lookUp looks up the first candidate at other servers. Then it calls goOn once, in any goroutine,
// with the next step, which is like run. Equal queries are sent once, so clients that query both
// families at the same time share them.
func (s *search) lookUp(until time.Time, goOn func(step func() (*dns.Msg, error))) {
	needed := s.needed()
	var replies [len(families)]*dns.Msg
	var errs [len(families)]error
	step := func() (*dns.Msg, error) {
		for _, i := range needed {
			s.chains[i] = s.end(s.chains[i], replies[i], errs[i])
		}
		if m, over, err := s.decide(); over {
			return m, err
		}
		return s.run(context.Background()) //nolint:forbidigo // it does not wait
	}
	var missing atomic.Int32
	missing.Store(int32(len(needed)))
	for _, i := range needed {
		s.forwarder.LookupLater(s.chains[i].outside, families[i], until, func(m *dns.Msg, err error) {
			replies[i], errs[i] = m, err
			if missing.Add(-1) == 0 {
				goOn(step)
			}
		})
	}
}

// needed returns the families of the first candidate to query at other servers. It returns one at a
// time, but both for the last candidate, which is usually the one that exists.
func (s *search) needed() []int {
	isLast := len(s.names) == 1
	var needed []int
	for i, c := range s.chains {
		if c.outside != "" && (isLast || len(needed) == 0) {
			needed = append(needed, i)
		}
	}
	return needed
}

// hasServices reports whether a namespace has Services. If not, the question might be the second
// one of a pod's list, for a name that seems to end in a namespace.
func (s *search) hasServices(ctx context.Context, namespace string) bool {
	q := backend.Query{Name: namespace + s.autopath.below, Type: dns.TypeTXT, Limit: 1, NoWait: true}
	_, err := s.backend.Records(ctx, q)
	return err == nil
}

// isService reports whether a name can belong to a Service in the pod's namespace, such as a member
// that is not ready. The first or last label of such a name is the name of a Service.
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

// denied reports whether a candidate certainly does not exist, and for how many seconds: it is
// missing in the zone, or its denial is in the cache.
func (s *search) denied(ctx context.Context, name string) (ttl uint32, ok bool) {
	if s.outside(name) {
		return s.forwarder.Denied(name)
	}
	_, err := s.backend.Records(ctx, backend.Query{Name: name, Type: dns.TypeA, Limit: 1, NoWait: true})
	return negativeTTL, errors.Is(err, backend.ErrNotFound)
}

func isAbsent(c chain) bool { return c.rcode == dns.RcodeNameError && len(c.rrs) == 0 }

// hasAddress reports whether the first candidate has addresses of a family.
func (s *search) hasAddress(family int) bool {
	c := s.chains[family]
	n := len(c.rrs)
	return c.rcode == dns.RcodeSuccess && n > 0 && c.rrs[n-1].Header().Rrtype == families[family]
}

// negativeTTLOf returns the TTL of a denial with these SOA records, at most limit.
func negativeTTLOf(rrs []dns.RR, limit uint32) uint32 {
	for _, rr := range rrs {
		if soa, ok := rr.(*dns.SOA); ok {
			limit = min(limit, soa.Hdr.Ttl, soa.Minttl)
		}
	}
	return limit
}
