package plugins

import (
	"context"
	"fmt"
	"strconv"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
)

// stale recognizes expired replies of the cache by their TTL, and sets another TTL and an Extended
// DNS Error (RFC 8914).
type stale struct {
	next      plugin.Handler
	mark, ttl uint32
}

func setupStale(c *caddy.Controller) error {
	s := stale{}
	for c.Next() {
		args := c.RemainingArgs()
		if len(args) != 2 {
			return plugin.Error("stale", c.ArgErr())
		}
		for i, to := range []*uint32{&s.mark, &s.ttl} {
			n, err := strconv.ParseUint(args[i], 10, 31)
			if err != nil {
				return plugin.Error("stale", fmt.Errorf("%q is not a TTL", args[i]))
			}
			*to = uint32(n)
		}
	}
	add(c, func(next plugin.Handler) plugin.Handler {
		return stale{next: next, mark: s.mark, ttl: s.ttl}
	})
	return nil
}

// Name implements plugin.Handler.
func (stale) Name() string { return "stale" }

// ServeDNS implements plugin.Handler.
func (s stale) ServeDNS(ctx context.Context, w dns.ResponseWriter, query *dns.Msg) (int, error) {
	return plugin.NextOrFailure(s.Name(), s.next, ctx, &staleWriter{ResponseWriter: w, stale: s, query: query}, query)
}

type staleWriter struct {
	dns.ResponseWriter
	stale stale
	query *dns.Msg
}

// WriteMsg changes an expired reply and passes on all other replies.
func (w *staleWriter) WriteMsg(reply *dns.Msg) error {
	if !w.stale.marked(reply) {
		return w.ResponseWriter.WriteMsg(reply)
	}
	reply = reply.Copy() // the cache can hold its records
	for _, section := range [][]dns.RR{reply.Answer, reply.Ns, reply.Extra} {
		for _, rr := range section {
			if h := rr.Header(); h.Rrtype != dns.TypeOPT {
				h.Ttl = min(h.Ttl, w.stale.ttl)
			}
		}
	}
	code := dns.ExtendedErrorCodeStaleAnswer
	if reply.Rcode == dns.RcodeNameError {
		code = dns.ExtendedErrorCodeStaleNXDOMAINAnswer
	}
	withError(reply, w.query, code, "")
	return w.ResponseWriter.WriteMsg(reply)
}

// SetPlugin passes on the name of the replying plugin, for the metrics.
func (w *staleWriter) SetPlugin(name string) {
	if t, ok := w.ResponseWriter.(plugin.PluginTracker); ok {
		t.SetPlugin(name)
	}
}

// GetPlugin implements plugin.PluginTracker.
func (w *staleWriter) GetPlugin() string {
	if t, ok := w.ResponseWriter.(plugin.PluginTracker); ok {
		return t.GetPlugin()
	}
	return ""
}

// marked reports whether the cache sent an expired reply.
func (s stale) marked(reply *dns.Msg) bool {
	for _, section := range [][]dns.RR{reply.Answer, reply.Ns} {
		for _, rr := range section {
			if rr.Header().Ttl == s.mark {
				return true
			}
		}
	}
	return false
}
