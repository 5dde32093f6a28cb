package skydns

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// maxAliases is how many CNAMEs of the zone are followed.
const maxAliases = 8

// A chain is what was found behind an alias.
type chain struct {
	rrs   []dns.RR // CNAMEs first, then what was asked for
	soa   []dns.RR // of a negative end
	rcode int
}

// answerAlias answers a question whose name is an alias: the CNAME in any case, and
// as much of what it leads to as can be found.
func (s *Server) answerAlias(ctx context.Context, r *request, alias backend.Record) (*dns.Msg, error) {
	m := r.authoritative()
	m.Answer = []dns.RR{&dns.CNAME{Hdr: header(r.q.Name, dns.TypeCNAME, alias.TTL), Target: alias.Host}}
	c, err := s.follow(ctx, alias.Host, r.q.Qtype, r.name)
	if err != nil {
		return nil, err
	}
	m.Answer = append(m.Answer, c.rrs...)
	m.Rcode, m.Ns = c.rcode, c.soa
	return m, nil
}

// targetTTL is the longest TTL of records that other servers have for an alias.
const targetTTL = 30

// follow looks for records, addresses most often, of a name that a CNAME leads to; been are the
// aliases on the way to it. Names of the zone come from the backend, others
// from the forwarder. The error is the context's.
func (s *Server) follow(ctx context.Context, name string, qtype uint16, been ...string) (chain, error) {
	var c chain
	for {
		name = canonical(name)
		if s.outside(name) {
			return s.followOutside(ctx, c, name, qtype)
		}
		found, err := s.backend.Records(ctx, backend.Query{Name: name, Type: qtype, Limit: maxTCPSize / minRecordSize})
		switch {
		case errors.Is(err, backend.ErrNotFound):
			c.rcode, c.soa = dns.RcodeNameError, []dns.RR{s.soa(negativeTTL)}
			return c, nil
		case err != nil && ctx.Err() != nil:
			return c, ctx.Err()
		case err != nil:
			c.rcode = dns.RcodeServerFailure
			return c, nil
		}
		var next backend.Record
		for _, rec := range found.Records {
			switch rec.Type {
			case qtype:
				c.rrs = append(c.rrs, rr(rec, name))
			case backend.TypeCNAME:
				next = rec
			}
		}
		if next.Host == "" {
			if len(found.Records) == 0 {
				c.soa = []dns.RR{s.soa(negativeTTL)}
			}
			return c, nil
		}
		if slices.Contains(been, name) || len(been) == maxAliases {
			return c, nil // a loop, of which each CNAME was met once, or a long way
		}
		c.rrs = append(c.rrs, &dns.CNAME{Hdr: header(name, dns.TypeCNAME, next.TTL), Target: next.Host})
		been = append(been, name)
		name = next.Host
	}
}

// followOutside asks the forwarder for a name that is not the zone's.
func (s *Server) followOutside(ctx context.Context, c chain, name string, qtype uint16) (chain, error) {
	if strings.Count(name, ".") < 2 || !s.forwarder.knows(name) {
		return c, nil // one label, or nobody to ask: the CNAME is all there is
	}
	if err := ctx.Err(); err != nil {
		return c, err
	}
	m, err := s.forwarder.Lookup(ctx, name, qtype)
	if err != nil || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		s.log.Debug("target of an alias", "name", name, "err", err)
		c.rcode = dns.RcodeServerFailure
		return c, nil
	}
	c.rcode = m.Rcode
	for _, rr := range m.Answer {
		rr.Header().Ttl = min(rr.Header().Ttl, targetTTL)
		c.rrs = append(c.rrs, rr)
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			c.soa = append(c.soa, rr)
		}
	}
	return c, nil
}

// keepFromCaches makes sure that dnsmasq does not cache a reply with a CNAME to
// a name that other servers hold. dnsmasq with such a CNAME and the addresses of
// one family sends a TCP query for the other family to the servers of the
// target, under the name of the Service. Over TCP dnsmasq skips records with a
// TTL of 0; over UDP it skips replies with CD set, and restores the bit for its
// client.
func (s *Server) keepFromCaches(r *request, m *dns.Msg) {
	if r.q.Qtype == dns.TypeCNAME || !s.leadsOutside(m.Answer) {
		return
	}
	if !r.tcp {
		m.CheckingDisabled = true
		return
	}
	for _, rr := range m.Answer {
		rr.Header().Ttl = 0
	}
}

// leadsOutside reports whether one of the records is a CNAME whose target other
// servers hold.
func (s *Server) leadsOutside(answer []dns.RR) bool {
	for _, rr := range answer {
		if cname, ok := rr.(*dns.CNAME); ok && s.outside(canonical(cname.Target)) {
			return true
		}
	}
	return false
}

// outside reports whether other servers hold name: it is not below the apex, or
// it is in a stub domain inside the zone.
func (s *Server) outside(name string) bool {
	return !isBelow(name, s.domain) || s.forwarder.hasStubBetween(name, s.domain)
}

// appendNew appends the records that are not there yet.
func appendNew(rrs, more []dns.RR) []dns.RR {
	for _, rr := range more {
		if !slices.ContainsFunc(rrs, func(old dns.RR) bool { return dns.IsDuplicate(old, rr) }) {
			rrs = append(rrs, rr)
		}
	}
	return rrs
}
