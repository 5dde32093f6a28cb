package plugins

import (
	"context"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
)

// unavailable answers SERVFAIL where no other plugin of the block replies. It precedes the cache,
// which would drop the reason.
type unavailable struct {
	next   plugin.Handler
	reason string
}

func setupUnavailable(c *caddy.Controller) error {
	reason := ""
	for c.Next() {
		if !c.Args(&reason) || c.NextArg() {
			return plugin.Error("unavailable", c.ArgErr())
		}
	}
	add(c, func(next plugin.Handler) plugin.Handler { return unavailable{next: next, reason: reason} })
	return nil
}

// Name implements plugin.Handler.
func (unavailable) Name() string { return "unavailable" }

// ServeDNS implements plugin.Handler.
func (u unavailable) ServeDNS(ctx context.Context, w dns.ResponseWriter, query *dns.Msg) (int, error) {
	if u.next != nil {
		// The last plugin writes no reply: there is no forward.
		to := &unavailableWriter{ResponseWriter: w, reason: u.reason, query: query}
		if rcode, err := u.next.ServeDNS(ctx, to, query); plugin.ClientWrite(rcode) {
			return rcode, err
		}
	}
	return fail(w, query, dns.ExtendedErrorCodeNoReachableAuthority, u.reason)
}

// unavailableWriter adds the reason to a cached SERVFAIL.
type unavailableWriter struct {
	dns.ResponseWriter
	reason string
	query  *dns.Msg
}

// WriteMsg implements dns.ResponseWriter.
func (w *unavailableWriter) WriteMsg(reply *dns.Msg) error {
	if reply.Rcode == dns.RcodeServerFailure {
		reply = reply.Copy() // the cache can hold its records
		withError(reply, w.query, dns.ExtendedErrorCodeNoReachableAuthority, w.reason)
	}
	return w.ResponseWriter.WriteMsg(reply)
}
