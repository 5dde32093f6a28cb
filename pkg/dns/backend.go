package dns

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// schemaVersion is the version of the Kubernetes DNS-based service discovery
// specification that the zone follows; its section 2.2 demands the record.
const (
	schemaVersion    = "1.1.0"
	schemaVersionTTL = 28800
)

// Records implements skydns.Backend for names at or below the zone's apex.
func (z *Zone) Records(ctx context.Context, q skydns.Query) (skydns.Answer, error) {
	if z = z.answering(); z == nil {
		return skydns.Answer{}, skydns.ErrNotReady
	}
	a, err := z.answer(ctx, q)
	if len(a.Records) == 0 && (err == nil || errors.Is(err, skydns.ErrNotFound)) && !z.HasSynced() {
		return skydns.Answer{}, skydns.ErrNotReady // the missing data may have it
	}
	return a, err
}

func (z *Zone) answer(ctx context.Context, q skydns.Query) (skydns.Answer, error) {
	rest, ok := strings.CutSuffix(q.Name, "."+z.domain)
	if !ok && q.Name != z.domain {
		return skydns.Answer{}, skydns.ErrNotFound
	}
	if !ok {
		rest = ""
	}
	switch rest {
	case "": // the apex
		if q.Type == skydns.TypeNS {
			return answer(skydns.Record{Type: skydns.TypeNS, TTL: ttl, Host: "ns.dns." + z.domain}), nil
		}
		return skydns.Answer{}, nil
	case "svc", "dns", "pod": // names with names below
		return skydns.Answer{}, nil
	case "ns.dns":
		return z.nameServer(q), nil
	case "dns-version":
		if q.Type == skydns.TypeTXT {
			return answer(skydns.Record{Type: skydns.TypeTXT, TTL: schemaVersionTTL, Text: schemaVersion}), nil
		}
		return skydns.Answer{}, nil
	}
	if labels, ok := strings.CutSuffix(rest, ".pod"); ok {
		rs, err := podRecords(labels, q.Type)
		return answer(rs...), err
	}
	if name, ok := z.federated(rest); ok {
		return z.redirect(ctx, name)
	}
	if strings.Contains(rest, "*") {
		return z.match(q)
	}
	return z.lookup(q)
}

func answer(rs ...skydns.Record) skydns.Answer {
	return skydns.Answer{Records: rs, Total: len(rs)}
}

// nameServer answers for ns.dns.<zone>, which the apex names: it has the
// addresses of the Service by which clients reach us.
func (z *Zone) nameServer(q skydns.Query) skydns.Answer {
	if q.Type != skydns.TypeA && q.Type != skydns.TypeAAAA {
		return skydns.Answer{}
	}
	q.Name = Key{"kube-system", "kube-dns"}.owner(z.domain)
	a, err := z.lookup(q)
	if err != nil {
		return skydns.Answer{}
	}
	return a
}

// lookup answers for a name that is meant as it is written.
func (z *Zone) lookup(q skydns.Query) (skydns.Answer, error) {
	n, rest := z.tree.Lookup(q.Name)
	if s := n.Value(); s != nil {
		if z.tooOld(s) {
			return skydns.Answer{}, errTooOld
		}
		if rs, total, exists := s.records(rest, q.Type, q.Limit); exists {
			return skydns.Answer{Records: rs, Total: total}, nil
		}
		return skydns.Answer{}, skydns.ErrNotFound
	}
	if rest != "" {
		return skydns.Answer{}, skydns.ErrNotFound
	}
	return skydns.Answer{}, nil
}

// match answers for a name with wildcards: with the records of everything
// that it matches. Collecting stops at q.Limit. SRV records are counted a little
// further, since their weight depends on the number.
func (z *Zone) match(q skydns.Query) (skydns.Answer, error) {
	var a skydns.Answer
	var found, tooOld bool
	visited := 0
	z.tree.Match(q.Name, func(n *treecache.Node[service], rest string) bool {
		if visited++; visited%yieldEvery == 0 {
			runtime.Gosched() // queries that are quick to answer go first
		}
		s := n.Value()
		if s == nil {
			// Compat: "*" does not list what is below a namespace or svc.
			found = found || rest == ""
			return true
		}
		tooOld = tooOld || z.tooOld(s)
		rs, total, exists := s.records(rest, q.Type, max(0, q.Limit-len(a.Records)))
		found = found || exists
		a.Records = append(a.Records, rs...)
		a.Total += total
		return len(a.Records) < q.Limit || q.Type == skydns.TypeSRV && a.Total < skydns.ManyTargets
	})
	switch {
	case tooOld:
		return skydns.Answer{}, errTooOld
	case !found:
		return skydns.Answer{}, skydns.ErrNotFound
	}
	if q.Type != skydns.TypeSRV {
		a.Records = withoutMixedAliases(a.Records)
	}
	return a, nil
}

// yieldEvery is how many nodes a wildcard visits before other goroutines run.
const yieldEvery = 64

// withoutMixedAliases keeps a wildcard's answer legal: a CNAME stands alone at
// its owner (RFC 1034 section 3.6.2). Addresses win over it, and of several the
// first by name stays.
func withoutMixedAliases(rs []skydns.Record) []skydns.Record {
	isAlias := func(r skydns.Record) bool { return r.Type == skydns.TypeCNAME }
	first := slices.IndexFunc(rs, isAlias)
	if first < 0 {
		return rs
	}
	if slices.ContainsFunc(rs, func(r skydns.Record) bool { return !isAlias(r) }) {
		return slices.DeleteFunc(rs, isAlias)
	}
	return []skydns.Record{slices.MinFunc(rs, func(a, b skydns.Record) int { return strings.Compare(a.Host, b.Host) })}
}

// ReverseRecords implements skydns.Backend: the names of all who claim the
// address. An address that is a ClusterIP belongs to that Service alone: an
// endpoint, which any user of a namespace can write, must not speak for it.
func (z *Zone) ReverseRecords(addr netip.Addr) ([]skydns.Record, error) {
	if z = z.answering(); z == nil {
		return nil, skydns.ErrNotReady
	}
	synced := z.HasSynced()
	var owners, endpoints []string
	var tooOld bool
	for _, n := range z.claimants(addr).all() {
		s := n.Value()
		switch {
		case s == nil:
		case s.headless:
			tooOld = tooOld || z.tooOld(s)
			endpoints = append(endpoints, s.reverse(addr)...)
		default:
			owners = append(owners, s.reverse(addr)...)
		}
	}
	if len(owners) == 0 && tooOld {
		return nil, errTooOld
	}
	if len(owners) == 0 {
		owners = endpoints
	}
	switch {
	case len(owners) == 0 && !synced:
		return nil, skydns.ErrNotReady
	case len(owners) == 0:
		return nil, skydns.ErrNotFound
	}
	slices.Sort(owners)
	rs := make([]skydns.Record, len(owners))
	for i, name := range owners {
		rs[i] = skydns.Record{Type: skydns.TypePTR, TTL: ttl, Host: name}
	}
	return rs, nil
}

// ReverseBelow implements skydns.Backend.
func (z *Zone) ReverseBelow(prefix netip.Prefix) error {
	switch z = z.answering(); {
	case z == nil:
		return skydns.ErrNotReady
	case z.prefixes.has(prefix):
		return nil
	case !z.HasSynced():
		return skydns.ErrNotReady
	}
	return skydns.ErrNotFound
}
