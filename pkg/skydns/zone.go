package skydns

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A zone is the server's view of its data, and of the targets of its aliases.
type zone struct {
	domain    string
	backend   backend.Backend
	forwarder *upstream.Forwarder
	autopath  *autopath // nil: off
	version   string
	log       *slog.Logger
}

// TTLs of the zone's own records, in seconds.
const (
	soaTTL      = 3600
	negativeTTL = 60
)

const (
	// minRecordSize is the size of the smallest answer record: a compressed owner,
	// type, class, TTL, length and an IPv4 address.
	minRecordSize = 16
	// minSRVSize is the size of an SRV record without its target, which is not
	// compressed.
	minSRVSize = 18
)

// soa returns the zone's SOA record.
func (z *zone) soa(ttl uint32) *dns.SOA {
	return &dns.SOA{
		Hdr: header(z.domain, dns.TypeSOA, ttl),
		Ns:  "ns.dns." + z.domain, Mbox: "hostmaster." + z.domain,
		// Compat: the hour, so that it never runs backwards over a restart.
		Serial:  uint32(time.Now().Truncate(time.Hour).Unix()),
		Refresh: 28800, Retry: 7200, Expire: 604800, Minttl: negativeTTL,
	}
}

// outside reports whether name is at upstreams: it is not below the apex, or it is in a stub domain
// inside the zone.
func (z *zone) outside(name string) bool {
	return !isBelow(name, z.domain) || z.forwarder.HasStubBetween(name, z.domain)
}

// maxAliases limits the CNAMEs of the zone that are followed.
const maxAliases = 8

// A chain is the result of following an alias.
type chain struct {
	rrs   []dns.RR // CNAMEs first, then the records of the last name
	soa   []dns.RR // of a negative end
	rcode int
	// outside is the last name if it must still be queried at the forwarder; else "".
	outside string
}

// follow looks up the target of a CNAME, and the names that follow; been are the aliases before it.
// Names of the zone come from the backend, all other names from the forwarder. If wait is false and
// the reply needs another server, the error is backend.ErrWouldWait. Otherwise it is ctx's.
func (z *zone) follow(ctx context.Context, wait bool, name string, qtype uint16, been ...string) (chain, error) {
	c, err := z.followInside(ctx, wait, name, qtype, been...)
	if err != nil || c.outside == "" {
		return c, err
	}
	if wait {
		m, err := z.forwarder.Lookup(ctx, c.outside, qtype)
		return z.end(c, m, err), nil
	}
	if !z.endCached(&c, qtype) {
		return c, backend.ErrWouldWait
	}
	return c, nil
}

// endCached completes a chain that leads outside with the cached reply. It reports whether the
// chain is complete.
func (z *zone) endCached(c *chain, qtype uint16) bool {
	if c.outside == "" {
		return true
	}
	m := new(dns.Msg)
	if reply := z.forwarder.CachedReply(c.outside, qtype); reply == nil || m.Unpack(reply) != nil {
		return false
	}
	*c = z.end(*c, m, nil)
	return true
}

// followInside is follow for the names of the zone only.
func (z *zone) followInside(ctx context.Context, wait bool, name string, qtype uint16, been ...string) (chain, error) {
	var c chain
	for {
		name = canonical(name)
		if z.outside(name) {
			if strings.Count(name, ".") >= 2 && z.forwarder.CanLookup(name) {
				c.outside = name
			}
			return c, nil // with one label, or without a server, the reply is the CNAME
		}
		q := backend.Query{Name: name, Type: qtype, Limit: maxTCPSize / minRecordSize, NoWait: !wait}
		found, err := z.backend.Records(ctx, q)
		switch {
		case errors.Is(err, backend.ErrNotFound):
			c.rcode, c.soa = dns.RcodeNameError, []dns.RR{z.soa(negativeTTL)}
			return c, nil
		case errors.Is(err, backend.ErrWouldWait) || err != nil && ctx.Err() != nil:
			return c, err
		case err != nil:
			c.rcode = dns.RcodeServerFailure
			return c, nil
		}
		var next backend.Record
		for _, rec := range found.Records {
			switch rec.Type {
			case qtype:
				c.rrs = append(c.rrs, record(rec, name))
			case backend.TypeCNAME:
				next = rec
			}
		}
		switch {
		case next.Host == "" && len(found.Records) == 0:
			c.soa = []dns.RR{z.soa(negativeTTL)}
			return c, nil
		case next.Host == "", slices.Contains(been, name), len(been) == maxAliases:
			return c, nil // the end, a loop whose CNAMEs are all in the chain, or a long chain
		}
		c.rrs = append(c.rrs, record(next, name))
		been = append(been, name)
		name = next.Host
	}
}

// targetTTL is the maximum TTL, in seconds, of an upstream's records for an alias.
const targetTTL = 30

// end completes a chain that leads outside with the forwarder's reply or error.
func (z *zone) end(c chain, m *dns.Msg, err error) chain {
	if err != nil || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		z.log.Debug("cannot look up the target of an alias", "name", c.outside, "err", err)
		c.outside, c.rcode = "", dns.RcodeServerFailure
		return c
	}
	c.outside, c.rcode = "", m.Rcode
	for _, rr := range m.Answer {
		rr.Header().Ttl = min(rr.Header().Ttl, targetTTL)
		c.rrs = append(c.rrs, rr)
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			c.soa = append(c.soa, rr)
		}
	}
	return c
}

// addresses returns the addresses of a name in the zone, and false for other names.
func (z *zone) addresses(ctx context.Context, name string) ([]netip.Addr, bool) {
	if z.outside(canonical(name)) {
		return nil, false
	}
	rrs, _ := z.followBoth(ctx, true, name)
	return upstream.Addresses(rrs), true
}

// followBoth looks up the addresses of both families at the same time: IPv4 first. It returns the
// records of one family even if the other one fails.
func (z *zone) followBoth(ctx context.Context, wait bool, name string) ([]dns.RR, error) {
	var chains [2]chain
	var errs [2]error
	var panics [2]any
	var running sync.WaitGroup
	for i, qtype := range []uint16{backend.TypeA, backend.TypeAAAA} {
		family := func() {
			defer func() { panics[i] = recover() }()
			chains[i], errs[i] = z.follow(ctx, wait, name, qtype)
		}
		if wait {
			running.Go(family)
		} else {
			family()
		}
	}
	running.Wait()
	for _, trouble := range panics {
		if trouble != nil {
			panic(trouble) // in the goroutine that recovers it
		}
	}
	return append(chains[0].rrs, chains[1].rrs...), cmp.Or(errs[0], errs[1])
}

// keepFromCaches prevents dnsmasq from caching a reply with a CNAME to a name at upstreams. With
// such a CNAME and the addresses of one family, dnsmasq queries the other family over TCP at the
// servers of the target. That query has the name of the Service. Over TCP dnsmasq skips records
// with a TTL of 0. Over UDP it skips replies with CD set, and restores the bit for its client.
func (z *zone) keepFromCaches(r *request, m *dns.Msg) {
	leadsOutside := slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		cname, ok := rr.(*dns.CNAME)
		return ok && z.outside(canonical(cname.Target))
	})
	if r.question.Qtype == dns.TypeCNAME || !leadsOutside {
		return
	}
	if r.via == udp {
		m.CheckingDisabled = true
		return
	}
	for _, rr := range m.Answer {
		rr.Header().Ttl = 0
	}
}
