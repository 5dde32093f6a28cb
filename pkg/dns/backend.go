package dns

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// schemaVersion is the version of the Kubernetes DNS-based service discovery
// specification that the zone follows; its section 2.2 demands the record.
const (
	schemaVersion    = "1.1.0"
	schemaVersionTTL = 28800
)

// Records implements backend.Backend for names at or below the zone's apex.
func (z *Zone) Records(ctx context.Context, q backend.Query) (backend.Answer, error) {
	if z = z.answering(); z == nil {
		return backend.Answer{}, backend.ErrNotReady
	}
	a, err := z.answer(ctx, q)
	if len(a.Records) == 0 && (err == nil || errors.Is(err, backend.ErrNotFound)) && !z.HasSynced() {
		return backend.Answer{}, backend.ErrNotReady // the missing data may have it
	}
	return a, err
}

func (z *Zone) answer(ctx context.Context, q backend.Query) (backend.Answer, error) {
	rest, ok := strings.CutSuffix(q.Name, "."+z.domain)
	if !ok && q.Name != z.domain {
		return backend.Answer{}, backend.ErrNotFound
	}
	if !ok {
		rest = ""
	}
	switch rest {
	case "": // the apex
		if q.Type == backend.TypeNS {
			return answer(backend.Record{Type: backend.TypeNS, TTL: ttl, Host: "ns.dns." + z.domain}), nil
		}
		return backend.Answer{}, nil
	case "svc", "dns", "pod": // names with names below
		return backend.Answer{}, nil
	case "ns.dns":
		return z.nameServer(q), nil
	case "dns-version":
		if q.Type == backend.TypeTXT {
			return answer(backend.Record{Type: backend.TypeTXT, TTL: schemaVersionTTL, Text: schemaVersion}), nil
		}
		return backend.Answer{}, nil
	}
	if labels, ok := strings.CutSuffix(rest, ".pod"); ok {
		rs, err := podRecords(labels, q.Type)
		return answer(rs...), err
	}
	if name, ok := z.federated(rest); ok {
		return z.redirect(ctx, name, q.NoWait)
	}
	if strings.Contains(rest, "*") {
		return z.match(q)
	}
	return z.lookup(q)
}

func answer(rs ...backend.Record) backend.Answer {
	return backend.Answer{Records: rs, Total: len(rs)}
}

// nameServer answers for ns.dns.<zone>, which the apex names: it has the
// addresses of the Service by which clients reach us.
func (z *Zone) nameServer(q backend.Query) backend.Answer {
	if q.Type != backend.TypeA && q.Type != backend.TypeAAAA {
		return backend.Answer{}
	}
	q.Name = Key{"kube-system", "kube-dns"}.owner(z.domain)
	a, err := z.lookup(q)
	if err != nil {
		return backend.Answer{}
	}
	return a
}

// lookup answers for a name that is meant as it is written.
func (z *Zone) lookup(q backend.Query) (backend.Answer, error) {
	n, rest := z.tree.Lookup(q.Name)
	if s := n.Value(); s != nil {
		if z.tooOld(s) {
			return backend.Answer{}, errTooOld
		}
		if rs, total, exists := s.records(rest, q.Type, q.Limit); exists {
			return backend.Answer{Records: rs, Total: total}, nil
		}
		return backend.Answer{}, backend.ErrNotFound
	}
	if rest != "" {
		return backend.Answer{}, backend.ErrNotFound
	}
	return backend.Answer{}, nil
}

// match answers for a name with wildcards: with the records of everything
// that it matches. Collecting stops at q.Limit. SRV records are counted a little
// further, since their weight depends on the number.
func (z *Zone) match(q backend.Query) (backend.Answer, error) {
	var a backend.Answer
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
		return len(a.Records) < q.Limit || q.Type == backend.TypeSRV && a.Total < backend.ManyTargets
	})
	switch {
	case tooOld:
		return backend.Answer{}, errTooOld
	case !found:
		return backend.Answer{}, backend.ErrNotFound
	}
	if q.Type != backend.TypeSRV {
		a.Records = withoutMixedAliases(a.Records)
	}
	return a, nil
}

// yieldEvery is how many nodes a wildcard visits before other goroutines run.
const yieldEvery = 64

// withoutMixedAliases keeps a wildcard's answer legal: a CNAME stands alone at
// its owner (RFC 1034 section 3.6.2). Addresses win over it, and of several the
// first by name stays.
func withoutMixedAliases(rs []backend.Record) []backend.Record {
	isAlias := func(r backend.Record) bool { return r.Type == backend.TypeCNAME }
	first := slices.IndexFunc(rs, isAlias)
	if first < 0 {
		return rs
	}
	if slices.ContainsFunc(rs, func(r backend.Record) bool { return !isAlias(r) }) {
		return slices.DeleteFunc(rs, isAlias)
	}
	return []backend.Record{slices.MinFunc(rs, func(a, b backend.Record) int { return strings.Compare(a.Host, b.Host) })}
}

// ReverseRecords implements backend.Backend: the names of all who claim the
// address. An address that is a ClusterIP belongs to that Service alone: an
// endpoint, which any user of a namespace can write, must not speak for it.
func (z *Zone) ReverseRecords(addr netip.Addr) ([]backend.Record, error) {
	if z = z.answering(); z == nil {
		return nil, backend.ErrNotReady
	}
	synced := z.HasSynced()
	var owners, endpoints []string
	var tooOld bool
	for _, n := range z.reverse.nodes(addr) {
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
		return nil, backend.ErrNotReady
	case len(owners) == 0:
		return nil, backend.ErrNotFound
	}
	slices.Sort(owners)
	rs := make([]backend.Record, len(owners))
	for i, name := range owners {
		rs[i] = backend.Record{Type: backend.TypePTR, TTL: ttl, Host: name}
	}
	return rs, nil
}

// ReverseBelow implements backend.Backend.
func (z *Zone) ReverseBelow(prefix netip.Prefix) error {
	switch z = z.answering(); {
	case z == nil:
		return backend.ErrNotReady
	case z.reverse.prefixes.has(prefix):
		return nil
	case !z.HasSynced():
		return backend.ErrNotReady
	}
	return backend.ErrNotFound
}
