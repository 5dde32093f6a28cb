package dns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// schemaVersion is the version of the Kubernetes DNS-based service discovery specification that the
// zone implements. Its section 2.2 requires the record.
const (
	schemaVersion    = "1.1.0"
	schemaVersionTTL = 28800
)

// answer returns the records of a name at or below the zone's apex.
func (v *view) answer(ctx context.Context, q backend.Query) (backend.Answer, error) {
	place, rest := placeOf(q.Name, v.domain)
	switch place {
	case outside:
		return backend.Answer{}, backend.ErrNotFound
	case apex:
		if q.Type == backend.TypeNS {
			return answer(backend.Record{Type: backend.TypeNS, TTL: ttl, Host: "ns.dns." + v.domain}), nil
		}
		return backend.Answer{}, nil
	case emptyNode:
		return backend.Answer{}, nil
	case nameServer:
		return v.nameServer(q), nil
	case version:
		if q.Type == backend.TypeTXT {
			return answer(backend.Record{Type: backend.TypeTXT, TTL: schemaVersionTTL, Text: schemaVersion}), nil
		}
		return backend.Answer{}, nil
	case pod:
		rs, err := podRecords(rest, q.Type)
		return answer(rs...), err
	case wildcard:
		return v.match(q)
	}
	if name, ok := v.federations.parse(rest); ok {
		return v.redirect(ctx, name, q.NoWait)
	}
	return v.lookup(q)
}

func answer(rs ...backend.Record) backend.Answer {
	return backend.Answer{Records: rs, Total: len(rs)}
}

// nameServer returns the addresses of ns.dns.<zone>, the name server of the apex. They are the
// addresses of the Service kube-dns.
func (v *view) nameServer(q backend.Query) backend.Answer {
	if q.Type != backend.TypeA && q.Type != backend.TypeAAAA {
		return backend.Answer{}
	}
	q.Name = Key{"kube-system", "kube-dns"}.owner(v.domain)
	a, err := v.lookup(q)
	if err != nil {
		return backend.Answer{}
	}
	return a
}

// lookup returns the records of a name without wildcards.
func (v *view) lookup(q backend.Query) (backend.Answer, error) {
	n, rest := v.tree.Lookup(q.Name)
	if s := n.Value(); s != nil {
		if v.tooOld(s) {
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

// match returns the records of all names that match a name with wildcards. It stops at q.Limit. SRV
// records are counted a little further, because their weight depends on the number.
func (v *view) match(q backend.Query) (backend.Answer, error) {
	var a backend.Answer
	var found, tooOld bool
	visited := 0
	v.tree.Match(q.Name, func(n *treecache.Node[service], rest string) bool {
		if visited++; visited%yieldEvery == 0 {
			runtime.Gosched() // let cheap queries run first
		}
		s := n.Value()
		if s == nil {
			// Compat: "*" does not list names below a namespace or svc.
			found = found || rest == ""
			return true
		}
		tooOld = tooOld || v.tooOld(s)
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

// yieldEvery is the number of nodes that a wildcard visits before other goroutines run.
const yieldEvery = 64

// withoutMixedAliases keeps a wildcard's answer legal: a CNAME must be the only record of its owner
// (RFC 1034 section 3.6.2). Addresses win over CNAMEs. Among CNAMEs, the first by name wins.
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

// redirect answers with a CNAME to the Service of this cluster. If that is not usable, the CNAME
// points to the nearest cluster of the federation.
func (v *view) redirect(ctx context.Context, name federatedName, noWait bool) (backend.Answer, error) {
	host := Key{name.namespace, name.service}.owner(v.domain)
	n, rest := v.tree.Lookup(host)
	if s := n.Value(); rest != "" || s == nil || !s.usable {
		var err error
		if host, err = v.federations.host(ctx, name, noWait); err != nil {
			return backend.Answer{}, fmt.Errorf("federation %s: %w", name.federation, err)
		}
	}
	a := answer(backend.Record{Type: backend.TypeCNAME, TTL: ttl, Host: host})
	a.Alias = true
	return a, nil
}

var errTooOld = errors.New("the data of an earlier run is too old")

// maxReverse is the maximum number of names of an address. Namespace users can make thousands of
// Services claim one, and the goroutine that read the query builds the reply.
const maxReverse = 64

// reverseRecords returns the names of all Services that claim an address, or maxReverse random
// names. A ClusterIP belongs only to its Service: any user of a namespace can write an endpoint, so
// endpoints must not claim it.
func (v *view) reverseRecords(addr netip.Addr) ([]backend.Record, error) {
	var owners, endpoints []string
	var tooOld bool
	nodes := v.reverse.nodes(addr)
	first := rand.IntN(max(1, len(nodes)))
	for i := range nodes {
		s := nodes[(first+i)%len(nodes)].Value()
		switch {
		case s == nil:
		case s.headless:
			tooOld = tooOld || v.tooOld(s)
			endpoints = append(endpoints, reverseNames(s, addr, maxReverse-len(endpoints))...)
		default:
			owners = append(owners, reverseNames(s, addr, 1)...)
		}
	}
	if len(owners) == 0 && tooOld {
		return nil, errTooOld
	}
	if len(owners) == 0 {
		owners = endpoints
	}
	if len(owners) == 0 {
		return nil, backend.ErrNotFound
	}
	owners = owners[:min(maxReverse, len(owners))]
	slices.Sort(owners)
	rs := make([]backend.Record, len(owners))
	for i, name := range owners {
		rs[i] = backend.Record{Type: backend.TypePTR, TTL: ttl, Host: name}
	}
	return rs, nil
}

// plain is answer for the fast path. It covers Services, their hosts and ports, and names that do
// not exist.
func (v *view) plain(name string, qtype uint16) backend.Plain {
	place, rest := placeOf(name, v.domain)
	if place != plainName || v.federations.mayHave(rest) {
		return backend.Plain{}
	}
	n, rest := v.tree.Lookup(name)
	s := n.Value()
	switch {
	case s != nil:
		return s.plain(rest, qtype)
	case rest == "":
		return backend.Plain{Kind: backend.PlainNoData}
	}
	return backend.Plain{Kind: backend.PlainNotFound}
}

// plainReverse is reverseRecords for an address that one Service claims with one name.
func (v *view) plainReverse(addr netip.Addr) backend.Plain {
	if c := v.reverse.get(addr); c != nil {
		return c.plain(addr)
	}
	return backend.Plain{}
}
