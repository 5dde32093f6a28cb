package upstream

import (
	"context"
	"fmt"

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
