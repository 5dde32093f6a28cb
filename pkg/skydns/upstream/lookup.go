package upstream

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/miekg/dns"
)

// Lookup asks for a name on our own behalf: at the servers of its stub domain,
// else at the upstreams; over UDP with EDNS, and over TCP when truncated.
func (f *Forwarder) Lookup(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	query, err := lookupQuery(name, qtype)
	if err != nil {
		return nil, err
	}
	w := f.wayOfLookup(name)
	until := lookupDeadline(ctx)
	reply, err := f.waitFor(w, query, func() ([]byte, error) { return f.exchange(ctx, f.resolve(ctx, w), query, until) })
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return unpackLookup(name, reply)
}

// LookupCached is Lookup from the cache alone. It returns nil where that has no reply.
func (f *Forwarder) LookupCached(name string, qtype uint16) *dns.Msg {
	if f.replies == nil {
		return nil
	}
	query, err := lookupQuery(name, qtype)
	if err != nil {
		return nil
	}
	reply := f.cached(f.wayOfLookup(name), query)
	if reply == nil {
		return nil
	}
	m, err := unpackLookup(name, reply)
	if err != nil {
		return nil
	}
	return m
}

// Denied reports whether the cache has denials of a name for both families, and for how many
// seconds they are valid.
func (f *Forwarder) Denied(name string) (ttl uint32, ok bool) {
	w, now := f.wayOfLookup(name), time.Now()
	ttl = math.MaxUint32
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		query, err := lookupQuery(name, qtype)
		if err != nil {
			return 0, false
		}
		q, ok := cacheable(f.replies, w, query)
		if !ok {
			return 0, false
		}
		left, denied := f.replies.Denied(q, now)
		if !denied {
			return 0, false
		}
		if f.replies.Claim(q, now) {
			f.refresh(w, query, q)
		}
		ttl = min(ttl, left)
	}
	return ttl, true
}
