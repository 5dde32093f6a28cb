package skydns

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// maxAliases is how many CNAMEs of the zone are followed.
const maxAliases = 8

// A chain is what was found behind an alias.
type chain struct {
	rrs   []dns.RR // CNAMEs first, then addresses
	soa   []dns.RR // of a negative end
	rcode int
}

// answerAlias answers an address question whose name is an alias of host: the
// CNAME in any case, and as much of what it leads to as can be found.
func (s *Server) answerAlias(ctx context.Context, r *request, host string) (*dns.Msg, error) {
	m := r.authoritative()
	m.Answer = []dns.RR{&dns.CNAME{Hdr: header(r.q.Name, dns.TypeCNAME, aliasTTL), Target: host}}
	c, err := s.follow(ctx, host, r.q.Qtype, r.name)
	if err != nil {
		return nil, err
	}
	m.Answer = append(m.Answer, c.rrs...)
	m.Rcode, m.Ns = c.rcode, c.soa
	return m, nil
}

// aliasTTL is the TTL of the zone's CNAMEs.
const aliasTTL = 30

// follow looks for addresses of a name that a CNAME leads to; been are the
// aliases on the way to it. Names of the zone come from the backend, others
// from the forwarder. The error is the context's.
func (s *Server) follow(ctx context.Context, name string, qtype uint16, been ...string) (chain, error) {
	var c chain
	for {
		name = canonical(name)
		if !isBelow(name, s.domain) {
			return s.followOutside(ctx, c, name, qtype)
		}
		found, err := s.backend.Records(ctx, Query{Name: name, Type: qtype, Limit: maxTCPSize / minRecordSize})
		switch {
		case errors.Is(err, ErrNotFound):
			c.rcode, c.soa = dns.RcodeNameError, []dns.RR{s.soa(negativeTTL)}
			return c, nil
		case err != nil && ctx.Err() != nil:
			return c, ctx.Err()
		case err != nil:
			c.rcode = dns.RcodeServerFailure
			return c, nil
		}
		var next string
		for _, rec := range found.Records {
			switch rec.Type {
			case qtype:
				c.rrs = append(c.rrs, rec.rr(name))
			case TypeCNAME:
				next = rec.Host
			}
		}
		if next == "" {
			if len(found.Records) == 0 {
				c.soa = []dns.RR{s.soa(negativeTTL)}
			}
			return c, nil
		}
		if slices.Contains(been, name) || len(been) == maxAliases {
			return c, nil // a loop, of which each CNAME was met once, or a long way
		}
		c.rrs = append(c.rrs, &dns.CNAME{Hdr: header(name, dns.TypeCNAME, aliasTTL), Target: next})
		been = append(been, name)
		name = next
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
		rr.Header().Ttl = externalTTL
		c.rrs = append(c.rrs, rr)
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			c.soa = append(c.soa, rr)
		}
	}
	return c, nil
}
