package upstream

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// Lookup looks up a name for the server itself: at the servers of its stub domain, else at the
// upstreams. It uses UDP with EDNS, and TCP if the reply is truncated.
func (f *Forwarder) Lookup(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	type result struct {
		m   *dns.Msg
		err error
	}
	results := make(chan result, 1) // from done, which is called once
	f.LookupLater(name, qtype, lookupDeadline(ctx), func(m *dns.Msg, err error) { results <- result{m, err} })
	select {
	case r := <-results:
		return r.m, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("look up %s: %w", name, ctx.Err())
	}
}

// LookupLater is Lookup for callers that do not block. done is called once, immediately or later by
// another goroutine, and must not panic.
func (f *Forwarder) LookupLater(name string, qtype uint16, until time.Time, done func(*dns.Msg, error)) {
	query, err := lookupQuery(name, qtype)
	if err != nil {
		done(nil, err)
		return
	}
	replied := func(reply []byte, err error) {
		if err != nil {
			done(nil, fmt.Errorf("look up %s: %w", name, err))
			return
		}
		done(unpackLookup(name, reply))
	}
	w := f.wayOfLookup(name)
	if reply := f.cached(w, query); reply != nil {
		replied(reply, nil)
		return
	}
	whole := orStale(f.replies, w, query, replied)
	f.send(w, query, until, func(reply []byte, err error) {
		if truncated := err == nil && reply[2]&2 != 0; !truncated {
			whole(reply, err)
			return
		}
		background(&f.background, until, func(ctx context.Context) {
			whole(f.connect(ctx, w, f.resolve(ctx, w), query))
		})
	})
}

// CachedReply returns the cached reply to the server's own query, or nil. It does not retain name.
func (f *Forwarder) CachedReply(name string, qtype uint16) []byte {
	if f.replies == nil {
		return nil
	}
	query, err := lookupQuery(name, qtype)
	if err != nil {
		return nil
	}
	return f.cached(f.wayOfLookup(name), query)
}

// Denied reports whether the cache has a denial of a name, and for how many seconds it is valid.
// The denial is that of type A: NXDOMAIN holds for all types (RFC 8020 section 2).
func (f *Forwarder) Denied(name string) (ttl uint32, ok bool) {
	query, err := lookupQuery(name, dns.TypeA)
	if err != nil {
		return 0, false
	}
	w, now := f.wayOfLookup(name), time.Now()
	q, ok := cacheable(f.replies, w, query)
	if !ok {
		return 0, false
	}
	ttl, ok = f.replies.Denied(q, now)
	if ok && f.replies.Claim(q, now) {
		f.refresh(w, query, q)
	}
	return ttl, ok
}
